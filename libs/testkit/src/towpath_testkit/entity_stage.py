"""An entity store between played neighbours, on real servers."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection
from towpath_chassis.streams import ensure_streams
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted
from towpath_schemas.streams import JOURNAL
from towpath_testkit.entities import (
    TENANT,
    Method,
    PlayedRun,
    PlayedRunner,
    cart,
    played_run,
    played_runner,
)
from towpath_testkit.entity_stores import EntityStores
from towpath_testkit.servers import servers

_LOOK_AGAIN_S = 0.02


@dataclass
class EntityStage(EntityStores):
    """Everything around the entity stores of one test."""

    js: JetStream
    redis: Any
    runner: PlayedRunner
    run: PlayedRun

    def settings(self, **changes: Any) -> Settings:
        """Choose settings with which a test does not take long."""
        return super().settings(**{"turn_silence_s": 0.5, **changes})

    async def log_of(self, key: str) -> list[EntityCommitted]:
        """Read an entity's log."""
        stored = await self.js.newest_of_each(JOURNAL, subjects.entity_logs_of(TENANT, "Cart", key))
        return [EntityCommitted.from_body(message.body) for message in stored]

    async def append(self, key: str, record: EntityCommitted) -> None:
        """Write into an entity's log as another process would."""
        await self.js.publish(subjects.entity_log(TENANT, "Cart", key, record.number), record.to_body())

    async def copy_of(self, key: str) -> dict[bytes, bytes]:
        """Read Redis's copy of an entity; empty where there is none."""
        found = await self.redis.keys(f"towpath:*:entity:{TENANT}:Cart:{key}")
        return await self.redis.hgetall(found[0]) if found else {}


@asynccontextmanager
async def entity_stage(method: Method = cart) -> AsyncGenerator[EntityStage]:
    """Start servers and play the neighbours until the end of the block; the stores are the test's own."""
    async with (
        servers() as running_servers,
        connection(running_servers.nats.url, name="test") as (_, js),
        Redis.from_url(running_servers.redis.url) as redis,  # pyright: ignore[reportUnknownMemberType]
    ):
        await ensure_streams(js)
        async with played_runner(js, method) as runner, played_run(js, "run-1") as run:
            yield EntityStage(running_servers, js, redis, runner, run)


async def eventually(holds: Callable[[], Awaitable[object]]) -> None:
    """Return once a condition holds; the test's own timeout ends the wait."""
    while not await holds():  # noqa: ASYNC110 - servers and other processes tell nobody
        await asyncio.sleep(_LOOK_AGAIN_S)
