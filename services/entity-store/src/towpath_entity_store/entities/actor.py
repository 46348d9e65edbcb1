"""One entity in the memory of its owner: takes what waits in the mailbox, turn by turn, and commits it."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.alarms import Alarms
from towpath_entity_store.entities.answers import Answers
from towpath_entity_store.entities.commitment import Commitment, commitment, failed
from towpath_entity_store.entities.deliveries import Deliveries
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.errors import KeyLostError, NoRunnerError, RefusedTurnError, UnsettledError
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.log import EntityLog, NewRecord
from towpath_entity_store.entities.mailbox import Letter, Mail, mail_of, unread
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.entities.transacting import calls_in, transacted
from towpath_entity_store.entities.turns import Turns
from towpath_entity_store.settings import Settings
from towpath_schemas.entities import (
    EXPIRE,
    EntityCommitted,
    EntityName,
    InvocationDone,
    TurnRequested,
)
from towpath_schemas.failure import Failure
from towpath_schemas.memory import MEMORY_TYPE
from towpath_schemas.sessions import needed
from towpath_schemas.transactions import TRANSACTION, entities_in

log = structlog.get_logger(__name__)

_SNAPSHOT_AT_BYTES = 1024 * 1024
_LENT_WITHIN_S = 2.0
_ATTEMPTS = 50
_CONTENDED_S = 0.005
_AT_MOST_S = 0.25


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What actors work with."""

    js: JetStream
    settings: Settings
    limits: Limits
    log: EntityLog
    turns: Turns
    projection: Projection
    answers: Answers
    alarms: Alarms


class Neighbours(Protocol):
    """The other entities, for transactions."""

    def lent(self, name: EntityName) -> AbstractAsyncContextManager[Entity]:
        """Borrow what is committed of an entity; see `Actor.lent`."""
        ...

    def lose(self, names: list[EntityName]) -> None:
        """Say that what is known of these entities may be old."""
        ...


