"""Executes calls of functions and tools, and brings each answer to the run that asked."""

import asyncio
import time
from typing import Any

import structlog
from pydantic import ValidationError

from towpath.components import Component, ComponentType, Registry
from towpath.context import running_in
from towpath.errors import UnknownOutcomeError
from towpath.failures import failure_of
from towpath.retry import Attempted, attempted
from towpath.runtime.call_context import CallContext
from towpath.runtime.containing import contained
from towpath.values import to_json_value
from towpath_chassis.delivery import GiveUp
from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.inbox import bring
from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_chassis.telemetry import CALL, COMPONENT, KEY, RUN_ID
from towpath_schemas import identity
from towpath_schemas.calls import Answered, CallRequested
from towpath_schemas.failure import Failure
from towpath_schemas.requests import MAX_PAYLOAD_BYTES

log = structlog.get_logger(__name__)

_AGAIN_AFTER_S = 0.2


class ToolHost:
    """Executes the calls of one service in this process."""

    def __init__(self, chassis: Chassis[Any], registry: Registry, *, timeout_s: float) -> None:
        self._chassis = chassis
        self._registry = registry
        self._timeout_s = timeout_s

    async def on_call(self, message: Message) -> None:
        """Handle one call: its answer is where it belongs before this returns."""
        call = _read_call(message)
        attributes = {RUN_ID: call.run_id, COMPONENT: call.name, KEY: call.key}
        parent = (message.headers or {}).get("traceparent")
        with self._chassis.tracing.span(CALL, parent=parent, attributes=attributes):
            answered = await self._answer(call, redelivered=message.metadata.num_delivered > 1)
        await self._bring(_fitting(answered, call))

    async def _bring(self, answered: Answered) -> None:
        """Bring an answer however long the broker is away: to give the call back would be to execute it again."""
        while True:
            try:
                await bring(self._chassis.js, answered)
            except UnconfirmedError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return

    async def _answer(self, call: CallRequested, *, redelivered: bool) -> Answered:
        component = self._find(call)
        if component is None:
            return _answered(call, failure=_not_here(call))
        if redelivered and not component.idempotent:
            return _answered(call, failure=UnknownOutcomeError(f"{call.act} {call.name!r}").failure)
        ended = await self._execute(component, call)
        return _answered(call, result=ended.value, failure=_failure(ended), attempts=ended.attempts)

    def _find(self, call: CallRequested) -> Component | None:
        kind = ComponentType.TOOL if call.act == "tool" else ComponentType.FUNCTION
        return self._registry.find(kind, call.name)

    async def _execute(self, component: Component, call: CallRequested) -> Attempted:
        limit_s = component.timeout_s or self._timeout_s

        async def once(attempt: int) -> Any:
            context = CallContext.of_call(self._registry, call, component.kind, attempt=attempt)
            with running_in(context, agent=call.agent):
                return to_json_value(await _within(limit_s, component, context, call))

        started_at = time.monotonic()
        ended = await attempted(once, component.retry)
        log.info(
            "call ended",
            run_id=call.run_id,
            component=call.name,
            key=call.key,
            attempts=ended.attempts,
            seconds=round(time.monotonic() - started_at, 4),
            error=repr(ended.error) if ended.error else None,
            **call.attribution.model_dump(exclude_none=True),
        )
        return ended


async def _within(limit_s: float, component: Component, context: CallContext, call: CallRequested) -> Any:
    deadline = asyncio.timeout(limit_s)
    try:
        async with deadline:
            return await contained(component.execute(context, call.arguments))
    except TimeoutError as error:
        if deadline.expired():
            raise TimeoutError(f"{call.name} did not end within {limit_s:g} s") from error
        raise


def _read_call(message: Message) -> CallRequested:
    try:
        return CallRequested.from_body(message.data)
    except ValidationError as error:
        raise GiveUp(f"not a call: {error}") from error


def _answered(
    call: CallRequested,
    *,
    result: Any = None,
    failure: Failure | None = None,
    attempts: int = 1,
) -> Answered:
    return Answered(
        answer_id=identity.answer_id(call.call_id),
        run_id=call.run_id,
        key=call.key,
        result=result,
        failure=failure,
        attempts=attempts,
    )


def _failure(ended: Attempted) -> Failure | None:
    if ended.error is None:
        return None
    return failure_of(ended.error).model_copy(update={"retryable": False})


def _fitting(answered: Answered, call: CallRequested) -> Answered:
    size = len(answered.to_body())
    if size <= MAX_PAYLOAD_BYTES:
        return answered
    message = f"the result of {call.name} has {size:,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}"
    return _answered(call, failure=Failure(code="payload_too_large", message=message))


def _not_here(call: CallRequested) -> Failure:
    return Failure(
        code="unknown_component",
        message=f"service {call.service!r} has no {call.act} {call.name!r}; register it in the service's app",
    )
