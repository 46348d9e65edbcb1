"""How often a failing act is tried again, and how long is waited in between."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from towpath.errors import (
    ComponentError,
    ConfigurationError,
    ContextError,
    InvalidInputError,
    NonRetryableError,
    NotSerialisableError,
)
from towpath.groups import is_group, leaves
from towpath.spans import LONGEST_S
from towpath_schemas.failure import Failure
from towpath_schemas.shape import problems

Backoff = Literal["constant", "linear", "exponential"]


class RetryPolicy(BaseModel):
    """Attempts and waits of one component or step; no wait exceeds a century.

    Attributes:
        max_attempts: How often it is tried at the most, the first time included.
        initial_interval_s: Seconds before the second attempt.
        multiplier: By what an exponential wait grows with each attempt.
        max_interval_s: Seconds no wait exceeds, unless the error itself asks for more (`Retry-After`).
        jitter: Share of each wait that is random, 0 to 1.
        non_retryable: Exception classes, or their names, that end it at once; their subclasses do so too.

    Raises:
        ConfigurationError: If a value is out of range or a name unknown; the message names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: Annotated[int, Field(ge=1)] = 3
    backoff: Backoff = "exponential"
    initial_interval_s: Annotated[float, Field(ge=0, le=LONGEST_S)] = 0.5
    multiplier: Annotated[float, Field(ge=1, le=1_000)] = 2.0
    max_interval_s: Annotated[float, Field(ge=0, le=LONGEST_S)] = 30.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    non_retryable: frozenset[str | type[BaseException]] = frozenset()

    if not TYPE_CHECKING:  # who checks types reads the parameters off the fields

        def __init__(self, /, **given: Any) -> None:
            try:
                super().__init__(**given)
            except ValidationError as error:
                names = ", ".join(RetryPolicy.model_fields)
                raise ConfigurationError(
                    f"no RetryPolicy: {problems(error)}; its fields are {names}"
                ) from error

    def allows(self, error: Exception, attempt: int) -> bool:
        """Tell whether `error` in attempt number `attempt`, from 1, is tried again: of a group, whether each leaf would be."""
        return attempt < self.max_attempts and all(self._may_help(one) for one in leaves(error))

    def _may_help(self, error: BaseException) -> bool:
        if isinstance(error, _HOPELESS):
            return False
        if isinstance(error, ComponentError) and not error.failure.retryable:
            return False
        classes = type(error).__mro__
        return self.non_retryable.isdisjoint({*classes, *(one.__name__ for one in classes)})

    def allows_again(self, failure: Failure, attempt: int) -> bool:
        """Tell whether a call that failed as call number `attempt`, from 1, is made again.

        The callee has tried as often as its own policy says, so the failure itself is not retryable any more.
        """
        if failure.code not in _TEMPORARY or attempt >= self.max_attempts:
            return False
        given = {one if isinstance(one, str) else one.__name__ for one in self.non_retryable}
        return (_HOPELESS_NAMES | given).isdisjoint({failure.error_type, *(failure.error_bases or ())})

    def wait_s(self, attempt: int, error: Exception | None = None) -> float:
        """Compute the seconds to wait after attempt number `attempt`, from 1: no less than `error` asks for."""
        return max(self._backoff_s(attempt), retry_after_s(error) or 0.0)

    def _backoff_s(self, attempt: int) -> float:
        factor = {"constant": 1, "linear": attempt, "exponential": self.multiplier ** min(attempt - 1, 30)}[
            self.backoff
        ]
        wait = min(self.max_interval_s, self.initial_interval_s * factor)
        return wait * (1 - self.jitter * random.random())  # noqa: S311 - spreads load, hides nothing


def retry_after_s(error: BaseException | None) -> float | None:
    """Tell how many seconds `error` asks to wait before the next attempt, a century at the most; None where it does not say.

    It may say so in the failure that it carries, in an attribute `retry_after_s` or `retry_after` (seconds), or in
    the header `Retry-After` (or `Retry-After-Ms`) of the `response` that it holds, as the errors of HTTP clients do. A
    group waits for the leaf that asks for most.
    """
    if error is not None and is_group(error):
        return max((s for one in leaves(error) if (s := retry_after_s(one)) is not None), default=None)
    seconds = error.failure.retry_after_s if isinstance(error, ComponentError) else _said_by(error)
    return None if seconds is None else min(seconds, LONGEST_S)


def _said_by(error: BaseException | None) -> float | None:
    try:
        said = (getattr(error, "retry_after_s", None), getattr(error, "retry_after", None), _header(error))
    except Exception:  # noqa: BLE001 - it is user code, and may raise anything
        return None
    return next((seconds for one in said if (seconds := _seconds(one)) is not None), None)


def _header(error: BaseException | None) -> Any:
    find = getattr(getattr(getattr(error, "response", None), "headers", None), "get", None)
    if not callable(find):
        return None
    milliseconds = _seconds(find("Retry-After-Ms"))
    return find("Retry-After") if milliseconds is None else milliseconds / 1_000


def _seconds(said: Any) -> float | None:
    """Read seconds, as a number or text, or an HTTP date; None where it is neither."""
    try:
        seconds = float(said)
    except (TypeError, ValueError):
        return _seconds_until(said)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: Any) -> float | None:
    if not isinstance(date, str):
        return None
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None


_HOPELESS = (NonRetryableError, InvalidInputError, NotSerialisableError, ConfigurationError, ContextError)
_HOPELESS_NAMES = frozenset(one.__name__ for one in _HOPELESS)
_TEMPORARY = frozenset(
    {"user_error", "timeout", "model_error", "model_throttled", "model_timeout", "unavailable"}
)
"""Failures after which a call may be made again."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """How a series of attempts ended: with a value, or with the last error."""

    value: Any
    error: Exception | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that failed, and the seconds until the next one."""

    attempt: int
    error: Exception
    wait_s: float


async def attempted(
    work: Callable[[int], Awaitable[Any]],
    policy: RetryPolicy,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_retry: Callable[[Retry], None] | None = None,
    between: Callable[[Retry], Awaitable[None]] | None = None,
    allows: Callable[[Exception, int], bool] | None = None,
    first: int = 1,
) -> Attempted:
    """Try `work`, which is told the number of the attempt, as often as `policy` allows.

    Args:
        work: What is tried.
        policy: How often, and after which waits.
        sleep: Waits for so many seconds.
        on_retry: Told of each attempt that failed and is followed by another.
        between: Does all there is to do between an attempt that failed and the next, the waiting included.
        allows: Judges whether there is another attempt; `policy.allows` if not given.
        first: The number of the first attempt: those before were made elsewhere.
    """
    attempt, allows = first, allows or policy.allows
    while True:
        try:
            return Attempted(await work(attempt), None, attempt)
        except Exception as error:  # noqa: BLE001 - whatever user code raises is judged by the policy
            if not allows(error, attempt):
                return Attempted(None, error, attempt)
            retry = Retry(attempt, error, policy.wait_s(attempt, error))
            if on_retry is not None:
                on_retry(retry)
            await (sleep(retry.wait_s) if between is None else between(retry))
            attempt += 1


ONCE = RetryPolicy(max_attempts=1)
DEFAULT_RETRY = RetryPolicy()
"""How often something is tried that does not say."""
