"""Whether what is said about a memory meets the filter of a question."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from towpath_schemas.memory import Condition, Within


def meets(metadata: Mapping[str, Any], conditions: Mapping[str, Condition]) -> bool:
    """Tell whether metadata meets all conditions; a list has what any of its members has.

    >>> meets(
    ...     {"type": "tool", "tags": ["a", "b"], "by": {"name": "ada"}},
    ...     {"tags": "b", "by.name": ("ada", "bob")},
    ... )
    True
    """
    return all(
        any(_is(value, condition) for value in _at(metadata, path.split(".")))
        for path, condition in conditions.items()
    )


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """List what there is at a path."""
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _at(one, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(cast("Mapping[str, Any]", value)[path[0]], path[1:])


def _is(value: Any, condition: Condition) -> bool:
    match condition:
        case Within():
            return _is_within(value, condition)
        case tuple():
            return any(_is(value, one) for one in condition)
        case _:
            return isinstance(value, bool) == isinstance(condition, bool) and value == condition


def _is_within(value: Any, condition: Within) -> bool:
    bounds = (condition.gte, condition.lte, condition.gt, condition.lt)
    timely = any(isinstance(bound, datetime) for bound in bounds)
    found = _time(value) if timely else _number(value)
    if found is None:
        return False
    least, most, above, below = bounds
    return (
        (least is None or found >= least)
        and (most is None or found <= most)
        and (above is None or found > above)
        and (below is None or found < below)
    )


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _time(value: Any) -> Any:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
