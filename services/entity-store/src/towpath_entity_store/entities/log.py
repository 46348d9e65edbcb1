"""The log of each entity: write-once records, each stored only right behind the one its writer knows."""

import asyncio
from collections.abc import Iterable

import structlog

from towpath_chassis.errors import (
    AlreadyWrittenError,
    BrokerError,
    BrokerRefusedError,
    FencedError,
    UnconfirmedError,
)
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, StoredMessage
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.errors import KeyLostError
from towpath_entity_store.entities.names import EntityName
from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted
from towpath_schemas.streams import JOURNAL, PAYLOADS

log = structlog.get_logger(__name__)

_READS = 5
_AGAIN_AFTER_S = 0.1


class EntityLog:
    """Reads and writes the logs of all entities."""

    def __init__(self, js: JetStream, *, remembers: int) -> None:
        self._js = js
        self._remembers = remembers

    async def newest_number(self, name: EntityName) -> int:
        """Tell the number of the newest record; 0 where there is none."""
        newest = await self._js.last(JOURNAL, name.records, whole=False)
        return 0 if newest is None else subjects.read_entity_log(newest.subject)

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
        while True:
            try:
                return (await self._js.publish(name.record(number), body, expect=expect)).sequence
            except (FencedError, AlreadyWrittenError) as error:
                stored = await self._read_back(name.record(number))
                if stored is not None and stored.body == body:
                    return stored.sequence
                raise KeyLostError(name) from error
            except UnconfirmedError:
                await asyncio.sleep(_AGAIN_AFTER_S)

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
        while True:
            try:
                return await self._js.last(JOURNAL, subject)
            except UnconfirmedError:
                await asyncio.sleep(_AGAIN_AFTER_S)

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
