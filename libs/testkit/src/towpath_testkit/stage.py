"""A whole platform of processes for tests, any part of which may be killed and started again."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from towpath_cli.embedded import free_port
from towpath_cli.embedded.server import ask
from towpath_cli.plan import ROLES, Plan
from towpath_cli.platform import Platform
from towpath_testkit.servers import Servers

SERVICES = ROLES
SERVERS = ("nats", "redis")
PARTS = (*SERVICES, *SERVERS)
"""Everything that can be killed."""


class Stage:
    """Broker, stores and services as processes; it belongs to no event loop.

    Attributes:
        servers: The broker and the stores.
        platform: The services.
    """

    def __init__(
        self,
        app: Path,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        roles: Sequence[str] = SERVICES,
    ) -> None:
        """Describe it; nothing is started yet.

        Args:
            app: The user code.
            directory: Where stores, logs and the ledger are kept.
            settings: Settings for the services, beside those that make tests quick.
            environment: Variables that the user code reads.
            roles: Which services there are; one that is named twice runs twice.
        """
        self.directory = directory
        self.servers = Servers.below(directory, "standard")
        self.platform = Platform(
            Plan(
                app=str(app),
                nats_url=self.servers.nats.url,
                redis_url=self.servers.redis.url,
                directory=directory,
                http_port=free_port(),
                settings={"ack_wait_s": "3", **(settings or {})},
                environment=environment or {},
            ),
            roles=roles,
        )

    @property
    def nats_url(self) -> str:
        """Where clients connect."""
        return self.servers.nats.url

    async def put_up(self) -> None:
        """Start everything; return once all of it is ready."""
        await asyncio.gather(self.servers.nats.start(), self.servers.redis.start())
        await self.platform.__aenter__()

    async def take_down(self) -> None:
        """Stop everything."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.servers.redis.stop)
            stack.push_async_callback(self.servers.nats.stop)
            stack.push_async_exit(self.platform)

    async def kill(self, part: str) -> None:
        """End a part as a crash would (`kill -9`)."""
        if part in SERVERS:
            await getattr(self.servers, part).kill()
        else:
            await self.platform.kill(part)

    async def empty_redis(self) -> None:
        """Make Redis forget everything."""
        await ask(self.servers.redis.port, b"FLUSHALL\r\n", until=b"\r\n")

    async def start(self, part: str) -> None:
        """Start a part that was killed; return once it is ready."""
        if part in SERVERS:
            await getattr(self.servers, part).start()
        else:
            await self.platform.start(part)
