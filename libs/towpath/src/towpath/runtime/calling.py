"""Makes the calls of a run: publishes what its intents command, and waits for the answers."""

import asyncio
from typing import Any

from towpath.runtime.live_run import LiveRun
from towpath_chassis.errors import NoResponderError, NotStoredError, UnconfirmedError
from towpath_schemas import identity, subjects
from towpath_schemas.calls import Answered, CallRequested
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, CallSettled
from towpath_schemas.requests import MAX_PAYLOAD_BYTES
from towpath_schemas.shape import Shape

_AGAIN_AFTER_S = 0.2
_READ_WITHIN_S = 30.0


class Caller:
    """Turns the intents of one run into messages; sending one twice is harmless, its id is derived."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run

    async def call(self, intent: CallIntended) -> CallSettled:
        """Send the command of a journaled intent and wait for its answer."""
        answer = asyncio.ensure_future(self._run.answer(intent.key))
        try:
            await self._run.reachable()
            await self._send(intent)
            return await answer
        finally:
            answer.cancel()

    async def _send(self, intent: CallIntended) -> None:
        message_id = identity.call_id(self._run.run_id, intent.key)
        subject, question = self._command(intent, message_id)
        body = question.to_body()
        if len(body) > MAX_PAYLOAD_BYTES:
            await self._refuse(intent, message_id, _too_large(intent, len(body)))
            return
        while True:
            try:
                await self._run.js.publish(
                    subject, body, headers=self._run.trace_headers, message_id=message_id
                )
            except UnconfirmedError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            except NotStoredError as error:
                await self._refuse(intent, message_id, Failure(code="unavailable", message=str(error)))
                return
            else:
                return

    def _command(self, intent: CallIntended, message_id: str) -> tuple[str, Shape]:
        if intent.act == "entity":
            return self._invocation(intent, message_id)
        call = CallRequested(
            call_id=message_id,
            service=intent.service or self._run.started.service,
            name=intent.target,
            act="tool" if intent.act == "tool" else "task",
            arguments=intent.input,
            **self._common(intent),
        )
        return subjects.call(call.service, call.name), call

    def _invocation(self, intent: CallIntended, message_id: str) -> tuple[str, InvocationRequested]:
        entity_type, _, method = intent.target.rpartition(".")
        invocation = InvocationRequested(
            invocation_id=message_id,
            service=intent.service or self._run.started.service,
            entity_type=entity_type,
            entity_key=intent.input["key"],
            method=method,
            arguments=intent.input["arguments"],
            **self._common(intent),
        )
        return subjects.mailbox(entity_type, invocation.entity_key), invocation

    def _common(self, intent: CallIntended) -> dict[str, Any]:
        return {
            "run_id": self._run.run_id,
            "key": intent.key,
            "attribution": self._run.started.attribution,
            "agent": intent.agent,
            "correlation_id": self._run.started.correlation_id,
        }

    async def _refuse(self, intent: CallIntended, message_id: str, failure: Failure) -> None:
        refusal = Answered(
            answer_id=identity.answer_id(message_id),
            run_id=self._run.run_id,
            key=intent.key,
            failure=failure,
        )
        await self._run.take(refusal)

    async def read(self, intent: CallIntended) -> Answered:
        """Ask a shared method of an entity, which changes nothing and so may be asked again."""
        _, invocation = self._invocation(intent, identity.call_id(self._run.run_id, intent.key))
        subject = subjects.entity_read(invocation.entity_type, invocation.entity_key)
        while True:
            try:
                answer = await self._run.js.request(subject, invocation.to_body(), within_s=_READ_WITHIN_S)
                return Answered.from_body(answer.data)
            except (NoResponderError, UnconfirmedError):
                await asyncio.sleep(_AGAIN_AFTER_S)


def _too_large(intent: CallIntended, size: int) -> Failure:
    return Failure(
        code="payload_too_large",
        message=f"the arguments of {intent.target} have {size:,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}",
    )
