"""What streams: functions that yield, what they yield, and how their items are taken without blocking the loop."""

import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import aclosing
from typing import Any, cast, get_args, get_origin

from towpath.annotations import result_of
from towpath.threads import yielded_in_thread

_STREAMS = (AsyncGenerator, AsyncIterator, AsyncIterable, Generator, Iterator, Iterable)


def yields(function: Callable[..., Any]) -> bool:
    """Tell whether calling `function` gives a generator, sync or async."""
    return _yields_async(function) or inspect.isgeneratorfunction(_code_of(function))


def result_type(function: Callable[..., Any], hints: dict[str, Any]) -> Any:
    """Tell the type of what a call of `function` results in: of a generator, the list of what it yields."""
    hint = result_of(hints)
    return list[_item_type(hint)] if yields(function) else hint


async def items(
    function: Callable[..., Any], positional: tuple[Any, ...], named: dict[str, Any]
) -> AsyncGenerator[Any]:
    """Call a function that yields, and yield what it yields; a sync one runs in a thread of its own.

    Whoever has enough closes it (`contextlib.aclosing`), and the function's `finally` blocks run.
    """
    if _yields_async(function):
        produced: AsyncGenerator[Any] = function(*positional, **named)
    else:
        produced = yielded_in_thread(function, *positional, **named)
    async with aclosing(produced):
        async for item in produced:
            yield item


def _yields_async(function: Callable[..., Any]) -> bool:
    return inspect.isasyncgenfunction(_code_of(function))


def _code_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Find what runs when `function` is called: of an object, its `__call__`."""
    if inspect.isroutine(function) or isinstance(
        function, functools.partial
    ):  # `inspect` looks through a partial
        return cast("Callable[..., Any]", function)
    return getattr(type(function), "__call__", function)  # noqa: B004 - asks what kind of call it is


def _item_type(hint: Any) -> Any:
    """Tell the type of the items that the annotation of a generator names; Any where it names none."""
    named = get_args(hint)
    return named[0] if named and get_origin(hint) in _STREAMS else Any