class Actor:
    """Owns one entity as long as nobody else writes to its log.

    Attributes:
        name: Which entity.
        lost: Whether what it holds may differ from what is stored, so that nobody may go on with it.
        users: How many wait for it.
        used_at: When it was last used, by the clock of the loop.
        entity: What is committed; None before it was first needed.
    """

    def __init__(self, name: EntityName, around: Surroundings, neighbours: Neighbours) -> None:
        self.name = name
        self.lost = False
        self.users = 0
        self.used_at = 0.0
        self.entity: Entity | None = None
        self._around = around
        self._neighbours = neighbours
        self._lock = asyncio.Lock()
        self._singly_until = 0
        self._mailbox = name.mailbox

    async def reach(self, sequence: int, deliveries: Deliveries) -> Entity:
        """Return once every invocation up to `sequence` of ENTITIES has its outcome in the log.

        What waits is taken from the partition's `deliveries`, or read where they may not be all.

        Raises:
            KeyLostError: If somebody else has written to the log.
            NoRunnerError: If nobody executes the methods now.
            BrokerError: If the broker is not there.
        """
        async with self._lock:
            if self.lost:
                raise KeyLostError(self.name)
            entity = await self._loaded()
            while entity.through < sequence:
                await self._advance(entity, sequence, deliveries)
            return entity

    async def _loaded(self) -> Entity:
        if self.entity is None:
            self.entity = await self._around.log.load(self.name)
        return self.entity

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[Entity]:
        """Lend what is committed to a transaction until the end of the block, while nothing else is committed here.

        If what goes on here does not end soon, it lends a copy, and the log decides who was first.
        """
        try:
            async with asyncio.timeout(_LENT_WITHIN_S):
                await self._lock.acquire()
        except TimeoutError:
            yield await self._around.log.load(self.name)
            return
        try:
            yield await self._loaded()
        finally:
            self._lock.release()

    async def _advance(self, entity: Entity, sequence: int, deliveries: Deliveries) -> None:
        try:
            mail = await self._mail(entity, deliveries)
            if mail.letters:
                await self._forget_expired(entity)
                await self._answer(entity, mail)
            else:  # an invocation that the mailbox does not keep any more cannot be waited for
                entity.through = mail.through if mail.through > entity.through else sequence
        except NoRunnerError:
            raise
        except BaseException:
            self.lost = True
            raise

    async def _mail(self, entity: Entity, deliveries: Deliveries) -> Mail:
        settings = self._around.settings
        limit = 1 if entity.through < self._singly_until else settings.turn_invocations
        brought = deliveries.behind(self._mailbox, entity.through)
        stored = brought or await unread(self._around.js, self._mailbox, entity, limit=limit)
        return await mail_of(self._around.js, stored[:limit], entity, limit_bytes=settings.turn_bytes)

    async def _answer(self, entity: Entity, mail: Mail) -> None:
        method = mail.letters[0].invocation.method
        if method == EXPIRE:
            await self._rearm(entity)
            entity.through = mail.through
        elif method == TRANSACTION:
            await self._transact(entity, mail)
        else:
            await self._take_turn(entity, mail)

    async def _take_turn(self, entity: Entity, mail: Mail) -> None:
        settled = await self._settle(entity, mail)
        await self._commit(entity, settled.record, settled.body)
        await self._committed(entity, settled)

    async def _committed(self, entity: Entity, settled: Commitment) -> None:
        """Answer what a record has settled."""
        for letter, outcome in zip(settled.letters, settled.record.outcomes, strict=True):
            if letter.sequence:
                self._around.answers.begin(letter.sequence, letter.invocation, outcome)
        if self._is_snapshot_due(entity):
            await self._compact(entity)

    # --- Transactions -------------------------------------------------------------------------------

    async def _transact(self, entity: Entity, mail: Mail) -> None:
        """Execute and commit a transaction; one that cannot be has failed."""
        letter, owner, limits = mail.letters[0], self._around.settings.instance, self._around.limits
        try:
            settled = await self._committed_together(entity, letter)
        except UnsettledError as error:
            settled = commitment(entity, mail, failed(mail, error.failure), owner=owner, limits=limits)
            await self._commit(entity, settled.record, settled.body)
        await self._committed(entity, settled)

    async def _committed_together(self, entity: Entity, letter: Letter) -> Commitment:
        """Commit all records of a transaction; return that of this entity.

        Raises:
            UnsettledError: If it fails.
            KeyLostError: If somebody else has written to this entity's log.
        """
        others = [name for name in entities_in(calls_in(letter)) if name != self.name]
        for attempt in range(_ATTEMPTS):
            async with AsyncExitStack() as stack:
                entities = {self.name: entity}
                for name in others:
                    entities[name] = await stack.enter_async_context(self._neighbours.lent(name))
                try:
                    settled = await self._executed(letter, entities)
                    await self._commit_together(entities, settled)
                except KeyLostError:
                    await self._check_held(entity)
                    self._neighbours.lose(others)
                except UnsettledError:
                    if await self._are_newest(entities):
                        raise
                    self._neighbours.lose(others)
                else:
                    return settled[self.name]
            await asyncio.sleep(random.uniform(0, min(_AT_MOST_S, 2**attempt * _CONTENDED_S)))  # noqa: S311 - spreads load
        message = (
            f"others wrote to {', '.join(map(str, others))} all the time; the transaction changed nothing"
        )
        raise RefusedTurnError(Failure(code="unavailable", message=message, retryable=True))

    async def _executed(
        self, letter: Letter, entities: dict[EntityName, Entity]
    ) -> dict[EntityName, Commitment]:
        now = time.time()
        for name, entity in entities.items():
            if entity.has_expired(now):
                await self._write_snapshot(name, entity)
        owner, limits = self._around.settings.instance, self._around.limits
        return await transacted(self._around.turns, letter, entities, owner=owner, limits=limits)

    async def _commit_together(
        self, entities: dict[EntityName, Entity], settled: dict[EntityName, Commitment]
    ) -> None:
        records = [
            NewRecord(name, one.record.number, one.body, entities[name].sequence)
            for name, one in settled.items()
        ]
        for name, one in settled.items():
            await self._arm(name, entities[name], one.record)
        sequences = await self._around.log.append_together(records)
        for sequence, (name, one) in zip(sequences, settled.items(), strict=True):
            entities[name].apply(one.record, sequence=sequence, size=len(one.body))
            await self._around.projection.write(name, one.record, entities[name])

    async def _are_newest(self, entities: dict[EntityName, Entity]) -> bool:
        """Tell whether a transaction failed on what was there: a failure has no record that the log could refuse."""
        newest = await asyncio.gather(*map(self._around.log.newest, entities))
        return [one.sequence for one in newest] == [entity.sequence for entity in entities.values()]

    async def _check_held(self, entity: Entity) -> None:
        if (await self._around.log.newest(self.name)).sequence != entity.sequence:
            raise KeyLostError(self.name)

    # --- Turns --------------------------------------------------------------------------------------

    async def _settle(self, entity: Entity, mail: Mail) -> Commitment:
        """Have all of `mail` executed; where that cannot be settled, only the first of it."""
        owner, limits = self._around.settings.instance, self._around.limits
        try:
            outcomes = await self._execute(entity, mail)
            return commitment(entity, mail, outcomes, owner=owner, limits=limits)
        except UnsettledError as error:
            log.warning("a turn cannot be settled", entity=str(self.name), reason=str(error))
            if len(mail.letters) == 1:
                outcomes = failed(mail, error.failure)
                return commitment(entity, mail, outcomes, owner=owner, limits=limits)
        self._singly_until = mail.letters[-1].sequence  # so that one bad invocation spoils no other
        return await self._settle(entity, mail.first(1))

    async def _execute(self, entity: Entity, mail: Mail) -> tuple[InvocationDone, ...]:
        invocations = tuple(letter.invocation for letter in mail.letters)
        turn = TurnRequested(
            entity_type=self.name.entity_type,
            entity_key=self.name.key,
            state=needed(entity.state, invocations),
            invocations=invocations,
        )
        return await self._around.turns.take(invocations[0].service, turn)

    # --- The log ------------------------------------------------------------------------------------

    async def _commit(self, entity: Entity, record: EntityCommitted, body: bytes) -> None:
        await self._arm(self.name, entity, record)
        await self._append(self.name, entity, record, body)

    async def _append(self, name: EntityName, entity: Entity, record: EntityCommitted, body: bytes) -> None:
        sequence = await self._around.log.append(name, record.number, body, after=entity.sequence)
        entity.apply(record, sequence=sequence, size=len(body))
        await self._around.projection.write(name, record, entity)

    def _is_snapshot_due(self, entity: Entity) -> bool:
        if self.name.entity_type == MEMORY_TYPE:  # what was known when, is asked of its log
            return False
        due = self._around.settings.snapshot_every
        due_bytes = max(_SNAPSHOT_AT_BYTES, entity.state_at_most)  # a snapshot is as large as the state
        return entity.commits_since_snapshot >= due or entity.bytes_since_snapshot >= due_bytes

    async def _compact(self, entity: Entity) -> None:
        await self._write_snapshot(self.name, entity)

    async def _write_snapshot(self, name: EntityName, entity: Entity) -> None:
        """Write all of it as one record, without what has expired, and drop the records before."""
        payloads = await self._around.log.payloads_end() if entity.names_payloads else None
        snapshot = entity.snapshot(
            at=time.time(),
            owner=self._around.settings.instance,
            remembered_bytes=self._around.limits.remembered_bytes,
        )
        await self._append(name, entity, snapshot, snapshot.to_body())
        await self._around.log.drop_before(name, entity.sequence, payloads=payloads)

    # --- Expiry -------------------------------------------------------------------------------------

    async def _forget_expired(self, entity: Entity) -> None:
        """Forget a state that has expired, before anything else is done with it."""
        if entity.has_expired(time.time()):
            await self._write_snapshot(self.name, entity)

    async def _arm(self, name: EntityName, entity: Entity, record: EntityCommitted) -> None:
        """Have the broker ring when the state expires: before the record that says so, so that it is never forgotten.

        An alarm of a record that never came finds that there is nothing to do.
        """
        if record.expires_at is not None and record.expires_at != entity.expires_at:
            await self._around.alarms.arm(name, record.expires_at)

    async def _rearm(self, entity: Entity) -> None:
        """Set the alarm anew where it rang too early, by our clock."""
        if entity.expires_at is not None:
            await self._around.alarms.arm(self.name, entity.expires_at)
