"""What blocking user code raises arrives where it is awaited, whatever it is."""

import asyncio
import functools
import threading

import pytest

from towpath.engine.containing import contained
from towpath.errors import ComponentError, InvalidInputError, NonRetryableError, NotSerialisableError
from towpath.failures import failure_of
from towpath.threads import in_thread
from towpath_schemas.failure import Failure
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("raised", [ValueError("odd"), TimeoutError(), LookupError("none")])
async def test_an_ordinary_error_arrives_as_it_is(raised: Exception) -> None:
    with pytest.raises(type(raised)) as arrived:
        await in_thread(raise_, raised)

    assert arrived.value is raised


@pytest.mark.parametrize(
    "raised", [StopIteration(1), SystemExit(2), KeyboardInterrupt(), asyncio.CancelledError()]
)
async def test_what_would_end_more_than_the_call_arrives_as_an_error(raised: BaseException) -> None:
    with pytest.raises(NonRetryableError, match=type(raised).__name__) as arrived:
        await asyncio.wait_for(in_thread(raise_, raised), 5)

    assert arrived.value.__cause__ is raised


async def test_anything_that_can_be_called_can_be_run() -> None:
    assert await in_thread(functools.partial(max, 1), 2) == 2


async def test_a_caller_that_is_cancelled_stops_waiting_at_once() -> None:
    release = threading.Event()
    waiting = asyncio.create_task(in_thread(release.wait, 5))
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()


async def test_a_cancellation_that_was_asked_for_is_one() -> None:
    task = asyncio.create_task(contained(asyncio.Event().wait()))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_limit_inside_the_code_stays_its_own() -> None:
    async def limited() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "in time"
        return "never"

    assert await contained(limited()) == "in time"


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (InvalidInputError("x"), "invalid_input", False),
        (NotSerialisableError("x"), "not_serialisable", False),
        (NonRetryableError("x"), "user_error", False),
        (TimeoutError("x"), "timeout", True),
        (KeyError("x"), "user_error", False),
        (ComponentError(Failure(code="model_error", message="x", retryable=True)), "model_error", True),
    ],
)
def test_an_error_becomes_a_failure_of_its_kind(error: Exception, code: str, *, retryable: bool) -> None:
    failure = failure_of(error)

    assert (failure.code, failure.retryable) == (code, retryable)


def test_an_error_that_says_nothing_is_called_by_its_name() -> None:
    assert failure_of(ValueError()).message == "ValueError"


def test_an_error_that_cannot_be_written_down_is_written_as_far_as_it_can() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert failure_of(SilentError()).message == "SilentError"
    assert failure_of(ValueError("th\udce9")).message == "th\\udce9"


def test_a_message_that_no_record_has_room_for_is_cut() -> None:
    failure = failure_of(ValueError("\0" * 5_000_000))

    assert failure.code == "user_error"
    assert failure.message.endswith("... (5,000,000 characters)")
    assert len(failure.to_body()) < MAX_PAYLOAD_BYTES
