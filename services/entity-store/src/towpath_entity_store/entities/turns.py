"""Turns: a runner executes invocations on a state, and says that it lives until it has the outcomes."""

import asyncio
from contextlib import aclosing

import structlog
from pydantic import ValidationError

from towpath_chassis.errors import NoResponderError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.telemetry import TURN, Tracing
from towpath_entity_store.entities.errors import NoRunnerError, TooLargeError, TurnLostError
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.entities import InvocationDone, TurnProgress, TurnRequested
from towpath_schemas.failure import Failure
from towpath_schemas.telemetry import COMPONENT

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.02
_LOOK_AGAIN_AT_MOST_S = 0.5


class Turns:
    """Asks runners. Nothing is committed by a turn, so one that got lost is simply asked for again."""

    def __init__(self, js: JetStream, tracing: Tracing, settings: Settings, limits: Limits) -> None:
        self._js = js
        self._tracing = tracing
        self._settings = settings
        self._limits = limits
        self._missing_since: dict[str, float] = {}

    async def take(
        self, service: str, turn: TurnRequested, traceparent: str | None
    ) -> tuple[InvocationDone, ...]:
        """Have a runner of `service` execute a turn.

        Raises:
            NoRunnerError: If there is none, and has been none for `runner_patience_s`.
            TooLargeError: If the turn is too large to be sent.
            TurnLostError: If `turn_attempts` runners were lost over it, or it did not end in time.
        """
        body = turn.to_body()
        if len(body) > self._limits.message_bytes:
            raise TooLargeError(f"a turn of {turn.entity_type!r}", len(body), self._limits.message_bytes)
        named = {COMPONENT: turn.entity_type}
        with self._tracing.span(TURN, parent=traceparent, attributes=named) as caused_by:
            headers = {"traceparent": caused_by} if caused_by else None
            for _ in range(self._settings.turn_attempts):
                done = await self._attempted(service, body, headers)
                if done is not None and _are_of(done, turn):
                    return done
                log.warning("a runner was lost over a turn", service=service, entity=turn.entity_type)
        raise TurnLostError(_lost(turn, self._settings.turn_attempts))

    async def _attempted(
        self, service: str, body: bytes, headers: dict[str, str] | None
    ) -> tuple[InvocationDone, ...] | None:
        pause_s = _LOOK_AGAIN_S
        while True:
            try:
                done = await self._outcomes(subjects.entity_turn(service), body, headers)
            except NoResponderError as error:
                if not self._is_patient_with(service):
                    raise NoRunnerError(service) from error
            else:
                self._missing_since.pop(service, None)
                return done
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LOOK_AGAIN_AT_MOST_S)

    def _is_patient_with(self, service: str) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._missing_since.setdefault(service, now) < self._settings.runner_patience_s

    async def _outcomes(
        self, subject: str, body: bytes, headers: dict[str, str] | None
    ) -> tuple[InvocationDone, ...] | None:
        """Listen to one runner; None where it fell silent or spoke nonsense."""
        answers = self._js.converse(subject, body, silence_s=self._settings.turn_silence_s, headers=headers)
        try:
            async with asyncio.timeout(self._settings.turn_deadline_s), aclosing(answers):
                async for answer in answers:
                    progress = TurnProgress.from_body(answer.data)
                    if progress.done is not None:
                        return progress.done
        except ValidationError as error:
            log.warning("a runner's word cannot be read", reason=str(error))
        except TimeoutError as error:
            raise TurnLostError(_overdue(self._settings.turn_deadline_s)) from error
        return None


def _are_of(done: tuple[InvocationDone, ...], turn: TurnRequested) -> bool:
    asked = [invocation.invocation_id for invocation in turn.invocations]
    return [outcome.invocation_id for outcome in done] == asked


def _lost(turn: TurnRequested, attempts: int) -> Failure:
    method = f"{turn.entity_type}.{turn.invocations[0].method}"
    message = f"{attempts} runners were lost while they executed {method}; it changed nothing"
    return Failure(code="unavailable", message=message, retryable=True)


def _overdue(deadline_s: float) -> Failure:
    message = f"the method did not end within {deadline_s:g} s; it changed nothing"
    return Failure(code="timeout", message=message)
