"""State values as one call sees them: what is committed, under what it has changed."""

import copy
from collections.abc import Awaitable, Generator, Mapping
from typing import Any, Protocol

from towpath.entities import read_only_error
from towpath.errors import NotSerialisableError
from towpath.values import to_json_value
from towpath_schemas.entities import Changes

_GONE: Any = object()
"""Stands for a value that is not there."""


class Done(Awaitable[None]):
    """Something that may be awaited and need not be: it is done."""

    def __await__(self) -> Generator[Any, None, None]:
        return iter(())  # type: ignore[return-value]


class Values(Protocol):
    """Values by their names."""

    def get(self, name: str, default: Any, /) -> Any:
        """Read a value; `default` where there is none."""
        ...


class LayeredValues:
    """Values as they were at a moment, in layers: what a later one does not say, an earlier one does.

    Each layer is more than twice as large as the next one, so there are few of them, and what one more change costs
    does not grow with the values.
    """

    __slots__ = ("_below", "_layers")

    def __init__(self, below: Values, layers: tuple[Mapping[str, Any], ...] = ()) -> None:
        self._below = below
        self._layers = layers

    def changed(self, changes: Mapping[str, Any]) -> "LayeredValues":
        """Return it with changes made, which nobody changes any more; the new value of what is deleted is `_GONE`."""
        layers = self._layers
        while layers and len(layers[-1]) <= 2 * len(changes):
            changes = {**layers[-1], **changes}
            layers = layers[:-1]
        return LayeredValues(self._below, (*layers, changes))

    def get(self, name: str, default: Any, /) -> Any:
        """Read a value; see `Values`."""
        for layer in reversed(self._layers):
            if name in layer:
                found = layer[name]
                return default if found is _GONE else found
        return self._below.get(name, default)


class BufferedState:
    """Committed values with changes on top of them, which nobody else sees."""

    def __init__(self, committed: Values) -> None:
        self._committed = committed
        self.values: dict[str, Any] = {}
        self.deleted: set[str] = set()
        self._expires_in_s: float | None = None
        self._taken: set[str] = set()
        self._before = LayeredValues(committed)
        self._since: dict[str, Any] = {}

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
        for name in changes.deleted:
            self._put(name, _GONE)
        for name, value in changes.values.items():
            self._put(name, value)
        if changes.expires_in_s is not None:
            self._expires_in_s = changes.expires_in_s

    @property
    def after(self) -> LayeredValues:
        """All values as they are now with the changes; later ones do not change it."""
        if self._since:
            self._before, self._since = self._before.changed(self._since), {}
        return self._before

    def _put(self, name: str, value: Any) -> None:
        """Change a value, or have it `_GONE`."""
        self._since[name] = value
        if value is _GONE:
            self.values.pop(name, None)
            self.deleted.add(name)
        else:
            self.values[name] = value
            self.deleted.discard(name)

    def get(self, name: str, default: Any) -> Any:
        """Read a value; changing what is returned changes no state.

        Raises:
            NotSerialisableError: If its name is no text.
        """
        name = _plain(name)
        if name in self.values:
            return copy.deepcopy(self.values[name])
        if name in self.deleted:
            return default
        found = self._committed.get(name, _GONE)
        return default if found is _GONE else copy.deepcopy(found)

    def set(self, name: str, value: Any) -> None:
        """Write a value.

        Raises:
            NotSerialisableError: If JSON cannot carry it, or its name is no text.
        """
        for checked, written in to_json_value({_checked(name): value}).items():
            self._put(checked, written)

    def delete(self, name: str) -> None:
        """Remove a value.

        Raises:
            NotSerialisableError: If its name is no text.
        """
        self._put(_checked(name), _GONE)

    def expire_in(self, seconds: float) -> None:
        """Have all values forgotten so long after they are committed; `NEVER` is allowed."""
        self._expires_in_s = seconds


def _checked(name: object) -> str:
    plain = _plain(name)
    to_json_value(plain)
    return plain


def _plain(name: object) -> str:
    """Return a name as JSON has it: a member of an enumeration of texts hashes otherwise than its text."""
    if not isinstance(name, str):
        raise NotSerialisableError(f"the name of a state value is text, not {name!r}")
    return str.__str__(name)


class ReadOnlyState(BufferedState):
    """Committed values that may only be read: what a shared method of an entity sees."""

    def __init__(self, committed: Values, entity_type: str, method: str) -> None:
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
