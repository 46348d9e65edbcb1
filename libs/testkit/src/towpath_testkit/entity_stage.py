"""An entity store between played neighbours, on real servers."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection, running
from towpath_chassis.streams import ensure_streams
from towpath_cli.embedded import ChildProcess
from towpath_entity_store.app import app
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
from towpath_testkit.servers import Servers, servers

_LOOK_AGAIN_S = 0.02


@dataclass
class EntityStage:
    """Everything around the entity stores of one test."""

    servers: Servers
    js: JetStream
    redis: Any
    runner: PlayedRunner
    run: PlayedRun

    def settings(self, **changes: Any) -> Settings:
        """Choose settings with which a test does not take long."""
        known: dict[str, Any] = {
            "nats_url": self.servers.nats.url,
            "redis_url": self.servers.redis.url,
            "turn_silence_s": 0.5,
            "redis_within_s": 0.5,
            "partition_pin_s": 0.5,
            "ack_wait_s": 2.0,
            "drain_s": 2.0,
            "health_port": 0,
        }
        return Settings(**{**known, **changes})

    @asynccontextmanager
    async def store(self, **changes: Any) -> AsyncGenerator[int]:
        """Run an entity store in this process; yields its health port."""
        async with running("entity-store", self.settings(**changes), app) as port:
            yield port or 0

    def store_process(self, instance: str, **changes: Any) -> ChildProcess:
        """Describe an entity store in a process of its own."""
        given = self.settings(instance=instance, **changes).model_dump(
            exclude_none=True, exclude={"health_port"}
        )
        environment = [f"TOWPATH_{name.upper()}={value}" for name, value in given.items()]
        command = ["/usr/bin/env", *environment, sys.executable, "-m", "towpath_entity_store"]
        return ChildProcess(command, log_path=self.servers.nats.process.log_path.with_name(f"{instance}.log"))

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
