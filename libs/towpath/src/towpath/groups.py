"""Reads groups of errors, as `asyncio.TaskGroup` raises them: what counts is what they are made of."""

from collections.abc import Awaitable, Iterator
from typing import Any, TypeVar, cast

from towpath.errors import ContinuedAsNewError

T = TypeVar("T")


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Go through the errors that a group is made of, in the order in which they were raised; an error is its own leaf.

    >>> [
    ...     str(one)
    ...     for one in leaves(ExceptionGroup("g", [ValueError("a"), ExceptionGroup("h", [KeyError("b")])]))
    ... ]
    ['a', "'b'"]
    """
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[Any]", error).exceptions:
            yield from leaves(one)
    else:
        yield error


def is_group(error: BaseException) -> bool:
    """Tell whether an error is a group of others."""
    return isinstance(error, BaseExceptionGroup)


def ended_by(error: BaseException) -> BaseException:
    """Tell what has ended code: of a group that `ctx.continue_as_new` has ended, that; else the error itself."""
    first = next(leaves(error))
    return first if isinstance(first, ContinuedAsNewError) else error


async def ungrouped(code: Awaitable[T]) -> T:
    """Await code; where it was ended by `ctx.continue_as_new` in a group of tasks, end as if there were no group.

    Raises:
        ContinuedAsNewError: If so.
    """
    try:
        return await code
    except BaseExceptionGroup as group:
        if (ending := ended_by(group)) is group:
            raise
        raise ending from group
