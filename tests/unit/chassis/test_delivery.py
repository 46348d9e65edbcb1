"""What becomes of a message, for every way in which its handler may end."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest
from hypothesis import given, strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError

from towpath_chassis import delivery
from towpath_chassis.delivery import (
    Acknowledged,
    Buried,
    DeliveredAgain,
    Delivery,
    Disowned,
    GiveUp,
    LeftAlone,
    RetryLater,
    backoff_s,
    judge,
)
from towpath_chassis.errors import (
    AlreadyWrittenError,
    BrokerError,
    BrokerRefusedError,
    FencedError,
    NoResponderError,
    NotStoredError,
    UnconfirmedError,
    UnsendableError,
)
from towpath_chassis.jetstream import JetStream
from towpath_schemas.failure import Failure
from towpath_schemas.streams import TOOLS

FOREVER = 1_000
BROKER_ERRORS = [
    AlreadyWrittenError(),
    BrokerError(),
    BrokerRefusedError(10058, "in use"),
    FencedError(),
    NoResponderError(),
    NotStoredError(),
    UnconfirmedError(),
]


def test_a_handler_that_returns_has_handled_its_message() -> None:
    assert judge(None, 1, 1) == Acknowledged()


def test_a_message_of_another_process_is_left_alone_however_often_it_came() -> None:
    assert judge(Disowned("elsewhere"), FOREVER, 1) == LeftAlone()


@pytest.mark.parametrize("attempt", [1, FOREVER])
def test_a_hopeless_message_is_buried_at_once_with_the_reason(attempt: int) -> None:
    failure = Failure(code="malformed", message="the body is not JSON")

    assert judge(GiveUp("no such run"), attempt, 5) == Buried("no such run")
    assert judge(GiveUp(failure), attempt, 5) == Buried("the body is not JSON")
    assert judge(GiveUp(failure, answered=True), attempt, 5) == Buried("the body is not JSON", answered=True)


def test_a_message_that_leads_to_one_the_broker_will_never_take_is_buried_at_once() -> None:
    assert judge(UnsendableError("too large"), 1, 5) == Buried("too large")


@pytest.mark.parametrize("after_s", [0.0, 0, 2, 2.5])
def test_a_handler_says_when_it_wants_the_message_again(after_s: float) -> None:
    assert judge(RetryLater("busy", after_s=after_s), FOREVER, 1) == DeliveredAgain(after_s, "busy")


@pytest.mark.parametrize("trouble", [RetryLater("busy"), *BROKER_ERRORS], ids=lambda one: type(one).__name__)
def test_trouble_that_is_not_the_messages_own_uses_up_no_attempts(trouble: Exception) -> None:
    verdict = judge(trouble, FOREVER, 1)

    assert isinstance(verdict, DeliveredAgain)
    assert 0 < verdict.after_s <= 10


@given(st.integers(1, 4))
def test_any_other_error_is_tried_again_with_growing_waits(attempt: int) -> None:
    verdict = judge(ValueError("odd"), attempt, 5)

    assert isinstance(verdict, DeliveredAgain)
    assert verdict.reason == "ValueError: odd"
    assert 0.8 * backoff_s(attempt) <= verdict.after_s <= 1.2 * backoff_s(attempt)


@pytest.mark.parametrize("attempt", [5, 6])
def test_the_last_attempt_buries_the_message_with_what_it_raised(attempt: int) -> None:
    assert judge(ValueError("odd"), attempt, 5) == Buried("ValueError: odd")


@given(st.integers(1, 1_000))
def test_no_wait_shrinks_and_none_is_longer_than_the_longest(attempt: int) -> None:
    assert 0 < backoff_s(attempt) <= backoff_s(attempt + 1) <= 60


class Unheard(Msg):
    """A message whose acknowledgement finds no connection, a few times."""

    times = 0
    said: ClassVar[list[str]] = []

    async def ack(self) -> None:
        if self.times > 0:
            self.times -= 1
            raise ConnectionClosedError
        self.said.append("ack")

    async def nak(self, delay: float | None = None) -> None:
        self.said.append("nak")


def raised(error: BaseException) -> tuple[Delivery, Unheard, Callable[[Msg], Awaitable[None]]]:
    async def handle(_message: Msg) -> None:
        raise error

    unconnected = Client()
    message = Unheard(unconnected, reply="$JS.ACK.TOOLS.tools-hello.1.1.1.1700000000000000000.0")
    made = Delivery(JetStream(unconnected), stream=TOOLS, consumer="tools-hello", max_attempts=3)
    return made, message, handle


class Panic(BaseException):
    """What native code makes of a panic."""


async def test_a_handler_that_panics_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Unheard, "said", [])
    concluding, message, handle = raised(Panic("index out of bounds"))

    await concluding.conclude(message, handle)

    assert message.said == ["nak"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_a_message_comes_again_where_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(Unheard, "said", [])
    concluding, message, handle = raised(error)

    with pytest.raises(type(error)):
        await concluding.conclude(message, handle)

    assert message.said == ["nak"]


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_what_was_done_while_no_connection_stood_is_acknowledged_once_it_does(
    monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(delivery, "_AGAIN_AFTER_S", 0.0)
    monkeypatch.setattr(Unheard, "said", [])
    unconnected = Client()
    message = Unheard(unconnected, reply="$JS.ACK.TOOLS.tools-hello.1.1.1.1700000000000000000.0")
    message.times = times

    async def handle(_message: Msg) -> None:
        pass

    concluding = Delivery(JetStream(unconnected), stream=TOOLS, consumer="tools-hello", max_attempts=3)
    await concluding.conclude(message, handle)

    assert message.said == ["ack"]
