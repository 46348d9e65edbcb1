"""How often an agent's model calls are tried."""

from typing import Any

from towpath.agents.defaults import DEFAULT
from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError, ModelThrottledError
from towpath.models.port import DEFAULT_MODEL_RETRY
from towpath.retry import ONCE, RetryPolicy


class ModelRetryStrategy(RetryPolicy):
    """Tries a model again that is asked too often; other failures end the call.

    Args:
        max_attempts: How often it is tried, the first time included.
        initial_delay: Seconds before the second attempt; they double with each further one.
        max_delay: Seconds no wait exceeds, unless the provider asks for more.

    Raises:
        ConfigurationError: If a number is too small.
    """

    @check_arguments
    def __init__(self, *, max_attempts: int = 6, initial_delay: float = 4, max_delay: float = 240) -> None:
        for name, seconds in (("initial_delay", initial_delay), ("max_delay", max_delay)):
            if not seconds >= 0:
                raise ConfigurationError(f"ModelRetryStrategy({name}={seconds!r}): give seconds, 0 or more")
        super().__init__(
            max_attempts=max_attempts,
            initial_interval_s=initial_delay,
            max_interval_s=max_delay,
            jitter=0,
        )

    def allows(self, error: Exception, attempt: int) -> bool:
        """Tell whether `error` is tried again; see `RetryPolicy`."""
        return isinstance(error, ModelThrottledError) and super().allows(error, attempt)


def retry_of(given: Any) -> RetryPolicy:
    """Read the `retry_strategy` of an agent: None is one attempt.

    Raises:
        ConfigurationError: If it is something else.
    """
    if given is DEFAULT:
        return DEFAULT_MODEL_RETRY
    if given is None:
        return ONCE
    if not isinstance(given, RetryPolicy):
        raise ConfigurationError(
            f"retry_strategy is {given!r}; give a ModelRetryStrategy or a RetryPolicy, or None for one attempt"
        )
    return given
