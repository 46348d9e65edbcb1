"""Folds records of memories into the index, those that come at the same time together."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_entity_store.memories.index import MemoryIndex
from towpath_entity_store.memories.versions import Effects, Record, effects, together
from towpath_entity_store.qdrant_door import (
    CollectionMissingError,
    QdrantError,
    QdrantLostError,
    QdrantRefusedError,
)
from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.identity import derived_id
from towpath_schemas.shape import problems
from towpath_schemas.streams import JOURNAL

log = structlog.get_logger(__name__)

_LARGEST_BATCH = 256
_AGAIN_AFTER_S = 0.2


Nearby = dict[tuple[EntityName, int], Record]
"""Records that are at hand, by their entity and number."""


class _Waiting(NamedTuple):
    record: Record
    folded: asyncio.Future[None]


class Folding:
    """Folds what it is given; `heal` sees that the collections are there."""

    def __init__(self, js: JetStream, index: MemoryIndex, heal: Callable[[], Awaitable[None]]) -> None:
        self._js = js
        self._index = index
        self._heal = heal
        self._waiting: list[_Waiting] = []
        self._stirred = asyncio.Event()

    async def fold(self, message: Message) -> None:
        """Fold one message; when this returns, the index has it.

        Raises:
            GiveUp: If it is no record of a memory.
            BrokerError: If what it means could not be read.
        """
        folded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(_record(message), folded))
        self._stirred.set()
        await folded

    async def serve(self) -> None:
        """Fold, for ever."""
        while True:
            await self._stirred.wait()
            batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
            if not self._waiting:
                self._stirred.clear()
            try:
                await self._fold(batch)
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
                _conclude(batch, error)

    async def _fold(self, batch: list[_Waiting]) -> None:
        meant: list[Effects] = []
        kept: list[_Waiting] = []
        for one, means in zip(batch, await self._meanings(batch), strict=True):
            if isinstance(means, Effects):
                meant.append(means)
                kept.append(one)
            else:
                _conclude([one], means)
        try:
            await self._take(together(meant))
            await self._take_back([one.record for one in kept])
        except BrokerError as error:
            _conclude(kept, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one record's, and must not spoil the others
            await self._singly(kept, error)
        else:
            _conclude(kept, None)

    async def _singly(self, batch: list[_Waiting], error: Exception) -> None:
        if len(batch) == 1:
            refused = isinstance(error, QdrantRefusedError)
            _conclude(batch, GiveUp(f"Qdrant does not take this memory: {error}") if refused else error)
            return
        for one in batch:
            await self._fold([one])

    async def _take(self, meant: Effects) -> None:
        """Have the index take effects in, however long Qdrant is away."""
        while True:
            try:
                await self._index.door.until_back()
                await self._index.take(meant)
            except QdrantLostError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            except CollectionMissingError:
                await self._mend()
            else:
                return

    async def _mend(self) -> None:
        try:
            await self._heal()
        except (QdrantError, BrokerError) as error:
            log.info("the index of memories cannot be mended now", reason=str(error))
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _take_back(self, records: list[Record]) -> None:
        """Take out again what was erased from the log while it was put in.

        An erasure says so first, then empties the log, then the index. One that says so after we look finds in the
        index what we have put there; of what is older than one that we see, the log is asked.
        """
        tenants = {record.name.tenant for record in records}
        erased = {tenant: await self._erased_at(tenant) for tenant in tenants}
        doubtful = [record for record in records if record.sequence < erased[record.name.tenant]]
        there = await asyncio.gather(*(self._js.at(JOURNAL, one.sequence, whole=False) for one in doubtful))
        gone = [one.sequence for one, found in zip(doubtful, there, strict=True) if found is None]
        if gone:
            await self._index.delete(gone)

    async def _erased_at(self, tenant: str) -> int:
        newest = await self._js.last(JOURNAL, subjects.journal_of(erasures_id(tenant)), whole=False)
        return newest.sequence if newest else 0

    async def _meanings(self, batch: list[_Waiting]) -> list[Effects | Exception]:
        nearby = {(one.record.name, one.record.committed.number): one.record for one in batch}
        return await asyncio.gather(*(self._meaning(one.record, nearby) for one in batch))

    async def _meaning(self, record: Record, nearby: Nearby) -> Effects | Exception:
        try:
            before = await self._before(record, nearby) if record.changes_item else None
            return effects(record, before)
        except ValidationError as error:
            return GiveUp(f"this is no state of a memory: {problems(error)}")
        except ValueError as error:
            return GiveUp(str(error))
        except BrokerError as error:
            return error

    async def _before(self, record: Record, nearby: Nearby) -> Record | None:
        """Find the newest earlier record that changed the item; None where there is none (any more)."""
        for number in range(record.committed.number - 1, 0, -1):
            before = nearby.get((record.name, number)) or await self._stored(record, number)
            if before is None or before.changes_item:
                return before
        return None

    async def _stored(self, record: Record, number: int) -> Record | None:
        stored = await self._js.last(JOURNAL, record.name.record(number))
        if stored is None:
            return None
        return Record(record.name, stored.sequence, EntityCommitted.from_body(stored.body))


def erasures_id(tenant: str) -> str:
    """Name the journal that tells of the erasures of a tenant's memories."""
    return derived_id("memory-erasures", tenant)


def _record(message: Message) -> Record:
    try:
        name = EntityName.of_record(message.subject)
        committed = EntityCommitted.from_body(message.data)
    except ValidationError as error:
        raise GiveUp(f"this is no record of an entity: {problems(error)}") from error
    except ValueError as error:
        raise GiveUp(str(error)) from error
    return Record(name, message.metadata.sequence.stream, committed)


def _conclude(batch: list[_Waiting], outcome: Exception | None) -> None:
    for one in batch:
        if one.folded.done():
            continue
        if outcome is None:
            one.folded.set_result(None)
        else:
            one.folded.set_exception(outcome)
