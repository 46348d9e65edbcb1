"""Entity stores as a test starts them: in its own process, or as one that may be killed."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from towpath_chassis.service import running
from towpath_cli.embedded import ChildProcess
from towpath_entity_store.app import app
from towpath_entity_store.settings import Settings
from towpath_testkit.servers import Servers


@dataclass
class EntityStores:
    """The entity stores of one test, on its servers."""

    servers: Servers

    def settings(self, **changes: Any) -> Settings:
        """Choose settings with which a test does not take long."""
        known: dict[str, Any] = {
            "nats_url": self.servers.nats.url,
            "redis_url": self.servers.redis.url,
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
