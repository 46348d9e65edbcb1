"""How what a run intends reaches those who do it: messages whose ids are derived, so sending twice is harmless."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from towpath.engine.alarms import alarm, alarm_id
from towpath.engine.commands import Command, command, excess, fitting_signal, invocation, refusal
from towpath.engine.live_run import LiveRun
from towpath.runtime.asking import NatsQuestions
from towpath.runtime.output import Output
from towpath_chassis.errors import NotStoredError, UnconfirmedError
from towpath_chassis.inbox import RESULT
from towpath_chassis.insisting import until_answered
from towpath_chassis.service import Chassis
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.calls import Answered, CallRequested, ChildRequested, ControlSent
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.envelope import AGAIN_HEADER
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended
from towpath_schemas.requests import BroadcastRequested, SignalRequested
from towpath_schemas.shape import Shape
from towpath_schemas.streams import INBOX

_AGAIN_AFTER_S = 0.2


class NatsOutbox(NatsQuestions):
    """The `Outbox` of one run on the platform.

    Args:
        chassis: The service that holds the run.
        reachable: Makes sure that answers can reach the run in memory.
    """

    def __init__(self, chassis: Chassis[Any], reachable: Callable[[], Awaitable[None]]) -> None:
        super().__init__(chassis.js)
        self._chassis = chassis
        self._reachable = reachable
        self._run: LiveRun | None = None

    def of(self, run: LiveRun) -> None:
        """Say whose outbox it is."""
        self._run = run

    @property
    def _sender(self) -> LiveRun:
        assert self._run is not None, "an outbox is used by its run only"  # noqa: S101 - see `of`
        return self._run

    # --- What the journal says is to be done --------------------------------------------------------

    async def send(self, intent: CallIntended) -> Answered | None:
        """Command what a journaled intent says; see `Outbox.send`."""
        await self._reachable()
        if intent.until is not None:
            await self._arm(intent, intent.until)
        run = self._sender
        question = command(run.run_id, run.started, intent, run.traceparent)
        if question is None:
            return None
        body = question.to_body()
        if (failure := excess(intent, len(body))) is not None:
            return self._refusal(intent, failure)
        try:
            call_id = identity.call_id(self._sender.run_id, intent.key)
            await self._publish(_subject(question), body, call_id, asks_for=intent.key)
        except NotStoredError as error:
            return self._refusal(intent, Failure(code="unavailable", message=str(error)))
        return None

    async def _publish(
        self, subject: str, body: bytes, message_id: str, *, asks_for: str | None = None
    ) -> None:
        """Publish however long the broker is away.

        What was answered is not sent again: a broker that was restarted would not know it for a repetition. Nor would
        it know one whose answer is still on its way, so whoever executes it is told to look for that.
        """
        headers = dict(self._sender.trace_headers or {})
        while asks_for is None or self._sender.history.outcome(asks_for) is None:
            try:
                await self._js.publish(subject, body, headers=headers or None, message_id=message_id)
            except UnconfirmedError:
                headers[AGAIN_HEADER] = "1"
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return

    def _refusal(self, intent: CallIntended, failure: Failure) -> Answered:
        return refusal(self._sender.run_id, intent, failure)

    # --- Alarms -------------------------------------------------------------------------------------

    async def _arm(self, intent: CallIntended, until: float) -> None:
        """Have the broker bring the alarm at its time; arming it again replaces it."""
        run_id = self._sender.run_id
        alarm_of_it = alarm_id(run_id, intent.key)
        schedule = partial(
            self._js.schedule,
            subjects.timer(run_id, alarm_of_it),
            target=subjects.inbox(run_id, RESULT, alarm_of_it),
            body=alarm(run_id, intent).to_body(),
            at=until,
        )
        await until_answered(schedule)

    async def disarm(self, intent: CallIntended) -> None:
        """Remove the alarm of an intent; one that stays only finds nobody waiting."""
        run_id = self._sender.run_id
        try:
            await self._js.purge(INBOX, subjects.timer(run_id, alarm_id(run_id, intent.key)))
        except UnconfirmedError:
            return

    # --- Asking and telling others ------------------------------------------------------------------

    async def read(self, intent: CallIntended) -> Answered:
        """Ask a shared method of an entity; see `Outbox.read`."""
        run = self._sender
        return await self.read_entity(invocation(run.run_id, run.started, intent, run.traceparent))

    async def emit(self, signal_id: str, name: str, payload: Any, run_id: str | None) -> None:
        """Send a signal through the public door, where it is checked whose run it is for; see `Outbox.emit`."""
        attribution = self._sender.started.attribution
        claim = AttributionClaim(**attribution.model_dump(exclude={"tenant"}))
        request: Shape
        if run_id is None:
            request = BroadcastRequested(payload=payload, signal_id=signal_id, attribution=claim)
            subject = subjects.request(attribution.tenant, "broadcast", name)
        else:
            request = SignalRequested(name=name, payload=payload, signal_id=signal_id, attribution=claim)
            subject = subjects.request(attribution.tenant, "signal", run_id)
        await self._publish(subject, fitting_signal(name, request.to_body()), signal_id)

    async def tell_chunk(
        self, index: int, chunk: Any, attempt: int = 1, *, key: str | None = None, piece: int | None = None
    ) -> None:
        """Publish a chunk, or a piece of one; see `Outbox.tell_chunk`."""
        run = self._sender
        output = Output(
            self._chassis,
            run.run_id,
            run.started.attribution,
            run.started.correlation_id,
            key=key,
            traceparent=run.traceparent,
        )
        await (output.put(index, chunk, attempt) if piece is None else output.put_piece(index, piece, chunk))

    async def cancel(self, run_id: str, event_id: str, reason: str | None) -> None:
        """Ask a child run to end; see `Outbox.cancel`."""
        sent = ControlSent(
            event_id=event_id,
            run_id=run_id,
            control="cancel",
            reason=reason,
            attribution=self._sender.started.attribution,
        )
        await self._publish(subjects.inbox(run_id, "control", event_id), sent.to_body(), event_id)


def _subject(question: Command) -> str:
    match question:
        case CallRequested():
            return subjects.call(question.service, question.name)
        case InvocationRequested():
            return question.entity.mailbox
        case ChildRequested():
            return subjects.child(question.attribution.tenant, question.component)
