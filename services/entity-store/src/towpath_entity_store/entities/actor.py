"""One entity in the memory of its owner: takes what waits in the mailbox, turn by turn, and commits it."""

import asyncio
import time
from dataclasses import dataclass

import structlog

from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.answers import Answers
from towpath_entity_store.entities.commitment import Commitment, commitment, failed
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.errors import KeyLostError, NoRunnerError, UnsettledError
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.log import EntityLog
from towpath_entity_store.entities.mailbox import Mail, waiting
from towpath_entity_store.entities.names import EntityName
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.entities.turns import Turns
from towpath_entity_store.settings import Settings
from towpath_schemas.entities import EntityCommitted, InvocationDone, TurnRequested

log = structlog.get_logger(__name__)

_SNAPSHOT_AT_BYTES = 1024 * 1024


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


class Actor:
    """Owns one entity as long as nobody else writes to its log.

    Attributes:
        name: Which entity.
        lost: Whether what it holds may differ from what is stored, so that nobody may go on with it.
        users: How many wait for it.
        entity: What is committed; None before it was first needed.
    """

    def __init__(self, name: EntityName, around: Surroundings) -> None:
        self.name = name
        self.lost = False
        self.users = 0
        self.entity: Entity | None = None
        self._around = around
        self._lock = asyncio.Lock()
        self._singly_until = 0

    async def reach(self, sequence: int) -> Entity:
        """Return once every invocation up to `sequence` of ENTITIES has its outcome in the log.

        Raises:
            KeyLostError: If somebody else has written to the log.
            NoRunnerError: If nobody executes the methods now.
            BrokerError: If the broker is not there.
        """
        async with self._lock:
            if self.lost:
                raise KeyLostError(self.name)
            if self.entity is None:
                self.entity = await self._around.log.load(self.name)
            while self.entity.through < sequence:
                await self._advance(self.entity, sequence)
            return self.entity

    async def _advance(self, entity: Entity, sequence: int) -> None:
        try:
            mail = await self._mail(entity)
            if mail.letters:
                await self._take_turn(entity, mail)
            else:  # an invocation that the mailbox does not keep any more cannot be waited for
                entity.through = mail.through if mail.through > entity.through else sequence
        except NoRunnerError:
            raise
        except BaseException:
            self.lost = True
            raise

    async def _mail(self, entity: Entity) -> Mail:
        settings = self._around.settings
        limit = 1 if entity.through < self._singly_until else settings.turn_invocations
        return await waiting(self._around.js, self.name, entity, limit=limit, limit_bytes=settings.turn_bytes)

    async def _take_turn(self, entity: Entity, mail: Mail) -> None:
        settled = await self._settle(entity, mail)
        await self._commit(entity, settled.record, settled.body)
        for letter, outcome in zip(settled.letters, settled.record.outcomes, strict=True):
            self._around.answers.begin(letter.sequence, letter.invocation, outcome)
        if self._is_snapshot_due(entity):
            await self._compact(entity)

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
        first = mail.letters[0]
        turn = TurnRequested(
            entity_type=self.name.entity_type,
            entity_key=self.name.key,
            state=entity.state,
            invocations=tuple(letter.invocation for letter in mail.letters),
        )
        return await self._around.turns.take(first.invocation.service, turn, first.traceparent)

    async def _commit(self, entity: Entity, record: EntityCommitted, body: bytes) -> None:
        sequence = await self._around.log.append(self.name, record.number, body, after=entity.sequence)
        entity.apply(record, sequence=sequence, size=len(body))
        await self._around.projection.write(self.name, record, entity)

    def _is_snapshot_due(self, entity: Entity) -> bool:
        due = self._around.settings.snapshot_every
        due_bytes = max(_SNAPSHOT_AT_BYTES, entity.state_at_most)  # a snapshot is as large as the state
        return entity.commits_since_snapshot >= due or entity.bytes_since_snapshot >= due_bytes

    async def _compact(self, entity: Entity) -> None:
        payloads = await self._around.log.payloads_end() if entity.names_payloads else None
        snapshot = entity.snapshot(
            at=time.time(),
            owner=self._around.settings.instance,
            remembered_bytes=self._around.limits.remembered_bytes,
        )
        await self._commit(entity, snapshot, snapshot.to_body())
        await self._around.log.drop_before(self.name, entity.sequence, payloads=payloads)
