"""Executes a call of a function or tool: bound, tried, timed and answered as its component says."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from towpath.components import Component, ComponentType, Registry
from towpath.current import running_in
from towpath.dropping import Droppable, over_after
from towpath.engine.call_context import CallContext
from towpath.engine.confirmed_calls import is_confirmed
from towpath.engine.containing import contained
from towpath.engine.ports import Entities, Outside, Sleep
from towpath.engine.tasks import in_call
from towpath.errors import UnknownOutcomeError
from towpath.local.calls import final_failure, within
from towpath.local.done_acts import done_of
from towpath.local.targets import started_instead
from towpath.retry import Attempted, Retry, attempted
from towpath.telling import Telling, TellOf
from towpath.tools.confirmation import approve, call_sha256, confirming
from towpath.tools.tool_context import calling
from towpath.values import to_json_value
from towpath_schemas import identity
from towpath_schemas.calls import Answered, CallRequested
from towpath_schemas.failure import Failure
from towpath_schemas.journal import JournalRecord
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large

Journals = Callable[[str], Awaitable[Iterable[JournalRecord]]]
"""Reads the journal of a run, in the order of its entries."""


class CallExecution:
    """Executes calls of the components in `registry`.

    Args:
        registry: What may be called.
        entities: How it calls entities.
        journals: Where it looks whether somebody has said yes to a call that needs it.
        timeout_s: Seconds an attempt may take, where its component does not say.
        sleep: Waits between attempts.
        outside: Gives what the code of a call takes from outside, to each call its own.
        on_retry: Told of each attempt that failed and is followed by another.
    """

    def __init__(
        self,
        registry: Registry,
        entities: Entities,
        journals: Journals,
        *,
        timeout_s: float,
        sleep: Sleep = asyncio.sleep,
        outside: Callable[[], Outside] = Outside,
        on_retry: Callable[[CallRequested, Retry], None] | None = None,
    ) -> None:
        self._registry = registry
        self._entities = entities
        self._journals = journals
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._outside = outside
        self._on_retry = on_retry

    def knows(self, call: CallRequested) -> bool:
        """Tell whether what a call asks for is here."""
        return self._find(call) is not None

    async def answer(
        self, call: CallRequested, tell: TellOf, *, repeated: bool = False, traceparent: str | None = None
    ) -> Answered:
        """Execute a call; however it ends, that is its answer.

        Args:
            call: The call.
            tell: Told each chunk of a function that streams.
            repeated: Whether it may have been executed before, by somebody whose answer was never seen.
            traceparent: Trace context of the span in which it is executed, if there is one.
        """
        outside = self._outside()._replace(traceparent=traceparent)
        component = self._find(call)
        if component is None:
            return answer_of(call, failure=self._not_here(call))
        if repeated and not component.idempotent:
            return answer_of(call, failure=UnknownOutcomeError(f"{call.act} {call.name!r}").failure)
        with calling(None), confirming(None):  # nothing here is the caller's but what the call says
            if component.confirmed and is_confirmed(await self._journals(call.run_id), call):
                approve(call_sha256(call.name, call.arguments))
            ended = await self._execute(component, call, tell, outside, repeated=repeated)
        failure = None if ended.error is None else final_failure(ended.error)
        answered = answer_of(call, result=ended.value, failure=failure, attempts=ended.attempts)
        return _fitting(answered, call)

    def _find(self, call: CallRequested) -> Component | None:
        in_order = kinds_called(call)
        return next((found for kind in in_order if (found := self._registry.find(kind, call.name))), None)

    def _not_here(self, call: CallRequested) -> Failure:
        remedy = started_instead(self._registry.runnable(call.name)) or "register it in the service's app"
        message = f"service {call.service!r} has no {call.act} {call.name!r}; {remedy}"
        return Failure(code="unknown_component", message=message)

    async def _execute(
        self, component: Component, call: CallRequested, tell: TellOf, outside: Outside, *, repeated: bool
    ) -> Attempted:
        limit_s, done = component.timeout_s or self._timeout_s, done_of(component.retry)
        telling = Telling(tell)

        async def once(attempt: int) -> Any:
            context = CallContext.of_call(
                self._registry,
                call,
                component.kind,
                self._entities,
                attempt=attempt,
                outside=outside,
                done=done,
                repeated=repeated,
            )
            with in_call(), running_in(context, agent=call.agent), context.in_session(context.asked_in):
                async with within(limit_s, component.name):
                    code = component.run(context, call.arguments, telling.of(attempt))
                    with over_after(limit_s) as is_over:
                        ended = await contained(Droppable(code, is_over, name=component.name))
                    result = to_json_value(ended)
                await context.end_well()
                return result

        def tell_retry(retry: Retry) -> None:
            if self._on_retry is not None:
                self._on_retry(call, retry)

        return await attempted(once, component.retry, sleep=self._sleep, on_retry=tell_retry)


def kinds_called(call: CallRequested) -> tuple[ComponentType, ComponentType]:
    """List what a call may mean, the first one first."""
    if call.act == "tool":
        return ComponentType.TOOL, ComponentType.FUNCTION
    return ComponentType.FUNCTION, ComponentType.TOOL


def answer_of(
    call: CallRequested,
    *,
    result: Any = None,
    failure: Failure | None = None,
    attempts: int = 1,
) -> Answered:
    """Write the answer to a call; written again it has the same id."""
    return Answered(
        answer_id=identity.answer_id(call.call_id),
        run_id=call.run_id,
        key=call.key,
        result=result,
        failure=failure,
        attempts=attempts,
    )


def _fitting(answered: Answered, call: CallRequested) -> Answered:
    size = len(answered.to_body())
    if size <= MAX_PAYLOAD_BYTES:
        return answered
    return answer_of(call, failure=too_large(f"the result of {call.name!r}", size))
