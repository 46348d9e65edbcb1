"""How state of one scope is kept by an entity: each value by itself, and a list of their names."""

from collections.abc import Iterable, Mapping
from typing import Any

from towpath.context import Context

NAMES = "names"
_VALUE = "state:"


def place_of(name: str) -> str:
    """Tell under which name the entity keeps the state value `name`."""
    return f"{_VALUE}{name}"


async def change(context: Context, values: Mapping[str, Any], deleted: Iterable[str]) -> None:
    """Set some values and delete others."""
    gone = [*deleted]
    names = {*await context.get(NAMES, []), *values}.difference(gone)
    for name, value in values.items():
        context.set(place_of(name), value)
    for name in gone:
        context.delete(place_of(name))
    context.set(NAMES, sorted(names))


async def kept(context: Context) -> dict[str, Any]:
    """Return all values by their names."""
    return {name: await context.get(place_of(name)) for name in await context.get(NAMES, [])}


async def drop_all(context: Context) -> None:
    """Delete all values."""
    for name in await context.get(NAMES, []):
        context.delete(place_of(name))
    context.delete(NAMES)
