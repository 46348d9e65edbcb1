"""Calls of entities by code that is no run of its own: a function, a tool, a method of another entity.

Nothing of them is journaled where they are made. Their ids are derived from the call that makes them, so that the same
call, executed again after a crash, makes the same calls, which the entities have answered before. An attempt that
follows one that failed is told what succeeded, and asks again for what failed.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from towpath.components import ComponentType, Registry
from towpath.engine.ports import Entities
from towpath.entity_handle import EntityCall
from towpath.failures import component_error
from towpath.local.calls import Callee
from towpath.local.entity_calls import check_wait
from towpath.local.waits import IN_ONE_ORDER, chain
from towpath_schemas import identity
from towpath_schemas.calls import Answered, CallRequested
from towpath_schemas.entities import EntityName, InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.transactions import TRANSACTION, TransactionArguments, TransactionCall


class Patience(NamedTuple):
    """How long a method of an entity, which holds its key, waits for others.

    Attributes:
        seconds: From its beginning on; None for ever.
        until: The end of them, by the clock of the loop.
    """

    seconds: float | None
    until: float | None

    @classmethod
    def of(cls, seconds: float | None) -> "Patience":
        """Begin to wait."""
        return cls(seconds, None if seconds is None else asyncio.get_running_loop().time() + seconds)


class CalledEntities:
    """Makes the calls of one piece of code, which `callee` describes, within the execution of `base`.

    Args:
        registry: What may be called.
        entities: How it is called.
        base: The call that is executed.
        callee: The code.
        patience: How long it waits for others; None for ever.
        traceparent: Trace context of the span in which it is executed, if there is one.
    """

    def __init__(
        self,
        registry: Registry,
        entities: Entities,
        base: CallRequested | InvocationRequested,
        callee: Callee,
        patience: Patience | None = None,
        *,
        traceparent: str | None = None,
    ) -> None:
        self._patience = patience or Patience.of(None)
        self._registry = registry
        self._entities = entities
        self._base = base
        self._callee = callee
        self._traceparent = traceparent

    async def call(self, call: EntityCall) -> Any:
        """Make a call; see `EntityCaller.call`."""
        if is_shared(self._registry, call.name.entity_type, call.method):
            return _result(await self._entities.read(self._asked(call)))
        check_wait(self._callee, call)
        return _result(await self._invoked(call))

    async def commit(self, calls: Sequence[EntityCall], place: str) -> list[Any]:
        """Make calls, all or none; see `EntityCaller.commit`."""
        for call in calls:
            check_wait(self._callee, call)
        return _result(await self._invoked(transaction_of(calls, place)))

    async def _invoked(self, call: EntityCall) -> Answered:
        """Make a call, again if that is due, for as long as whoever waits for it may hold what it holds."""
        limit = asyncio.timeout_at(self._patience.until)
        try:
            async with limit:
                return await self._answer(call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise component_error(_overdue(self._callee.callers, call, self._patience)) from error

    async def _answer(self, call: EntityCall) -> Answered:
        answer = await self._entities.invoke(self._asked(call))
        for attempt in range(2, self._callee.tried + 1):
            if answer.failure is None:
                break
            again = call._replace(place=f"{call.place}@{attempt}")
            answer = await self._entities.invoke(self._asked(again))
        return answer

    def _asked(self, call: EntityCall) -> InvocationRequested:
        key = self._callee.inside(call.place)
        return InvocationRequested(
            invocation_id=identity.call_id(self._base.run_id, key),
            run_id=self._base.run_id,
            key=key,
            service=self._base.service,
            entity_type=call.name.entity_type,
            entity_key=call.name.key,
            method=call.method,
            arguments=call.arguments,
            attribution=self._base.attribution,
            agent=self._base.agent,
            session_owner=self._base.session_owner,
            correlation_id=self._base.correlation_id,
            traceparent=self._traceparent,
            callers=self._callee.callers,
        )


def is_shared(registry: Registry, entity_type: str, method: str) -> bool:
    """Tell whether a method only reads, as far as this process knows it."""
    component = registry.find(ComponentType.ENTITY, entity_type)
    known = component.methods.get(method) if component else None
    return known is not None and known.shared


def transaction_of(calls: Sequence[EntityCall], place: str) -> EntityCall:
    """Write a transaction as one call, of the first of its entities in the order in which all take them."""
    said = tuple(
        TransactionCall(
            entity_type=call.name.entity_type,
            entity_key=call.name.key,
            method=call.method,
            arguments=call.arguments,
        )
        for call in calls
    )
    arguments = TransactionArguments(calls=said).model_dump(mode="json")
    return EntityCall(min(call.name for call in calls), TRANSACTION, arguments, place)


def _overdue(callers: Sequence[EntityName], call: EntityCall, patience: Patience) -> Failure:
    holder, called = chain(callers[-1:]), chain([call.name])
    message = (
        f"{holder} was held for {patience.seconds:g} s by a method that still waits for {called}, which is at work or "
        f"waits for {holder} itself; {IN_ONE_ORDER}"
    )
    return Failure(code="timeout", message=message)


def _result(answer: Answered) -> Any:
    if answer.failure is not None:
        raise component_error(answer.failure)
    return answer.result
