"""Executes calls of functions and tools, and brings each answer to the run that asked.

However long a call takes, its message is kept alive (`chassis.pulling` says so three times in each `ack_wait_s`); a
process that dies says nothing, and the call is executed by another, unless it was answered before.
"""

import asyncio
import time
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from towpath.components import Registry
from towpath.engine.call_execution import CallExecution, answer_of, kinds_called
from towpath.retry import Retry
from towpath.runtime.deadly import Quarantine, begin_suspect, deadly, forget_suspect, is_suspect
from towpath.runtime.entity_calls import NatsEntities
from towpath.runtime.output import Output
from towpath_chassis.delivery import GiveUp, RetryLater
from towpath_chassis.editions import Editions
from towpath_chassis.inbox import bring, place_of
from towpath_chassis.insisting import until_answered
from towpath_chassis.journal import read_journal
from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_chassis.telemetry import CALL
from towpath_schemas.calls import Answered, CallRequested
from towpath_schemas.components import CodeOffered
from towpath_schemas.envelope import AGAIN_HEADER, senders_headers
from towpath_schemas.journal import CallSettled, JournalRecord, RunFinished
from towpath_schemas.shape import problems
from towpath_schemas.streams import INBOX
from towpath_schemas.telemetry import COMPONENT, KEY, RUN_ID

log = structlog.get_logger(__name__)

_AGAIN_AFTER_S = 0.2
_LATE = 0.5
"""Part of `ack_wait_s` after which a call that was not delivered before may yet have been, for all that clocks tell."""
OUTDATED = 0.05
"""Part of `ack_wait_s` after which what was found out about a call may not be so any more: others go on meanwhile."""
_LOOKS = 3


