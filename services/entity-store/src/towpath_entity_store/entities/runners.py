"""Asks the runners of services to execute turns: what is asked for at the same time travels together, to one of them."""

import asyncio
from collections.abc import Generator
from contextlib import aclosing
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.errors import ElsewhereError, RunnerLostError
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.entities import InvocationDone, TurnProgress, TurnsRequested
from towpath_schemas.payloads import MAX_MESSAGE_BYTES

log = structlog.get_logger(__name__)

_TOGETHER = 16
"""Turns in one message: a few, so that many waiting turns go to several runners."""

Outcomes = tuple[InvocationDone, ...]


class _Asked(NamedTuple):
    """A turn, written, and the promise of its outcomes."""

    turn: bytes
    outcomes: "asyncio.Future[Outcomes]"


class Runners:
    """Talks with runners; made and used by `Turns`."""

    def __init__(self, js: JetStream, settings: Settings) -> None:
        self._js = js
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, list[_Asked]] = {}
        self._talks: set[asyncio.Task[None]] = set()

    async def execute(self, service: str, turn: bytes, *, alone: bool = False) -> Outcomes:
        """Have a runner of `service` execute a turn, with others that are asked for now, or `alone`.

        Raises:
            NoResponderError: If there is none.
            ElsewhereError: If others are to be asked: it lacks the code.
            RunnerLostError: If it fell silent or spoke nonsense.
            TimeoutError: If the turn did not end within `turn_deadline_s`.
            UnconfirmedError: If the connection is gone.
        """
        asked = _Asked(turn, self._loop.create_future())
        if alone:
            self._begin(service, [asked])
        else:
            waiting = self._waiting.setdefault(service, [])
            if not waiting:
                self._loop.call_soon(self._send, service)
            waiting.append(asked)
        return await asked.outcomes

    def _send(self, service: str) -> None:
        for together in _divided(self._waiting.pop(service)):
            self._begin(service, together)

    def _begin(self, service: str, asked: list[_Asked]) -> None:
        talk = self._loop.create_task(self._talk(service, asked))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, service: str, asked: list[_Asked]) -> None:
        """Ask, and tell each who waits; in the end, why those get nothing who have got nothing."""
        failure: Exception = RunnerLostError(alone=len(asked) == 1)
        try:
            async with asyncio.timeout(self._settings.turn_deadline_s):
                await self._listen(service, asked)
        except ValidationError as error:
            log.warning("a runner's word cannot be read", reason=str(error))
        except (TimeoutError, BrokerError) as error:
            failure = error
        finally:
            for one in asked:
                if not one.outcomes.done():
                    one.outcomes.set_exception(failure)

    async def _listen(self, service: str, asked: list[_Asked]) -> None:
        body = TurnsRequested.joined(one.turn for one in asked)
        silence_s = self._settings.turn_silence_s
        answers = self._js.converse(subjects.entity_turn(service), body, silence_s=silence_s)
        async with aclosing(answers):
            async for answer in answers:
                _take(TurnProgress.from_body(answer.data), asked)
                if all(one.outcomes.done() for one in asked):
                    return


def _take(progress: TurnProgress, asked: list[_Asked]) -> None:
    """Tell those who wait what a runner says of their turns; what it says again, or of no turn, says nothing."""
    waiting = {number: one.outcomes for number, one in enumerate(asked) if not one.outcomes.done()}
    for number, outcomes in progress.done.items():
        if (told := waiting.pop(number, None)) is not None:
            told.set_result(outcomes)
    for number in progress.elsewhere:
        if (told := waiting.pop(number, None)) is not None:
            told.set_exception(ElsewhereError())


def _divided(waiting: list[_Asked]) -> Generator[list[_Asked]]:
    """Divide turns into as few messages as can carry them."""
    together, size = list[_Asked](), 0
    for one in waiting:
        if together and (len(together) == _TOGETHER or size + len(one.turn) > MAX_MESSAGE_BYTES):
            yield together
            together, size = [], 0
        together.append(one)
        size += len(one.turn)
    yield together
