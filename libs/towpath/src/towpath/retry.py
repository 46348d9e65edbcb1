"""How often a failing act is tried again, and how long is waited in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from towpath.errors import (
    ComponentError,
    ConfigurationError,
    ContextError,
    InvalidInputError,
    NonRetryableError,
    NotSerialisableError,
)

Backoff = Literal["constant", "linear", "exponential"]


class RetryPolicy(BaseModel):
    """Attempts and waits of one component or step.

    Attributes:
        max_attempts: How often it is tried at the most, the first time included.
        initial_interval_s: Seconds before the second attempt.
        multiplier: By what an exponential wait grows with each attempt.
        max_interval_s: Seconds no wait exceeds.
        jitter: Share of each wait that is random, 0 to 1.
        non_retryable: Names of exception classes that end it at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: Annotated[int, Field(ge=1)] = 3
    backoff: Backoff = "exponential"
    initial_interval_s: Annotated[float, Field(ge=0)] = 0.5
    multiplier: Annotated[float, Field(ge=1)] = 2.0
    max_interval_s: Annotated[float, Field(ge=0)] = 30.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    non_retryable: frozenset[str] = frozenset()

    def allows(self, error: Exception, attempt: int) -> bool:
        """Tell whether `error` in attempt number `attempt`, from 1, is tried again."""
        if isinstance(error, _HOPELESS) or attempt >= self.max_attempts:
            return False
        if isinstance(error, ComponentError) and not error.failure.retryable:
            return False
        return self.non_retryable.isdisjoint(base.__name__ for base in type(error).__mro__)

    def wait_s(self, attempt: int, error: Exception | None = None) -> float:
        """Compute the seconds to wait after attempt number `attempt`, from 1; the other side's word goes first."""
        if isinstance(error, ComponentError) and error.failure.retry_after_s is not None:
            return error.failure.retry_after_s
        factor = {"constant": 1, "linear": attempt, "exponential": self.multiplier ** min(attempt - 1, 30)}[
            self.backoff
        ]
        wait = min(self.max_interval_s, self.initial_interval_s * factor)
        return wait * (1 - self.jitter * random.random())  # noqa: S311 - spreads load, hides nothing


_HOPELESS = (NonRetryableError, InvalidInputError, NotSerialisableError, ConfigurationError, ContextError)


@dataclass(frozen=True, slots=True)
class Attempted:
    """How a series of attempts ended: with a value, or with the last error."""

    value: Any
    error: Exception | None
    attempts: int


async def attempted(
    work: Callable[[int], Awaitable[Any]],
    policy: RetryPolicy,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Attempted:
    """Try `work`, which is told the number of the attempt, as often as `policy` allows."""
    attempt = 1
    while True:
        try:
            return Attempted(await work(attempt), None, attempt)
        except Exception as error:  # noqa: BLE001 - whatever user code raises is judged by the policy
            if not policy.allows(error, attempt):
                return Attempted(None, error, attempt)
            await sleep(policy.wait_s(attempt, error))
            attempt += 1


ONCE = RetryPolicy(max_attempts=1)