class ToolHost:
    """Executes the calls of one service in this process."""

    def __init__(
        self, chassis: Chassis[Any], registry: Registry, *, timeout_s: float, max_losses: int
    ) -> None:
        self._chassis = chassis
        self._max_losses = max_losses
        self._quarantine = Quarantine()
        self._execution = CallExecution(
            registry, NatsEntities(chassis.js), self._journal, timeout_s=timeout_s, on_retry=_log_retry
        )

    async def on_call(self, message: Message) -> None:
        """Handle one call: its answer is where it belongs before this ends.

        Raises:
            GiveUp: If a function failed for good: the run has been told, and the call is kept as a dead letter.
            RetryLater: If others have the code, and may have begun the call before.
        """
        call = _read_call(message)
        if not self._execution.knows(call) and await self._is_elsewhere(call):
            await self._leave_to_others(call, message)
            return
        answered = await self._answered_before(call) if self._may_be_answered(message) else None
        if answered is None:
            answered = await self._execute(call, message)
            await self._bring(answered)
        if answered.failure is not None and call.act == "task":
            raise GiveUp(answered.failure, answered=True, attempts=answered.attempts)

    def _may_be_answered(self, message: Message) -> bool:
        """Tell whether the call may have been executed before: it comes again, or so late that others may have it, too.

        A process that stood still finds what came before that, and takes it for new.
        """
        if message.metadata.num_delivered > 1 or AGAIN_HEADER in (message.headers or {}):
            return True
        age_s = time.time() - message.metadata.timestamp.timestamp()
        return age_s > self._chassis.settings.ack_wait_s * _LATE

    async def _is_elsewhere(self, call: CallRequested) -> bool:
        """Tell whether other runners of the service have what is not here: it is being upgraded."""
        codes = (CodeOffered(kind=kind.value, name=call.name) for kind in kinds_called(call))
        return await Editions(self._chassis.js, call.service).offer(*codes)

    async def _leave_to_others(self, call: CallRequested, message: Message) -> None:
        """Publish a call anew: one that is given back counts as one that may have been executed.

        Raises:
            RetryLater: If it may have been, so that this must not be forgotten.
        """
        if message.metadata.num_delivered > 1:
            reason = f"another runner of {call.service!r} has {call.act} {call.name!r}"
            raise RetryLater(reason, after_s=_AGAIN_AFTER_S)
        await asyncio.sleep(_AGAIN_AFTER_S)
        headers = {**senders_headers(message.headers or {}), AGAIN_HEADER: "1"}
        message_id = f"{call.call_id}:on:{message.metadata.sequence.stream}"
        await self._chassis.js.publish(message.subject, message.data, headers=headers, message_id=message_id)

    async def _answered_before(self, call: CallRequested) -> Answered | None:
        """Find the answer of a call that came before and has one: it is not executed again.

        Where looking takes long, such as while the broker is away, it is looked once more.
        """
        clock = asyncio.get_running_loop().time
        for _ in range(_LOOKS):
            began = clock()
            answered = await self._find_answer(call)
            if answered is not None or clock() - began < self._chassis.settings.ack_wait_s * OUTDATED:
                return answered
        return None

    async def _find_answer(self, call: CallRequested) -> Answered | None:
        waiting = await self._chassis.js.last(INBOX, place_of(answer_of(call)))
        if waiting is not None:
            return Answered.from_body(waiting.body)
        # after the inbox, which it comes from
        for record in await self._journal(call.run_id):
            if isinstance(record, CallSettled) and record.key == call.key:
                return answer_of(call, result=record.result, failure=record.failure, attempts=record.attempts)
            if isinstance(record, RunFinished):
                return answer_of(call)  # nobody waits for it
        return None

    async def _journal(self, run_id: str) -> list[JournalRecord]:
        return [record for _, record in await read_journal(self._chassis.js, run_id)]

    async def _execute(self, call: CallRequested, message: Message) -> Answered:
        attributes = {RUN_ID: call.run_id, COMPONENT: call.name, KEY: call.key}
        parent = (message.headers or {}).get("traceparent")
        with self._chassis.tracing.span(CALL, parent=parent, attributes=attributes) as inside:
            output = self._output(call, inside)
            return await self._answer(call, output, delivered=message.metadata.num_delivered)

    def _output(self, call: CallRequested, traceparent: str | None) -> Output:
        return Output(
            self._chassis,
            run_id=call.run_id,
            key=call.key,
            attribution=call.attribution,
            correlation_id=call.correlation_id,
            traceparent=traceparent,
        )

    async def _bring(self, answered: Answered) -> None:
        """Bring an answer however long the broker is away: to give the call back would be to execute it again."""
        await until_answered(partial(bring, self._chassis.js, answered))

    async def _answer(self, call: CallRequested, output: Output, *, delivered: int) -> Answered:
        started_at = time.monotonic()
        if is_suspect(delivered - 1):
            answered = await self._answer_suspect(call, output, delivered)
        else:
            answered = await self._execution.answer(
                call, output.put, repeated=delivered > 1, traceparent=output.traceparent
            )
        log.info(
            "call ended",
            attempts=answered.attempts,
            seconds=round(time.monotonic() - started_at, 4),
            error=answered.failure.message if answered.failure else None,
            **_fields(call),
        )
        return answered

    async def _answer_suspect(self, call: CallRequested, output: Output, delivered: int) -> Answered:
        """Answer a call that others began and never answered: it may be what ends the process."""
        js, runner = self._chassis.js, self._chassis.settings.instance
        async with self._quarantine.alone():
            begun = await begin_suspect(js, call.call_id, runner, delivered=delivered)
            if begun >= self._max_losses:
                answered = answer_of(call, failure=deadly(f"{call.act} {call.name!r}", begun))
            else:
                answered = await self._execution.answer(
                    call, output.put, repeated=True, traceparent=output.traceparent
                )
        await forget_suspect(js, call.call_id)
        return answered


def _log_retry(call: CallRequested, retry: Retry) -> None:
    log.warning(
        "call will be tried again",
        attempt=retry.attempt,
        wait_s=round(retry.wait_s, 4),
        error=repr(retry.error),
        **_fields(call),
    )


def _fields(call: CallRequested) -> dict[str, Any]:
    attribution = call.attribution.model_dump(exclude_none=True)
    return {"run_id": call.run_id, "component": call.name, "key": call.key, **attribution}


def _read_call(message: Message) -> CallRequested:
    try:
        return CallRequested.from_body(message.data)
    except ValidationError as error:
        raise GiveUp(f"this is no call: {problems(error)}") from error
