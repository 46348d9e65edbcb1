"""What becomes of a message once its handler is done: the only place that acknowledges.

A handler says what happened by returning or raising:

* returns               -> acknowledged
* `RetryLater`          -> delivered again after the delay it names, or the usual backoff
* any other exception   -> delivered again, until the attempts are used up; also one that native code makes of a panic
* `Disowned`            -> nothing: the message is another process's concern now
* `GiveUp`, or used up  -> terminated, and kept as a dead letter with the reason; so if what the message names is lost.
                           Whoever waits for an answer is told
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from towpath_chassis.askers import tell_asker
from towpath_chassis.burying import Unhandled, bury, shortened
from towpath_chassis.errors import BrokerError, PayloadLostError, UnsendableError
from towpath_chassis.jetstream import JetStream
from towpath_schemas.failure import Failure
from towpath_schemas.streams import DAY_S, Stream

log = structlog.get_logger(__name__)

_BURIED_AGAIN_AFTER_S = 1.0
_AGAIN_AFTER_S = 0.1
_TRIES = 100
_AGED = 0.9
"""Part of the time that a stream keeps its messages, after which one that still cannot be handled is given up."""


class RetryLater(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by a handler that wants the same message again.

    Attributes:
        after_s: Seconds to wait first; None for the usual backoff.
    """

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class GiveUp(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by a handler that knows no retry can help.

    Attributes:
        failure: The reason as data, where there is one.
        answered: Whether whoever asked has had an answer.
        attempts: How often the handler has tried in this delivery.
    """

    def __init__(self, reason: str | Failure, *, answered: bool = False, attempts: int = 1) -> None:
        super().__init__(reason.message if isinstance(reason, Failure) else reason)
        self.failure = reason if isinstance(reason, Failure) else None
        self.answered = answered
        self.attempts = attempts


class Disowned(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by a handler whose message is another process's concern now: the broker is told nothing.

    An acknowledgement would take the message away from under the process that has it.
    """


class Acknowledged(NamedTuple):
    """The message is done."""


class DeliveredAgain(NamedTuple):
    """The message comes back after `after_s` seconds."""

    after_s: float
    reason: str


class Buried(NamedTuple):
    """The message is given up and kept as a dead letter.

    Attributes:
        answered: Whether whoever asked has had an answer.
        attempts: How often the handler has tried in this delivery.
    """

    reason: str
    answered: bool = False
    attempts: int = 1


class LeftAlone(NamedTuple):
    """The broker is told nothing."""


Verdict = Acknowledged | DeliveredAgain | Buried | LeftAlone


def backoff_s(attempt: int, *, first_s: float = 0.5, longest_s: float = 60.0) -> float:
    """Compute the seconds to wait after attempt number `attempt`, from 1, before jitter.

    >>> [backoff_s(n) for n in (1, 2, 3, 10)]
    [0.5, 1.0, 2.0, 60.0]
    """
    return float(min(longest_s, first_s * 2 ** (attempt - 1)))


def judge(outcome: BaseException | None, attempt: int, max_attempts: int) -> Verdict:  # noqa: PLR0911 - a table
    """Decide what becomes of a message whose handler ended with `outcome` in its attempt, from 1."""
    match outcome:
        case None:
            return Acknowledged()
        case Disowned():
            return LeftAlone()
        case GiveUp(answered=answered, attempts=attempts):
            return Buried(str(outcome), answered, attempts)
        case UnsendableError() | PayloadLostError():
            return Buried(str(outcome))
        case RetryLater(after_s=float() | int() as after_s):
            return DeliveredAgain(float(after_s), str(outcome))
        case RetryLater() | BrokerError():  # the broker's own trouble uses up no attempts
            return DeliveredAgain(_jittered(backoff_s(min(attempt, 5))), str(outcome))
        case _ if attempt >= max_attempts:
            return Buried(f"{type(outcome).__name__}: {outcome}")
        case _:
            return DeliveredAgain(_jittered(backoff_s(attempt)), f"{type(outcome).__name__}: {outcome}")


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, hides nothing


class Delivery:
    """Runs handlers and tells the broker how each ended."""

    def __init__(
        self, js: JetStream, *, stream: Stream, consumer: str, max_attempts: int, whole: bool = True
    ) -> None:
        self._js = js
        self._whole = whole
        self._stream = stream.name
        self._kept_s = stream.max_age_s
        self._consumer = consumer
        self._max_attempts = max_attempts

    async def conclude(
        self,
        message: Msg,
        handle: Callable[[Msg], Awaitable[object]],
        newest: Callable[[], Msg] | None = None,
    ) -> None:
        """Handle one message, then acknowledge, delay or bury it.

        Args:
            message: The message.
            handle: Its handler.
            newest: Tells its newest delivery, where it may be delivered again meanwhile: a broker that was killed may
                not know the earlier one any more.
        """
        attempt = message.metadata.num_delivered
        newest = newest or (lambda: message)
        try:
            await handle(await self._js.whole(message) if self._whole else message)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            await self._settle(newest, DeliveredAgain(0.0, "the process is stopping"), attempt, tries=1)
            raise
        except GeneratorExit:  # the process has stopped: nothing can be told to anybody
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary between handlers and the broker
            _tell(error, message, attempt)
            verdict = judge(error, attempt, self._max_attempts)
            await self._settle(newest, self._in_time(verdict, message), attempt)
        else:
            await self._settle(newest, Acknowledged(), attempt)

    async def _settle(
        self, newest: Callable[[], Msg], verdict: Verdict, attempt: int, *, tries: int = _TRIES
    ) -> None:
        """Tell the broker; where no connection stands, when it does: else it would wait for all of `ack_wait_s`."""
        for _ in range(tries):
            try:
                await self._say(newest(), verdict, attempt)
            except NatsError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return

    async def _say(self, message: Msg, verdict: Verdict, attempt: int) -> None:
        match verdict:
            case Acknowledged():
                await message.ack()
            case DeliveredAgain(after_s=after_s):
                await message.nak(delay=after_s or None)
            case Buried():
                await self._bury(message, verdict, attempt)
            case LeftAlone():
                pass

    async def _bury(self, message: Msg, verdict: Buried, attempt: int) -> None:
        unhandled = self._unhandled(message)
        try:
            attempts = attempt - 1 + verdict.attempts
            letter = await bury(self._js, unhandled, reason=verdict.reason, attempts=attempts)
            if not verdict.answered:
                await tell_asker(self._js, unhandled, reason=verdict.reason, letter=letter)
        except BrokerError as error:  # then it is not let go either
            log.warning("a message could not be buried", subject=message.subject, reason=str(error))
            await message.nak(delay=_BURIED_AGAIN_AFTER_S)
        else:
            await message.term()

    def _unhandled(self, message: Msg) -> Unhandled:
        place = message.metadata
        return Unhandled(
            stream=self._stream,
            consumer=self._consumer,
            subject=message.subject,
            sequence=place.sequence.stream,
            published_at=place.timestamp.timestamp(),
            headers=message.headers,
            body=message.data,
        )

    def _in_time(self, verdict: Verdict, message: Msg) -> Verdict:
        """Have a message given up while it is still there, which the stream would soon forget without a word."""
        age_s = time.time() - message.metadata.timestamp.timestamp()
        if not isinstance(verdict, DeliveredAgain) or not 0 < self._kept_s * _AGED < age_s:
            return verdict
        return Buried(
            f"{verdict.reason}; it has waited {age_s / DAY_S:.1f} days, and is forgotten after {self._kept_s / DAY_S:.0f}"
        )


def _tell(error: BaseException, message: Msg, attempt: int) -> None:
    told = log.bind(subject=message.subject, attempt=attempt, reason=shortened(str(error)))
    if isinstance(error, RetryLater | GiveUp | Disowned | BrokerError):
        told.info("message not handled", outcome=type(error).__name__)
    else:
        told.error("handler failed", exc_info=error)
