"""How often a failing act is tried again, and how long is waited in between."""

import math
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st

from towpath.definitions import retry_policy
from towpath.errors import (
    ComponentError,
    ConfigurationError,
    InvalidInputError,
    NonRetryableError,
    RegistrationError,
)
from towpath.retry import Backoff, Retry, RetryPolicy, attempted, retry_after_s
from towpath.retry_spellings import policy_of
from towpath.spans import LONGEST_S
from towpath_schemas.failure import Failure

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    backoff=st.sampled_from(["constant", "linear", "exponential"]),
    initial_interval_s=st.floats(0, 1e6),
    multiplier=st.floats(1, 1_000),
    max_interval_s=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
)


class BusyError(Exception):
    """An error that says when to come back, as those of many clients do."""

    def __init__(self, **said: Any) -> None:
        super().__init__("busy")
        self.__dict__.update(said)


def answered(status: int, headers: Mapping[str, str]) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://shop.example")
    return httpx.HTTPStatusError(
        "busy", request=request, response=httpx.Response(status, headers=headers, request=request)
    )


# --- Waits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 2, 3, 4, 5]),
        ("exponential", [1, 2, 4, 8, 10]),
    ],
)
def test_waits_grow_as_the_kind_of_backoff_says_up_to_the_longest(
    backoff: Backoff, waits: list[float]
) -> None:
    policy = RetryPolicy(backoff=backoff, initial_interval_s=1, max_interval_s=10, jitter=0)

    assert [policy.wait_s(attempt) for attempt in range(1, 6)] == waits


@given(POLICIES, st.integers(1, 10_000))
def test_jitter_takes_no_more_than_its_share_of_a_wait(policy: RetryPolicy, attempt: int) -> None:
    whole = policy.model_copy(update={"jitter": 0}).wait_s(attempt)

    wait_s = policy.wait_s(attempt)

    assert whole * (1 - policy.jitter) - 1e-6 <= wait_s <= whole <= policy.max_interval_s


def test_jitter_spreads_waits() -> None:
    policy = RetryPolicy(initial_interval_s=1, jitter=0.5)

    assert len({policy.wait_s(1) for _ in range(20)}) > 1


@given(POLICIES, st.integers(1, 100), st.floats(0, 1e6))
def test_what_an_error_asks_for_is_the_least_that_is_waited(
    policy: RetryPolicy, attempt: int, asked_s: float
) -> None:
    assert policy.wait_s(attempt, BusyError(retry_after=asked_s)) >= asked_s


# --- Retry-After ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (BusyError(retry_after=7), 7),
        (BusyError(retry_after_s=0.5), 0.5),
        (BusyError(retry_after="12"), 12),
        (BusyError(retry_after=-3), 0),
        (BusyError(retry_after=1e30), LONGEST_S),
        (answered(429, {"Retry-After": "9" * 30}), LONGEST_S),
        (answered(429, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}), LONGEST_S),
        (
            ComponentError(Failure(code="unavailable", message="busy", retryable=True, retry_after_s=1e30)),
            LONGEST_S,
        ),
        (answered(429, {"Retry-After": "30"}), 30),
        (answered(503, {"retry-after": "1.5"}), 1.5),
        (ComponentError(Failure(code="unavailable", message="busy", retryable=True, retry_after_s=4)), 4),
        (answered(503, {}), None),
        (BusyError(), None),
        (BusyError(retry_after="soon"), None),
        (BusyError(retry_after=float("nan")), None),
        (BusyError(retry_after=float("inf")), None),
        (BusyError(response=None), None),
        (BusyError(response="none"), None),
        (None, None),
    ],
)
def test_an_error_says_when_to_come_back_in_the_ways_that_errors_do(
    error: Exception | None, seconds: float | None
) -> None:
    assert retry_after_s(error) == seconds


def test_a_date_to_come_back_at_is_read_too() -> None:
    date = formatdate(time.time() + 60, usegmt=True)

    seconds = retry_after_s(answered(503, {"Retry-After": date}))

    assert seconds is not None
    assert 50 < seconds <= 60


def test_an_error_that_cannot_be_asked_says_nothing() -> None:
    class EvilError(Exception):
        @property
        def response(self) -> None:
            raise RuntimeError("no response was read")

    assert retry_after_s(EvilError()) is None


