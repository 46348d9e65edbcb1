"""Real servers for tests: started together from wheels, and gone afterwards."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from towpath_cli.embedded import Durability, EmbeddedServer, NatsServer, QdrantServer, RedisServer


@dataclass(frozen=True)
class Servers:
    """The servers of one test or session; `await servers.qdrant.start()` starts one that was not asked for."""

    nats: NatsServer
    redis: RedisServer
    qdrant: QdrantServer

    @classmethod
    def below(cls, directory: Path | None, durability: Durability) -> "Servers":
        """Describe them, each with a store of its own below `directory`, or a temporary one."""
        return cls(
            nats=NatsServer(directory and directory / "nats", durability=durability),
            redis=RedisServer(directory and directory / "redis"),
            qdrant=QdrantServer(directory and directory / "qdrant"),
        )


@asynccontextmanager
async def servers(
    directory: Path | None = None,
    *,
    nats: bool = True,
    redis: bool = True,
    qdrant: bool = False,
    durability: Durability = "standard",
) -> AsyncGenerator[Servers]:
    """Start the chosen servers at the same time, and stop whichever run in the end.

    They belong to no event loop: start them in a session's, and kill or restart them in a test's.

    Args:
        directory: Where their stores are kept; temporary ones if not given.
        nats: Whether NATS is started at once.
        redis: Whether Valkey is started at once.
        qdrant: Whether Qdrant Edge is started at once.
        durability: What a message stored in NATS survives.

    Yields:
        All three, started or not.

    Raises:
        ServerStartError: If one of them does not start.
    """
    every = Servers.below(directory, durability)
    chosen = {every.nats: nats, every.redis: redis, every.qdrant: qdrant}
    try:
        await _start_all([server for server, wanted in chosen.items() if wanted])
        yield every
    finally:
        await asyncio.gather(*(server.stop() for server in chosen))


async def _start_all(chosen: list[EmbeddedServer]) -> None:
    # Each start comes to its end before the first failure is told, so that none is stopped half-way.
    outcomes = await asyncio.gather(*(server.start() for server in chosen), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
