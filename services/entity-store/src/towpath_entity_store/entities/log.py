"""The log of each entity: write-once records, each stored only right behind the one its writer knows."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from towpath_chassis.errors import (
    AlreadyWrittenError,
    BrokerError,
    BrokerRefusedError,
    FencedError,
    UnconfirmedError,
)
from towpath_chassis.insisting import until_answered
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, Part, StoredMessage
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.errors import KeyLostError
from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.streams import JOURNAL, PAYLOADS

log = structlog.get_logger(__name__)

_READS = 5
_AGAIN_AFTER_S = 0.1


class NewRecord(NamedTuple):
    """A record that is to be written right behind the record of its entity at sequence `after`."""

    name: EntityName
    number: int
    body: bytes
    after: int


class Newest(NamedTuple):
    """The number of the newest record and its sequence, which no other has; 0 where there is none.

    After an erasure the numbers begin anew.
    """

    number: int = 0
    sequence: int = 0


class EntityLog:
    """Reads and writes the logs of all entities."""

    def __init__(self, js: JetStream, *, remembers: int) -> None:
        self._js = js
        self._remembers = remembers

    async def newest(self, name: EntityName) -> Newest:
        """Tell which record is the newest."""
        newest = await self._js.last(JOURNAL, name.records, whole=False)
        return (
            Newest() if newest is None else Newest(subjects.read_entity_log(newest.subject), newest.sequence)
        )

    async def load(self, name: EntityName) -> Entity:
        """Fold the log.

        Raises:
            UnconfirmedError: If the broker could not be read.
        """
        for _ in range(_READS):
            entity = self._folded(await self._records(name))
            if entity is not None:
                return entity
            await asyncio.sleep(_AGAIN_AFTER_S)  # its owner compacted it while we read
        raise UnconfirmedError(f"the log of entity {name} has a gap")

    async def append(self, name: EntityName, number: int, body: bytes, *, after: int) -> int:
        """Write record `number` right behind the record at sequence `after`; return its own sequence.

        A lost answer is asked about until it is known: when this returns, the record is stored.

        Raises:
            KeyLostError: If somebody else has written to the log.
        """
        # Not "there is no such record" but "the newest one is mine": compaction removes old records, and a
        # process that slept through one would find the place of its next record empty.
        expect = Expect(after, name.records)
        try:
            publish = partial(self._js.publish, name.record(number), body, expect=expect)
            return (await until_answered(publish)).sequence
        except (FencedError, AlreadyWrittenError) as error:
            stored = await self._read_back(name.record(number))
            if stored is not None and stored.body == body:
                return stored.sequence
            raise KeyLostError(name) from error

    async def append_together(self, records: Sequence[NewRecord]) -> list[int]:
        """Write records of several entities, all or none; return their sequences.

        A lost answer is asked about until it is known: when this returns, all of them are stored.

        Raises:
            KeyLostError: If somebody else has written to one of the logs, so that nothing was written.
        """
        parts = [
            Part(new.name.record(new.number), new.body, Expect(new.after, new.name.records))
            for new in records
        ]
        try:
            written = await until_answered(partial(self._js.publish_together, parts))
            return [stored.sequence for stored in written]
        except (FencedError, AlreadyWrittenError) as error:
            stored = [await self._read_back(part.subject) for part in parts]
            found = [
                one.sequence for one, part in zip(stored, parts, strict=True) if one and one.body == part.body
            ]
            if len(found) == len(parts):
                return found
            raise KeyLostError(records[0].name) from error

    async def payloads_end(self) -> int:
        """Tell the place behind all payloads that are stored now.

        Raises:
            BrokerError: If that could not be asked.
        """
        return await self._js.last_sequence(PAYLOADS) + 1

    async def drop_before(self, name: EntityName, sequence: int, *, payloads: int | None) -> None:
        """Remove the records that the snapshot at `sequence` stands for, and of what they name what is before `payloads`.

        Where that fails, the next compaction makes up for it.
        """
        try:
            await self._js.purge(JOURNAL, name.records, before=sequence)
            if payloads is not None:
                await self._js.purge(PAYLOADS, subjects.payloads_of(name.payload_owner), before=payloads)
        except BrokerError as error:
            log.info("an entity's log was not compacted", entity=str(name), reason=str(error))

    async def _read_back(self, subject: str) -> StoredMessage | None:
        return await until_answered(partial(self._js.last, JOURNAL, subject))

    async def _records(self, name: EntityName) -> list[StoredMessage]:
        try:
            return await self._js.newest_of_each(JOURNAL, name.records)
        except BrokerRefusedError:  # more than one read may ask for: compaction has failed for long
            return await self._all_records(name)

    async def _all_records(self, name: EntityName) -> list[StoredMessage]:
        found: list[StoredMessage] = []
        while page := await self._js.following(JOURNAL, name.records, start=_behind(found)):
            found += page
        return found

    def _folded(self, stored: Iterable[StoredMessage]) -> Entity | None:
        entity = Entity(remembers=self._remembers)
        for message in stored:
            record = EntityCommitted.from_body(message.body)
            if record.snapshot is None and record.number != entity.number + 1:
                return None
            entity.apply(record, sequence=message.sequence, size=len(message.body))
        return entity


def _behind(found: list[StoredMessage]) -> int:
    return found[-1].sequence + 1 if found else 1
