"""`agent.state`: values that belong to an agent's conversation and that no model is told."""

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from towpath.errors import InvalidInputError


class AgentState:
    """Values by name, each of which JSON can carry.

    What is put in and what is taken out are copies, so no value changes behind the state's back.

    Args:
        initial: Values to begin with.

    Raises:
        InvalidInputError: If a name is no text or empty, or JSON cannot carry a value (also a ValueError).
    """

    def __init__(self, initial: Mapping[str, Any] | None = None) -> None:
        self._values = _checked(initial or {})

    def __repr__(self) -> str:
        return f"AgentState({self._values!r})"

    def get(self, key: str | None = None) -> Any:
        """Return a value; None where there is none. Without a key, all of them by name."""
        if key is None:
            return deepcopy(self._values)
        return deepcopy(self._values.get(_checked_key(key)))

    def set(self, key: str, value: Any) -> None:
        """Put in a value, in the place of an earlier one.

        Raises:
            InvalidInputError: If the key is no text or empty, or JSON cannot carry the value.
        """
        self._values[_checked_key(key)] = _checked_value(key, value)

    def delete(self, key: str) -> None:
        """Take a value out, if it is there."""
        self._values.pop(_checked_key(key), None)

    def replace(self, values: Mapping[str, Any]) -> None:
        """Have these values and no others: for who restores a conversation.

        Raises:
            InvalidInputError: As `set` does; then nothing has changed.
        """
        self._values = _checked(values)


def state_of(given: AgentState | Mapping[str, Any] | None) -> AgentState:
    """Read the `state` parameter of an agent; an `AgentState` is used as it is.

    Raises:
        InvalidInputError: If a name or a value cannot be.
    """
    return given if isinstance(given, AgentState) else AgentState(given)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_checked_key(key): _checked_value(key, value) for key, value in values.items()}


def _checked_key(key: Any) -> str:
    if not isinstance(key, str) or not key.strip():
        raise InvalidInputError(f"agent.state: a key is text that is not empty, not {key!r}")
    return key


def _checked_value(key: str, value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"agent.state: JSON cannot carry the value of {key!r} ({type(value).__name__}): {error}"
        ) from error
    return deepcopy(value)
