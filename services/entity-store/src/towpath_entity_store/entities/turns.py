"""Turns: a runner executes invocations on a state, and says that it lives until it has the outcomes."""

import asyncio

import structlog

from towpath_chassis.errors import NoResponderError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.telemetry import TURN, Tracing
from towpath_entity_store.entities.errors import (
    ElsewhereError,
    NoRunnerError,
    RunnerLostError,
    TooLargeError,
    TurnLostError,
)
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.runners import Outcomes, Runners
from towpath_entity_store.settings import Settings
from towpath_schemas.entities import TurnRequested
from towpath_schemas.failure import Failure
from towpath_schemas.telemetry import COMPONENT

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.02
_LOOK_AGAIN_AT_MOST_S = 0.5

_SHARE_OF_WAITING = 0.9
"""Of a turn's time, how much a method may wait for other entities, so that it can still say what it waited for."""


class Turns:
    """Asks runners. Nothing is committed by a turn, so one that got lost is simply asked for again."""

    def __init__(self, js: JetStream, tracing: Tracing, settings: Settings, limits: Limits) -> None:
        self._runners = Runners(js, settings)
        self._tracing = tracing
        self._settings = settings
        self._limits = limits
        self._missing_since: dict[tuple[str, str], float] = {}

    async def take(self, service: str, turn: TurnRequested) -> Outcomes:
        """Have a runner of `service` execute a turn; it is traced below the first of its callers.

        Raises:
            NoRunnerError: If there is none that has the code, and has been none for `runner_patience_s`.
            TooLargeError: If the turn is too large to be sent.
            TurnLostError: If `turn_attempts` runners were lost over it, or it did not end in time.
        """
        waits_s = _SHARE_OF_WAITING * self._settings.turn_deadline_s
        body = turn.model_copy(update={"waits_s": waits_s}).to_body()
        if len(body) > self._limits.message_bytes:
            raise TooLargeError(f"a turn of {turn.entity_type!r}", len(body), self._limits.message_bytes)
        parent = turn.invocations[0].traceparent
        with self._tracing.span(TURN, parent=parent, attributes={COMPONENT: turn.entity_type}):
            return await self._settled(service, turn, body)

    async def _settled(self, service: str, turn: TurnRequested, body: bytes) -> Outcomes:
        """Ask again while runners are lost: alone, so that no other turn is lost with this one again and again.

        A runner that was lost over several turns counts for none of them, since it may have been another's doing.
        """
        lost, alone = 0, False
        while lost < self._settings.turn_attempts:
            try:
                done = await self._attempted(service, turn.entity_type, body, alone=alone)
            except RunnerLostError as error:
                lost += error.alone
            else:
                if _are_of(done, turn):
                    return done
                lost += 1
            alone = True
            log.warning("a runner was lost over a turn", service=service, entity=turn.entity_type)
        raise TurnLostError(_lost(turn, self._settings.turn_attempts))

    async def _attempted(self, service: str, entity_type: str, body: bytes, *, alone: bool) -> Outcomes:
        """Ask one runner, and while there is none, or it leaves the turn to others, for some time again."""
        pause_s = _LOOK_AGAIN_S
        while True:
            try:
                done = await self._runners.execute(service, body, alone=alone)
            except (NoResponderError, ElsewhereError) as error:
                if not self._is_patient_with(service, entity_type):
                    raise NoRunnerError(service, entity_type) from error
            except TimeoutError as error:
                raise TurnLostError(_overdue(self._settings.turn_deadline_s)) from error
            else:
                self._missing_since.pop((service, entity_type), None)
                return done
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LOOK_AGAIN_AT_MOST_S)

    def _is_patient_with(self, service: str, entity_type: str) -> bool:
        now = asyncio.get_running_loop().time()
        since = self._missing_since.setdefault((service, entity_type), now)
        return now - since < self._settings.runner_patience_s


def _are_of(done: Outcomes, turn: TurnRequested) -> bool:
    asked = [invocation.invocation_id for invocation in turn.invocations]
    return [outcome.invocation_id for outcome in done] == asked


def _lost(turn: TurnRequested, attempts: int) -> Failure:
    method = f"{turn.entity_type}.{turn.invocations[0].method}"
    message = f"{attempts} runners were lost while they executed {method}; it changed nothing"
    return Failure(code="unavailable", message=message, retryable=True)


def _overdue(deadline_s: float) -> Failure:
    message = f"the method did not end within {deadline_s:g} s; it changed nothing"
    return Failure(code="timeout", message=message)
