"""Shared methods: executed on the last committed state, beside whatever is being written."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from towpath_chassis.errors import BrokerError
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.answers import answered
from towpath_entity_store.entities.errors import NoRunnerError, UnsettledError
from towpath_entity_store.entities.log import EntityLog
from towpath_entity_store.entities.projection import Copy, Projection
from towpath_entity_store.entities.turns import Turns
from towpath_entity_store.redis_door import RedisFailedError
from towpath_schemas.calls import Answered
from towpath_schemas.entities import STATE, EntityName, InvocationDone, InvocationRequested, TurnRequested
from towpath_schemas.failure import Failure
from towpath_schemas.sessions import needed

_AGAIN_AFTER_S = 0.5


class Reads:
    """Answers shared methods; any replica may, whoever owns the entity."""

    def __init__(self, actors: Actors, log: EntityLog, projection: Projection, turns: Turns) -> None:
        self._actors = actors
        self._log = log
        self._projection = projection
        self._turns = turns

    async def answer(self, invocation: InvocationRequested, *, within_s: float) -> Answered:
        """Execute a shared method; a failure of the platform is told as one that may be retried."""
        reasons: list[str] = []
        try:
            async with asyncio.timeout(within_s):
                outcome = await self._persistently(invocation, reasons)
        except UnsettledError as error:
            outcome = _failed(invocation, error.failure)
        except TimeoutError:
            reason = reasons[-1] if reasons else "no runner answered"
            message = f"the entity could not be read within {within_s:g} s: {reason}"
            outcome = _failed(invocation, Failure(code="unavailable", message=message, retryable=True))
        return answered(invocation, outcome)

    async def _persistently(self, invocation: InvocationRequested, reasons: list[str]) -> InvocationDone:
        """Read until it works, and write down why it did not: an answer of the broker's may get lost."""
        while True:
            try:
                if invocation.method != STATE:
                    return await self._outcome(invocation)
                state = await self.state(invocation.entity)
                return InvocationDone(invocation_id=invocation.invocation_id, result=state)
            except BrokerError as error:
                reasons.append(str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)

    async def state(self, name: EntityName) -> dict[str, Any]:
        """Read the last committed state; the log says which record that is, wherever it is read from.

        Raises:
            UnconfirmedError: If the broker is not there.
        """
        newest = await self._log.newest(name)
        if newest.number == 0:
            return {}
        hot = self._actors.committed(name)
        if hot is not None and hot.sequence == newest.sequence:
            return hot.state_at(time.time())
        try:
            copy = await self._projection.look(name)
        except RedisFailedError:
            return (await self._log.load(name)).state_at(time.time())
        return copy.state_at(time.time()) if copy.is_of(newest) else await self._healed(name, copy)

    async def _healed(self, name: EntityName, copy: Copy) -> dict[str, Any]:
        entity = await self._log.load(name)
        with suppress(RedisFailedError):  # then the next read comes from the log as well
            await self._projection.mend(name, copy, entity)
        return entity.state_at(time.time())

    async def _outcome(self, invocation: InvocationRequested) -> InvocationDone:
        name = invocation.entity
        while True:
            turn = TurnRequested(
                entity_type=name.entity_type,
                entity_key=name.key,
                state=needed(await self.state(name), (invocation,)),
                invocations=(invocation,),
                read_only=True,
            )
            try:
                (outcome,) = await self._turns.take(invocation.service, turn)
            except NoRunnerError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return _unchanging(outcome, invocation)


def misplaced(invocation: InvocationRequested, subject: str) -> Answered:
    """Refuse a call that was not asked where its entity is read."""
    message = f"{invocation.entity} is read on {invocation.entity.readings}, not on {subject}"
    return answered(invocation, _failed(invocation, Failure(code="forbidden", message=message)))


def _unchanging(outcome: InvocationDone, invocation: InvocationRequested) -> InvocationDone:
    if not outcome.changes.values and not outcome.changes.deleted:
        return outcome
    message = f"{invocation.entity_type}.{invocation.method} is shared, and tried to change the state"
    return _failed(invocation, Failure(code="forbidden_write", message=message))


def _failed(invocation: InvocationRequested, failure: Failure) -> InvocationDone:
    return InvocationDone(invocation_id=invocation.invocation_id, failure=failure)
