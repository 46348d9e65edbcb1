"""Brings the log of memories into the index, sees that the index is there, and builds it again where it was lost.

All replicas share one consumer. A record is acknowledged once Qdrant has what it means, so the consumer's floor says how
far the index is. Where Qdrant lost something, the consumer is made anew, further back, before anything else is done:
from then on the floor is low, and no question is answered from what is not complete.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from qdrant_client import models

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.pulling import Puller
from towpath_chassis.streams import read_from
from towpath_chassis.tasks import background
from towpath_entity_store.memories.folding import Folding
from towpath_entity_store.memories.index import MemoryIndex
from towpath_entity_store.memories.reaching import Reaching
from towpath_entity_store.qdrant_door import QdrantError
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.memory import MEMORY_TYPE
from towpath_schemas.streams import JOURNAL, MEMORY_INDEX

log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_AGAIN_AFTER_S = 0.3
_ON_DISK_AFTER_S = 15.0
"""Qdrant confirms a write before it is on its disk, and writes to its disk every five seconds."""
_BEGINNING = 1


class MemoryFollower:
    """Follows the log of memories; made by `following`."""

    def __init__(self, js: JetStream, index: MemoryIndex, reaching: Reaching, settings: Settings) -> None:
        self._js = js
        self._index = index
        self._reaching = reaching
        self._settings = settings
        self._losses = index.door.losses
        self._seen_folded = 0
        self._floors: deque[tuple[float, str, int]] = deque()
        self._stirred = asyncio.Event()
        self._folding = Folding(js, index, self.heal)
        self._puller = Puller(
            js,
            JOURNAL,
            MEMORY_INDEX,
            self._folding.fold,
            capacity=settings.memory_capacity,
            ack_wait_s=settings.ack_wait_s,
            max_attempts=settings.max_attempts,
        )
        self._healing = asyncio.Lock()

    async def heal(self) -> None:
        """See that all collections are there; where one is not, have all of the log folded again.

        Raises:
            QdrantError: If Qdrant cannot be asked now.
            BrokerError: If the broker cannot be asked now.
        """
        async with self._healing:
            missing = await self._index.missing()
            if missing is None:
                log.info("the index of memories is built from the log")
                await self._read_from(_BEGINNING)
                await self._index.standing.begin()
            elif missing:
                log.warning("collections of memories are missing, and built from the log", missing=missing)
                await self._index.standing.restart()
                await self._read_from(_BEGINNING)
                for space in missing:
                    await self._index.create(space)

    async def rebuild(self) -> int:
        """Drop the index and build it from the log; once it has all that is committed, tell how many versions it has.

        While Qdrant is away, that waits.

        Raises:
            BrokerError: If the broker cannot be asked now; what is dropped is built all the same.
        """
        while True:
            try:
                await self._index.drop()
                await self.heal()
                await self._index.know((await self._reaching.now()).folded)
                return await self._index.count_everywhere(models.Filter())
            except QdrantError as error:
                log.info("the index of memories cannot be built now", reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)

    async def start(self) -> None:
        """Begin to follow."""
        await self._puller.start()

    async def stop(self) -> None:
        """Finish what was begun, and follow no more."""
        await self._puller.stop(self._settings.drain_s)

    async def fold(self) -> None:
        """Bring what was pulled into the index, for ever."""
        await self._folding.serve()

    async def watch(self) -> None:
        """See, for ever, that the index is there and has what was acknowledged."""
        begun = False
        while True:
            try:
                begun = begun or await self._begin()
                await self._look()
            except (QdrantError, BrokerError) as error:
                log.info("the index of memories cannot be looked after now", reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)
            await self._idle()

    def stir(self) -> None:
        """Have it looked after at once."""
        self._stirred.set()

    async def _begin(self) -> bool:
        await self.heal()
        await self._set_back()
        return True

    async def _look(self) -> None:
        losses = self._index.door.losses
        await self.heal()
        seen = await self._index.standing.read()
        if seen is None:
            return
        if self._losses != losses or seen.folded < self._seen_folded:
            await self._set_back()
            self._losses = losses
        self._seen_folded = seen.folded
        await self._mark(seen.generation)

    async def _set_back(self) -> None:
        """Have folded again what may not have come to Qdrant's disk."""
        seen = await self._index.standing.read()
        self._seen_folded = seen.folded if seen else 0
        await self._read_from(self._seen_folded + 1)

    async def _mark(self, generation: str) -> None:
        now = asyncio.get_running_loop().time()
        floor = await self._reaching.floor()
        if floor is not None:
            self._floors.append((now, generation, floor))
        while self._floors and self._floors[0][0] < now - _ON_DISK_AFTER_S:
            _, of, folded = self._floors.popleft()
            await self._index.standing.mark(of, folded)

    async def _read_from(self, sequence: int) -> None:
        self._floors.clear()
        await read_from(
            self._js,
            JOURNAL,
            MEMORY_INDEX,
            sequence,
            ack_wait_s=self._settings.ack_wait_s,
            filter_subject=subjects.entity_logs_of_type(MEMORY_TYPE),
        )

    async def _idle(self) -> None:
        self._stirred.clear()
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._stirred.wait()
        except TimeoutError:
            return


@asynccontextmanager
async def following(
    js: JetStream, index: MemoryIndex, reaching: Reaching, settings: Settings
) -> AsyncGenerator[MemoryFollower]:
    """Keep the index until the end of the block."""
    follower = MemoryFollower(js, index, reaching, settings)
    async with (
        background(reaching.serve, name="memory-reach"),
        background(follower.fold, name="memory-fold"),
        background(follower.watch, name="memory-index"),
    ):
        await follower.start()
        try:
            yield follower
        finally:
            await follower.stop()