# --- Whether it is tried again ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ValueError("x"), True),
        (KeyError("x"), False),
        (LookupError("x"), False),
        (PermissionError("x"), False),
        (OSError("x"), True),
        (NonRetryableError("x"), False),
        (InvalidInputError("x"), False),
        (ComponentError(Failure(code="timeout", message="x", retryable=True)), True),
        (ComponentError(Failure(code="user_error", message="x")), False),
    ],
    ids=repr,
)
def test_errors_that_are_named_as_hopeless_are_not_tried_again(error: Exception, *, again: bool) -> None:
    policy = RetryPolicy(non_retryable=frozenset({LookupError, "PermissionError"}))

    assert policy.allows(error, 1) is again


def test_classes_may_be_named_in_a_list() -> None:
    policy = retry_policy({"max_attempts": 2, "non_retryable": [KeyError, "OSError"]}, None)

    assert policy.non_retryable == {KeyError, "OSError"}


async def test_each_further_attempt_is_told_with_its_reason_and_wait() -> None:
    told: list[Retry] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def work(attempt: int) -> None:
        raise BusyError(retry_after=attempt * 10)

    ended = await attempted(work, RetryPolicy(max_attempts=3), sleep=sleep, on_retry=told.append)

    assert (ended.attempts, slept) == (3, [10, 20])
    assert [(one.attempt, one.wait_s, str(one.error)) for one in told] == [(1, 10, "busy"), (2, 20, "busy")]


async def test_attempts_that_were_made_elsewhere_count() -> None:
    made: list[int] = []
    followed: list[int] = []

    async def work(attempt: int) -> None:
        made.append(attempt)
        raise ConnectionError

    async def between(retry: Retry) -> None:
        followed.append(retry.attempt)

    ended = await attempted(work, RetryPolicy(max_attempts=4), first=3, between=between)

    assert (made, followed, ended.attempts) == ([3, 4], [3], 4)


# --- What cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retries", "backoff", "said"),
    [
        ({"attempts": 3}, None, "attempts: Extra inputs.*max_attempts, backoff"),
        ({"max_attempts": 0}, None, "max_attempts: Input should be greater than or equal to 1"),
        ({"initial_interval_ms": "long"}, None, "initial_interval_s: Input should be a valid number"),
        ({"initial_interval_ms": 10**400}, None, "initial_interval_s: Input should be less than or equal"),
        (-5, None, "retries=-5: give how often it is tried at the most, 1 or more"),
        ("three", None, "retries='three': give a number, a RetryPolicy"),
        (None, "soon", "backoff: Input should be 'constant', 'linear' or 'exponential'"),
        (None, 3, "backoff=3: give constant, linear or exponential"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_the_remedy(retries: Any, backoff: Any, said: str) -> None:
    with pytest.raises(RegistrationError, match=said):
        retry_policy(retries, backoff)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_attempts": 0}, "max_attempts: Input should be greater than or equal to 1"),
        ({"attempts": 2}, "attempts: Extra inputs are not permitted; its fields are max_attempts, backoff"),
        ({"initial_interval_s": math.inf}, "initial_interval_s: Input should be less than or equal to"),
        ({"initial_interval_s": math.nan}, "initial_interval_s: Input should be"),
        ({"max_interval_s": 1e30}, "max_interval_s: Input should be less than or equal to"),
    ],
)
def test_a_policy_refuses_what_it_cannot_be_as_other_constructors_do(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RetryPolicy(**given)


@pytest.mark.parametrize(
    ("retries", "policy"),
    [
        (4, RetryPolicy(max_attempts=4)),
        (0, RetryPolicy(max_attempts=1)),
        (
            {"max_attempts": 2, "initial_interval_ms": 5},
            RetryPolicy(max_attempts=2, initial_interval_s=0.005),
        ),
        ({"initial_interval_ms": "5"}, RetryPolicy(initial_interval_s=0.005)),
        (RetryPolicy(max_attempts=7), RetryPolicy(max_attempts=7)),
        (None, RetryPolicy(max_attempts=9)),
    ],
)
def test_one_act_spells_its_retries_as_a_function_does(retries: Any, policy: RetryPolicy) -> None:
    assert policy_of(retries, otherwise=RetryPolicy(max_attempts=9)) == policy


@pytest.mark.parametrize("retries", ["three", True, 2.5, [1]])
def test_one_act_refuses_what_says_no_number_of_attempts(retries: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^retry=.+: give a number, a RetryPolicy, or a mapping"):
        policy_of(retries, name="retry")


def test_one_act_is_not_tried_less_than_once() -> None:
    with pytest.raises(ConfigurationError, match=r"^retry=-1: give how often it is tried at the most"):
        policy_of(-1, name="retry")
