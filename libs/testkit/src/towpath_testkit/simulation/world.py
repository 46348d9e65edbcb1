"""A simulated machine room: a network, a broker, and processes that run the real services and are started again."""

import asyncio
import random
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import import_module
from typing import Any

from towpath_chassis.service import Service, running
from towpath_chassis.settings import ServiceSettings
from towpath_cli.plan import MODULES
from towpath_schemas import subjects
from towpath_testkit.builders import SERVICE
from towpath_testkit.jetstream_model import Broker
from towpath_testkit.redis_model import RedisServer
from towpath_testkit.simulated_network import Delays, SimulatedNetwork
from towpath_testkit.virtual_time import VirtualTimeLoop

_APP = "towpath_testkit.served"
_RUNNERS = {"agent-runner", "tool-runner"}
_ENTITY_STORE = "entity-store"
_PARTITIONS = 4

ACK_WAIT_S = 3.0
"""After how long the broker gives a message to another process."""


@contextmanager
def few_partitions() -> Generator[None]:
    """Divide entities among so few partitions that most simulated time is not spent on idle ones."""
    before, subjects.ENTITY_PARTITIONS = subjects.ENTITY_PARTITIONS, _PARTITIONS
    try:
        yield
    finally:
        subjects.ENTITY_PARTITIONS = before


class World:
    """Everything that runs in one simulation.

    Attributes:
        alive: The processes that run, by name.
        log: What happened, with the virtual second of it.
    """

    def __init__(
        self, loop: VirtualTimeLoop, chance: random.Random, delays: Delays, *, down_s: float
    ) -> None:
        self.loop = loop
        self.chance = chance
        self.network = SimulatedNetwork(loop, chance, delays)
        self.broker = Broker(self.network)
        self.redis = RedisServer(self.network)
        self.alive: dict[str, Process] = {}
        self.log: list[str] = []
        self._down_s = down_s
        self._keepers: list[asyncio.Task[None]] = []
        self._started = 0

    def note(self, what: str) -> None:
        """Write into the log."""
        self.log.append(f"{self.loop.time():9.4f} {what}")

    async def keep(self, role: str, **settings: Any) -> None:
        """Keep a process of a service running from now on; return once the first one serves."""
        serves = asyncio.Event()
        self._keepers.append(asyncio.create_task(self._keep(role, settings, serves), name=f"keep-{role}"))
        await serves.wait()

    def settings_of(self, role: str, settings: dict[str, Any]) -> ServiceSettings:
        """Make the settings of a service; its processes differ in their names only."""
        told = {"instance": role, "nats_url": self.broker.url, "drain_s": 0.2, **settings}
        if role in _RUNNERS:
            told |= {"app": _APP, "service_name": SERVICE}
        if role == _ENTITY_STORE:
            told["redis_url"] = self.redis.url
        return _settings(role, **told)

    async def _keep(self, role: str, settings: dict[str, Any], serves: asyncio.Event) -> None:
        while True:
            self._started += 1
            process = Process(self, f"{role}-{self._started}", serves)
            self.alive[process.name] = process
            await process.run(role, settings)
            del self.alive[process.name]
            await asyncio.sleep(self.chance.uniform(0, self._down_s))


@lru_cache
def _settings(role: str, **told: Any) -> ServiceSettings:
    settings, _ = service_of(role)
    return settings(**told)


@lru_cache
def service_of(role: str) -> tuple[type[ServiceSettings], Service[Any]]:
    """Import a service: before a simulation begins, as some modules draw random numbers when they are imported."""
    module = MODULES[role]
    return import_module(f"{module}.settings").Settings, import_module(f"{module}.app").app


class Process:
    """One process of a service."""

    def __init__(self, world: World, name: str, serves: asyncio.Event) -> None:
        self.name = name
        self._world = world
        self._serves = serves
        self._is_over = asyncio.Event()

    async def run(self, role: str, settings: dict[str, Any]) -> None:
        """Run until it is killed, or ends because it cannot go on."""
        self._world.note(f"{self.name} starts")
        main = self._world.loop.spawn(self.name, self._serve(role, settings))
        main.add_done_callback(self._ended)
        await self._is_over.wait()

    def kill(self, *, lossy: bool) -> None:
        """End it as `kill -9` does; if `lossy`, what it has sent and is under way never arrives."""
        self._world.note(f"{self.name} is killed{', what it sent is lost' * lossy}")
        self._world.loop.halt(self.name)
        self._world.network.hang_up(self.name, lossy=lossy)
        self._is_over.set()

    def stop(self) -> None:
        """Let it do nothing until it goes on, as SIGSTOP does: its connections stand."""
        self._world.note(f"{self.name} is stopped")
        self._world.loop.halt(self.name)

    def go_on(self) -> None:
        """Let it go on, as SIGCONT does, unless it was killed meanwhile."""
        if not self._is_over.is_set():
            self._world.note(f"{self.name} goes on")
            self._world.loop.go_on(self.name)

    def cut(self) -> None:
        """Break its connections, which it makes again."""
        self._world.note(f"{self.name} loses its connections")
        self._world.network.hang_up(self.name, lossy=True)

    async def _serve(self, role: str, settings: dict[str, Any]) -> None:
        chosen = self._world.settings_of(role, settings).model_copy(update={"instance": self.name})
        _, service = service_of(role)
        async with running(role, chosen, service, serves=getattr(chosen, "service", None)):
            self._serves.set()
            await asyncio.Event().wait()

    def _ended(self, main: asyncio.Task[None]) -> None:
        if (
            self._is_over.is_set()
        ):  # it was killed; what is cleared away when all is over is no part of the story
            return
        with suppress(asyncio.CancelledError):
            self._world.note(f"{self.name} ends: {main.exception()!r}")
        self._world.network.hang_up(self.name, lossy=False)
        self._is_over.set()
