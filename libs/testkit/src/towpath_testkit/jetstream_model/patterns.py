"""Subjects and patterns of subjects: what matches what, and an index of values by subject."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import Any, Generic, TypeVar, cast

V = TypeVar("V")
_ONE, _REST = "*", ">"


@lru_cache(maxsize=50_000)
def tokens(subject: str) -> tuple[str, ...]:
    """Split a subject."""
    return tuple(subject.split("."))


@lru_cache(maxsize=50_000)
def is_literal(subject: str) -> bool:
    """Tell whether a subject has no wildcard."""
    return not any(token in {_ONE, _REST} for token in tokens(subject))


@lru_cache(maxsize=5_000)
def beginning(pattern: str) -> tuple[str, ...]:
    """Tell the tokens before the first wildcard."""
    return tuple(takewhile(lambda token: token not in {_ONE, _REST}, tokens(pattern)))


def is_valid(pattern: str) -> bool:
    """Tell whether a pattern may be subscribed to."""
    parts = tokens(pattern)
    return (
        all(part and not any(char.isspace() for char in part) for part in parts) and _REST not in parts[:-1]
    )


def is_publishable(subject: str) -> bool:
    """Tell whether a message may have this subject."""
    return is_valid(subject) and is_literal(subject)


@lru_cache(maxsize=200_000)
def matches(pattern: str, subject: str) -> bool:
    """Tell whether a literal subject matches a pattern."""
    return covers(pattern, subject)


def covers(wide: str, narrow: str) -> bool:
    """Tell whether every subject that matches `narrow` matches `wide`."""
    if wide in {narrow, _REST}:
        return True
    outer, inner = tokens(wide), tokens(narrow)
    for place, part in enumerate(outer):
        if part == _REST:
            return len(inner) > place
        if place >= len(inner) or inner[place] == _REST or (part not in (_ONE, inner[place])):
            return False
    return len(outer) == len(inner)


@lru_cache(maxsize=50_000)
def collide(one: str, other: str) -> bool:
    """Tell whether some subject matches both patterns."""
    first, second = tokens(one), tokens(other)
    for left, right in zip(first, second, strict=False):
        if _REST in (left, right):
            return True
        if left != right and _ONE not in (left, right):
            return False
    return len(first) == len(second)


class SubjectIndex(Generic[V]):
    """Values by literal subject, found by pattern without a look at the others."""

    def __init__(self) -> None:
        self._values: dict[str, V] = {}
        self._root: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, subject: str) -> V | None:
        """Find the value of one subject."""
        return self._values.get(subject)

    def put(self, subject: str, value: V) -> None:
        """Set the value of a subject."""
        if subject not in self._values:
            node = self._root
            for part in tokens(subject):
                node = node.setdefault(part, {})
            node[""] = subject  # no token is empty
        self._values[subject] = value

    def remove(self, subject: str) -> None:
        """Drop a subject."""
        del self._values[subject]
        way = [self._root]
        for part in tokens(subject):
            way.append(way[-1][part])
        del way[-1][""]
        for place in range(len(way) - 1, 0, -1):
            if not way[place]:
                del way[place - 1][tokens(subject)[place - 1]]

    def matching(self, pattern: str) -> Iterator[V]:
        """Find the values of all subjects that match."""
        if is_literal(pattern):
            value = self._values.get(pattern)
            return iter(() if value is None else (value,))
        return (self._values[subject] for subject in _walk(self._root, tokens(pattern), 0))


def _walk(node: dict[str, Any], pattern: tuple[str, ...], place: int) -> Iterator[str]:
    if place == len(pattern):
        if "" in node:
            yield node[""]
        return
    part = pattern[place]
    if part == _REST:
        yield from _below(node)
    elif part == _ONE:
        for name, child in node.items():
            if name:
                yield from _walk(child, pattern, place + 1)
    elif part in node:
        yield from _walk(node[part], pattern, place + 1)


def _below(node: dict[str, Any]) -> Iterator[str]:
    for name, child in node.items():
        if name:
            if "" in child:
                yield cast("str", child[""])
            yield from _below(child)
