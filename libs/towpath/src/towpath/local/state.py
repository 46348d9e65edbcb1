"""State values as one call sees them: what is committed, under what it has changed."""

import copy
from collections.abc import Awaitable, Generator, Mapping
from typing import Any

from towpath.entities import read_only_error
from towpath.values import to_json_value


class Done(Awaitable[None]):
    """Something that may be awaited and need not be: it is done."""

    def __await__(self) -> Generator[Any, None, None]:
        return iter(())  # type: ignore[return-value]


class BufferedState:
    """Committed values with changes on top of them, which nobody else sees."""

    def __init__(self, committed: Mapping[str, Any]) -> None:
        self._committed = committed
        self.values: dict[str, Any] = {}
        self.deleted: set[str] = set()

    def get(self, name: str, default: Any) -> Any:
        """Read a value; changing what is returned changes no state."""
        if name in self.values:
            return copy.deepcopy(self.values[name])
        if name in self.deleted or name not in self._committed:
            return default
        return copy.deepcopy(self._committed[name])

    def set(self, name: str, value: Any) -> None:
        """Write a value.

        Raises:
            NotSerialisableError: If JSON cannot carry it.
        """
        self.values[name] = to_json_value(value)
        self.deleted.discard(name)

    def delete(self, name: str) -> None:
        """Remove a value."""
        self.values.pop(name, None)
        self.deleted.add(name)


class ReadOnlyState(BufferedState):
    """Committed values that may only be read: what a shared method of an entity sees."""

    def __init__(self, committed: Mapping[str, Any], entity_type: str, method: str) -> None:
        super().__init__(committed)
        self._entity_type, self._method = entity_type, method

    def set(self, name: str, value: Any) -> None:
        """Refuse.

        Raises:
            ContextError: Always.
        """
        raise read_only_error(self._entity_type, self._method, name)

    def delete(self, name: str) -> None:
        """Refuse.

        Raises:
            ContextError: Always.
        """
        raise read_only_error(self._entity_type, self._method, name)
