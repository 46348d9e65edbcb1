"""Takes the partitions that are this process's among all entity stores, and gives back those that are not any more.

Being wrong about who lives costs time only: the broker pins each partition to one process, and the log of each
entity refuses whoever is late.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.presence import Watch
from towpath_chassis.tasks import background
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.doorbells import Doorbells
from towpath_entity_store.entities.partition import Partition
from towpath_entity_store.entities.rendezvous import owned_by
from towpath_entity_store.settings import Settings
from towpath_schemas.presence import Heartbeat

log = structlog.get_logger(__name__)

ROLE = "entity-store"
_AGAIN_AFTER_S = 0.5


class Ownership:
    """The partitions of this process; made by `ownership`."""

    def __init__(self, js: JetStream, settings: Settings, actors: Actors, doorbells: Doorbells) -> None:
        self._js = js
        self._settings = settings
        self._actors = actors
        self._doorbells = doorbells
        self._held: dict[int, Partition] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._watch = Watch(js, self._on_lost, on_change=self._changed.set)

    @property
    def partitions(self) -> frozenset[int]:
        """Which partitions are held."""
        return frozenset(self._held)

    async def start(self) -> None:
        """Take what is ours as far as we know: everything, until others are heard."""
        await self._watch.listen()
        await self._balance()

    async def report(self) -> None:
        """Notice, for ever, who is lost."""
        await self._watch.report()

    async def balance(self) -> None:
        """Follow, for ever, who comes and goes."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._balance()
            except BrokerError as error:
                log.info("partitions could not be taken", reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)
                self._changed.set()

    async def stop(self) -> None:
        """Hand everything over."""
        for number in list(self._held):
            self._release(number)
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _balance(self) -> None:
        mine = owned_by(self._settings.instance, self._watch.alive(ROLE))
        for number in self._held.keys() - mine:
            self._release(number)
        takings = [self._take(number) for number in mine - self._held.keys()]
        for failure in await asyncio.gather(*takings, return_exceptions=True):  # each comes to its end first
            if failure is not None:
                raise failure

    async def _take(self, number: int) -> None:
        self._actors.forget(number)
        partition = Partition(self._js, self._settings, number, self._doorbells)
        await partition.start()
        self._held[number] = partition

    def _release(self, number: int) -> None:
        leaving = asyncio.create_task(self._leave(number, self._held.pop(number)), name=f"leave-{number}")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _leave(self, number: int, partition: Partition) -> None:
        await partition.stop()
        if number not in self._held:
            self._actors.forget(number)

    async def _on_lost(self, lost: Heartbeat) -> None:
        if lost.role == ROLE:
            log.warning("an entity store was lost", lost=lost.instance)


@asynccontextmanager
async def ownership(
    js: JetStream, settings: Settings, actors: Actors, doorbells: Doorbells
) -> AsyncGenerator[Ownership]:
    """Own partitions until the end of the block, then hand them over."""
    owner = Ownership(js, settings, actors, doorbells)
    await owner.start()
    try:
        async with background(owner.report, name="watch"), background(owner.balance, name="balance"):
            yield owner
    finally:
        await owner.stop()
