"""The spellings of a retry policy: a number, a mapping of its fields, or a policy."""

import math
from collections.abc import Mapping
from typing import Any, cast

from towpath.errors import ConfigurationError
from towpath.retry import DEFAULT_RETRY, RetryPolicy

Retries = int | Mapping[str, Any] | RetryPolicy
"""How often something is tried at the most (0 is the same as 1), a mapping of a policy's fields, or a policy.

The intervals of a mapping may be given in milliseconds (`initial_interval_ms`, `max_interval_ms`).
"""


def policy_of(
    retries: Retries | None,
    backoff: str | Mapping[str, Any] | None = None,
    *,
    name: str = "retries",
    otherwise: RetryPolicy = DEFAULT_RETRY,
) -> RetryPolicy:
    """Read the spellings of a retry policy.

    Args:
        retries: How often it is tried.
        backoff: How the waits grow, or a mapping of `type` and `multiplier`.
        name: What the program calls `retries`.
        otherwise: The policy where neither is given.

    Raises:
        ConfigurationError: If a value is out of range or a name unknown; the message names it.
    """
    if backoff is None and (retries is None or isinstance(retries, RetryPolicy)):
        return otherwise if retries is None else retries
    return RetryPolicy(**(_attempts(name, retries) | _backoff(backoff)))


def _attempts(name: str, retries: Any) -> dict[str, Any]:
    match retries:
        case None:
            return {}
        case RetryPolicy():
            return retries.model_dump()
        case int() if not isinstance(retries, bool):
            if retries < 0:
                raise ConfigurationError(
                    f"{name}={retries}: give how often it is tried at the most, 1 or more; 0 is the same as 1"
                )
            return {"max_attempts": max(1, retries)}
        case Mapping():
            return _in_seconds(cast("Mapping[Any, Any]", retries))
        case _:
            raise ConfigurationError(
                f"{name}={retries!r}: give a number, a RetryPolicy, or a mapping of its fields"
            )


def _backoff(backoff: Any) -> dict[str, Any]:
    match backoff:
        case None:
            return {}
        case str():
            return {"backoff": backoff}
        case Mapping():
            said = cast("Mapping[Any, Any]", backoff)
            return _in_seconds({{"type": "backoff"}.get(name, name): value for name, value in said.items()})
        case _:
            raise ConfigurationError(
                f"backoff={backoff!r}: give constant, linear or exponential, or a mapping of type and multiplier"
            )


def _in_seconds(said: Mapping[Any, Any]) -> dict[str, Any]:
    """Write the fields that are given in milliseconds as those in seconds."""
    return dict(_second(str(name), value) for name, value in said.items())


def _second(name: str, value: Any) -> tuple[str, Any]:
    if not name.endswith("_ms"):
        return name, value
    return f"{name[:-3]}_s", _thousandth(value)


def _thousandth(value: Any) -> Any:
    """Divide a number, or text that is one; the policy refuses what is none, or too much."""
    try:
        return float(value) / 1_000
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return value
