"""State values as one call sees them: what is committed, under what it has changed."""

import copy
from collections.abc import Awaitable, Generator, Mapping
from typing import Any

from towpath.entities import read_only_error
from towpath.errors import NotSerialisableError
from towpath.values import to_json_value
from towpath_schemas.entities import Changes


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
        self._expires_in_s: float | None = None
        self._taken: set[str] = set()

    @property
    def changes(self) -> Changes:
        """What was changed."""
        deleted = tuple(sorted(self.deleted))
        return Changes(values=self.values, deleted=deleted, expires_in_s=self._expires_in_s)

    @property
    def has_changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self.values or self.deleted or self._expires_in_s is not None)

    def over(self) -> "BufferedState":
        """Make a state on top of this one, whose changes may be taken over, or forgotten."""
        return BufferedState(self.after)

    def take(self, source: str, changes: Changes) -> None:
        """Take over changes, once from each source."""
        if source in self._taken:
            return
        self._taken.add(source)
        self.values = {name: value for name, value in self.values.items() if name not in changes.deleted}
        self.values.update(changes.values)
        self.deleted = (self.deleted | set(changes.deleted)) - changes.values.keys()
        if changes.expires_in_s is not None:
            self._expires_in_s = changes.expires_in_s

    @property
    def after(self) -> dict[str, Any]:
        """All values as they are with the changes."""
        kept = {name: value for name, value in self._committed.items() if name not in self.deleted}
        return {**kept, **self.values}

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
            NotSerialisableError: If JSON cannot carry it, or its name is no text.
        """
        self.values.update(to_json_value({_checked(name): value}))
        self.deleted.discard(name)

    def delete(self, name: str) -> None:
        """Remove a value.

        Raises:
            NotSerialisableError: If its name is no text.
        """
        self.values.pop(_checked(name), None)
        self.deleted.add(name)

    def expire_in(self, seconds: float) -> None:
        """Have all values forgotten so long after they are committed; `NEVER` is allowed."""
        self._expires_in_s = seconds


def _checked(name: object) -> str:
    if not isinstance(name, str):
        raise NotSerialisableError(f"the name of a state value is text, not {name!r}")
    to_json_value(name)
    return name


class ReadOnlyState(BufferedState):
    """Committed values that may only be read: what a shared method of an entity sees."""

    def __init__(self, committed: Mapping[str, Any], entity_type: str, method: str) -> None:
        super().__init__(committed)
        self._entity_type, self._method = entity_type, method

    def over(self) -> "ReadOnlyState":
        """Return itself: nothing changes it."""
        return self

    def set(self, name: str, value: Any) -> None:
        """Refuse.

        Raises:
            ContextError: Always.
        """
        raise read_only_error(self._entity_type, self._method, name)

    def expire_in(self, seconds: float) -> None:
        """Refuse.

        Raises:
            ContextError: Always.
        """
        raise read_only_error(self._entity_type, self._method, "the whole state")

    def delete(self, name: str) -> None:
        """Refuse.

        Raises:
            ContextError: Always.
        """
        raise read_only_error(self._entity_type, self._method, name)
