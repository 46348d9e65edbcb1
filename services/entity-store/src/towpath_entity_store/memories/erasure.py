"""Erases memories for good: what waits for them, their logs, what those name, Redis's copies, and the index.

First the journal says that it begins, so that whoever is just bringing a record into the index looks again; last, once
nothing is found any more, that it is done. Whoever dies in between has left nothing half-erased that could be read, and
the same question goes on from there.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from uuid import uuid4

from qdrant_client import models

from towpath_chassis.errors import BrokerError, FencedError
from towpath_chassis.messages import Expect
from towpath_chassis.payloads import is_by_reference, named
from towpath_entity_store.memories.filters import erased_by
from towpath_entity_store.memories.folding import erasures_id
from towpath_entity_store.memories.surroundings import Surroundings
from towpath_entity_store.qdrant_door import QdrantError
from towpath_entity_store.redis_door import RedisFailedError
from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.failure import Failure
from towpath_schemas.journal import MemoriesErased
from towpath_schemas.memory import MEMORY_TYPE, ErasureAsked, ErasureDone, read_entity_key
from towpath_schemas.streams import ENTITIES, JOURNAL, PAYLOADS

_AT_ONCE = 32
_AGAIN_AFTER_S = 0.2


@dataclass
class _Work:
    """An erasure that is under way, and what it has done so far; `begun` is whether the journal says so."""

    asked: ErasureAsked
    correlation_id: str = field(default_factory=lambda: uuid4().hex)
    names: list[EntityName] = field(default_factory=list[EntityName])
    records: int = 0
    points: int = 0
    begun: bool = False


class Erasure:
    """Erases; any replica may."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._js, self._index = around.js, around.index
        self._within_s = around.settings.erasure_within_s

    async def erase(self, asked: ErasureAsked) -> ErasureDone:
        """Erase; where that is not done in time, or somebody goes on writing, say that some may be left."""
        work, trouble = _Work(asked), None
        try:
            async with asyncio.timeout(self._within_s):
                while True:
                    try:
                        return await self._erase(work)
                    except (BrokerError, QdrantError, RedisFailedError) as error:
                        trouble = error
                        self._around.follower.stir()
                        await asyncio.sleep(_AGAIN_AFTER_S)
        except TimeoutError:
            why = str(trouble) if trouble else f"it takes longer than {self._within_s:g} s"
            message = f"some of the memories may be left: {why}; ask for it again, which goes on from there"
            failure = Failure(code="unavailable", message=message, retryable=True)
            return _done(work).model_copy(update={"failure": failure})

    async def _erase(self, work: _Work) -> ErasureDone:
        if not work.begun:
            await self._note(work, done=False)
            work.begun = True
        while await self._found(work):
            """What was found is gone; look again."""
        for (
            name
        ) in work.names:  # once more: whoever read a log before it was gone may have written its copy since
            await self._around.projection.forget(name)
        entry = await self._note(work, done=True)
        return _done(work).model_copy(update={"entry": entry})

    async def _found(self, work: _Work) -> bool:
        """Erase what there is; tell whether there was anything."""
        newest, items = await self._js.last_sequence(JOURNAL), len(work.names)
        async for names in self._names(work.asked):
            work.records += sum(await asyncio.gather(*map(self._erase_item, names)))
            work.names += names
        points = await self._erase_points(erased_by(work.asked, before=newest + 1))
        work.points += points
        return points > 0 or len(work.names) > items

    async def _erase_points(self, which: models.Filter) -> int:
        reached = await self._around.reaching.now()  # so that nothing of it is put in behind us
        await self._index.know(reached.folded)
        there = await self._index.count_everywhere(which)
        if there:
            await self._index.erase(which)
        return there

    async def _names(self, asked: ErasureAsked) -> AsyncGenerator[list[EntityName]]:
        """List the items whose logs there are, some at a time."""
        pattern = subjects.entity_logs_of_type(MEMORY_TYPE, asked.attribution.tenant)
        found: dict[EntityName, None] = {}
        offset, total = 0, 1
        while offset < total:
            question = {"subjects_filter": pattern, "offset": offset}
            told = await self._js.api(f"STREAM.INFO.{JOURNAL.name}", question)
            page: list[str] = list(told["state"].get("subjects") or ())
            found |= dict.fromkeys(name for name in map(EntityName.of_record, page) if _is_meant(asked, name))
            offset, total = offset + max(1, len(page)), told.get("total", 0)
        names = list(found)
        for start in range(0, len(names), _AT_ONCE):
            yield names[start : start + _AT_ONCE]

    async def _erase_item(self, name: EntityName) -> int:
        """Erase an item; return how many records its log had.

        What waits in the mailbox and is done goes first: with its log gone, nobody would know that it is done. The
        newest record goes first, so that at any moment what is left is a log.
        """
        newest = await self._js.last(JOURNAL, name.records)
        if newest is not None:
            await self._clear_mailbox(name, EntityCommitted.from_body(newest.body).through)
        sequences = await self._sequences(name)
        for sequence in reversed(sequences):
            await self._js.delete(JOURNAL, sequence)
        await self._js.purge(PAYLOADS, subjects.payloads_of(name.payload_owner))
        await self._around.projection.forget(name)
        return len(sequences)

    async def _sequences(self, name: EntityName) -> list[int]:
        sequences: list[int] = []
        while found := await self._js.following(
            JOURNAL, name.records, start=sequences[-1] + 1 if sequences else 1, whole=False
        ):
            sequences += (message.sequence for message in found)
        return sequences

    async def _clear_mailbox(self, name: EntityName, through: int) -> None:
        start = 1
        while found := await self._js.following(ENTITIES, name.mailbox, start=start, whole=False):
            done = [letter for letter in found if letter.sequence <= through]
            for letter in done:
                if is_by_reference(letter.headers):
                    stored = named(letter.body)
                    await self._js.purge(PAYLOADS, subjects.payload_pieces(stored.owner, stored.sha256))
            await self._js.delete(ENTITIES, *(letter.sequence for letter in done))
            start = found[-1].sequence + 1

    async def _note(self, work: _Work, *, done: bool) -> str:
        """Write into the journal of the tenant's erasures; return the journal's name."""
        asked = work.asked
        journal = erasures_id(asked.attribution.tenant)
        record = MemoriesErased(
            at=time.time(),
            done=done,
            namespace=asked.namespace,
            user_id=asked.user_id,
            items=len(work.names),
            records=work.records,
            points=work.points,
            reason=asked.reason,
            attribution=asked.attribution,
            correlation_id=work.correlation_id,
        )
        while True:
            newest = await self._js.last(JOURNAL, subjects.journal_of(journal), whole=False)
            number = subjects.read_journal_entry(newest.subject)[1] + 1 if newest else 0
            behind = Expect(newest.sequence if newest else 0, subjects.journal_of(journal))
            try:
                await self._js.publish(
                    subjects.journal_entry(journal, number), record.to_body(), expect=behind
                )
            except FencedError:  # another erasure of the tenant's, or our own whose answer was lost
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return journal


def _done(work: _Work) -> ErasureDone:
    return ErasureDone(items=len(work.names), records=work.records, points=work.points)


def _is_meant(asked: ErasureAsked, name: EntityName) -> bool:
    try:
        return asked.means(read_entity_key(name.key)[0])
    except ValueError:  # nothing that was ever an item
        return False
