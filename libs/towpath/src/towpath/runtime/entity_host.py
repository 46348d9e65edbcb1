"""Executes methods of entities for their owners: a turn is a state and the calls that wait for it, in order."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pydantic import ValidationError

from towpath.components import ComponentType, Method, Registry
from towpath.context import running_in
from towpath.failures import failure_of
from towpath.local.state import BufferedState, ReadOnlyState
from towpath.runtime.call_context import CallContext
from towpath.runtime.containing import contained
from towpath.values import to_json_value
from towpath_chassis.messages import Message, respond
from towpath_chassis.service import Chassis
from towpath_schemas import subjects
from towpath_schemas.entities import Changes, InvocationDone, InvocationRequested, TurnProgress, TurnRequested
from towpath_schemas.failure import Failure

log = structlog.get_logger(__name__)

_SIGN_OF_LIFE_S = 1.0
_WORKING = TurnProgress().to_body()


class EntityHost:
    """Executes turns for the entities whose code this process has."""

    def __init__(self, chassis: Chassis[Any], registry: Registry) -> None:
        self._js = chassis.js
        self._registry = registry
        self._drain_s = chassis.settings.drain_s
        self._turns: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, service: str) -> AsyncGenerator[None]:
        """Take turns until the end of the block; those begun are finished."""
        subject = subjects.entity_turn(service)
        subscription = await self._js.subscribe(subject, self._on_turn, queue="runners")
        try:
            yield
        finally:
            await self._js.unsubscribe(subscription)
            if self._turns:
                await asyncio.wait(self._turns, timeout=self._drain_s)

    async def _on_turn(self, message: Message) -> None:
        task = asyncio.create_task(self._take_turn(message))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def _take_turn(self, message: Message) -> None:
        try:
            turn = TurnRequested.from_body(message.data)
        except ValidationError as error:
            log.error("not a turn", reason=str(error))  # noqa: TRY400 - the sender's fault, a trace says nothing
            return
        living = asyncio.create_task(_say_working(message))
        try:
            done = await self._execute(turn)
        finally:
            living.cancel()
        body = TurnProgress(done=done).to_body()
        if len(body) > self._js.nats.max_payload:
            body = TurnProgress(done=tuple(_too_large(one, len(body)) for one in turn.invocations)).to_body()
        await respond(message, body)

    async def _execute(self, turn: TurnRequested) -> tuple[InvocationDone, ...]:
        state: Mapping[str, Any] = turn.state
        done: list[InvocationDone] = []
        for invocation in turn.invocations:
            ended = await self._invoke(invocation, state, read_only=turn.read_only)
            changed = {**state, **ended.changes.values}
            state = {name: value for name, value in changed.items() if name not in ended.changes.deleted}
            done.append(ended)
        return tuple(done)

    async def _invoke(
        self,
        invocation: InvocationRequested,
        committed: Mapping[str, Any],
        *,
        read_only: bool,
    ) -> InvocationDone:
        """Execute one method; a failed one changes nothing."""
        method = self._find(invocation)
        if method is None:
            return _ended(invocation, failure=_not_here(invocation))
        reading = read_only or method.shared
        state = (
            ReadOnlyState(committed, invocation.entity_type, method.name)
            if reading
            else BufferedState(committed)
        )
        context = CallContext.of_method(self._registry, invocation, state)
        try:
            with running_in(context, agent=invocation.agent):
                result = to_json_value(await contained(method.execute(context, invocation.arguments)))
        except Exception as error:  # noqa: BLE001 - whatever user code raises is its outcome
            return _ended(invocation, failure=failure_of(error).model_copy(update={"retryable": False}))
        changes = Changes(values=state.values, deleted=tuple(sorted(state.deleted)))
        return _ended(invocation, result=result, changes=changes)

    def _find(self, invocation: InvocationRequested) -> Method | None:
        component = self._registry.find(ComponentType.ENTITY, invocation.entity_type)
        return component.methods.get(invocation.method) if component else None


async def _say_working(message: Message) -> None:
    while True:
        await respond(message, _WORKING)
        await asyncio.sleep(_SIGN_OF_LIFE_S)


def _ended(
    invocation: InvocationRequested,
    *,
    result: Any = None,
    failure: Failure | None = None,
    changes: Changes | None = None,
) -> InvocationDone:
    return InvocationDone(
        invocation_id=invocation.invocation_id,
        result=result,
        failure=failure,
        changes=changes or Changes(),
    )


def _too_large(invocation: InvocationRequested, size: int) -> InvocationDone:
    message = f"the outcome of {invocation.entity_type}.{invocation.method} has {size:,} bytes; keep less in the state"
    return _ended(invocation, failure=Failure(code="payload_too_large", message=message))


def _not_here(invocation: InvocationRequested) -> Failure:
    return Failure(
        code="unknown_component",
        message=f"service {invocation.service!r} has no method {invocation.entity_type}.{invocation.method}; "
        "register the entity in the service's app",
    )
