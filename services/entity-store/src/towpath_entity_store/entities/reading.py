"""Shared methods: executed on the last committed state, beside whatever is being written."""

import asyncio
from contextlib import suppress
from typing import Any

from towpath_chassis.errors import BrokerError
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.answers import answered
from towpath_entity_store.entities.errors import NoRunnerError, UnsettledError
from towpath_entity_store.entities.log import EntityLog
from towpath_entity_store.entities.names import EntityName
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.entities.turns import Turns
from towpath_entity_store.redis_door import RedisFailedError
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationDone, InvocationRequested, TurnRequested
from towpath_schemas.failure import Failure

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
        try:
            async with asyncio.timeout(within_s):
                outcome = await self._outcome(invocation)
        except UnsettledError as error:
            outcome = _failed(invocation, error.failure)
        except (TimeoutError, BrokerError) as error:
            message = (
                f"the entity could not be read within {within_s:g} s: {str(error) or 'no runner answered'}"
            )
            outcome = _failed(invocation, Failure(code="unavailable", message=message, retryable=True))
        return answered(invocation, outcome)

    async def state(self, name: EntityName) -> dict[str, Any]:
        """Read the last committed state; the log says which record that is, wherever it is read from.

        Raises:
            UnconfirmedError: If the broker is not there.
        """
        number = await self._log.newest_number(name)
        if number == 0:
            return {}
        hot = self._actors.committed(name)
        if hot is not None and hot.number == number:
            return hot.state
        copy = await self._projection.state(name, number)
        return await self._healed(name) if copy is None else copy

    async def _healed(self, name: EntityName) -> dict[str, Any]:
        entity = await self._log.load(name)
        with suppress(RedisFailedError):  # then the next read comes from the log as well
            await self._projection.replace(name, entity)
        return entity.state

    async def _outcome(self, invocation: InvocationRequested) -> InvocationDone:
        name = EntityName(invocation.entity_type, invocation.entity_key)
        while True:
            turn = TurnRequested(
                entity_type=name.entity_type,
                entity_key=name.key,
                state=await self.state(name),
                invocations=(invocation,),
                read_only=True,
            )
            try:
                (outcome,) = await self._turns.take(invocation.service, turn, None)
            except NoRunnerError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return _unchanging(outcome, invocation)


def _unchanging(outcome: InvocationDone, invocation: InvocationRequested) -> InvocationDone:
    if not outcome.changes.values and not outcome.changes.deleted:
        return outcome
    message = f"{invocation.entity_type}.{invocation.method} is shared, and tried to change the state"
    return _failed(invocation, Failure(code="forbidden_write", message=message))


def _failed(invocation: InvocationRequested, failure: Failure) -> InvocationDone:
    return InvocationDone(invocation_id=invocation.invocation_id, failure=failure)
