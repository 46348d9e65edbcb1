"""Work that was made and is not to be run: how it is discarded, whatever there is to await."""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from functools import partial
from typing import Any, cast


class Discardable(ABC):
    """Something to await that need not be awaited, and knows the type of what it gives.

    A base class and not a protocol: every step asks whether its work is one, and asking a class is cheap.
    """

    result_type: Any

    @abstractmethod
    def discard(self) -> None:
        """Drop it without starting it."""


def tasks_of(work: Any) -> "list[asyncio.Task[Any]]":
    """List the tasks that are to be awaited: one itself, or those of an `asyncio.gather`."""
    if isinstance(work, asyncio.Task):
        return [cast("asyncio.Task[Any]", work)]
    gathered: list[Any] = (
        getattr(cast("Any", work), "_children", []) if isinstance(work, asyncio.Future) else []
    )
    return [task for one in gathered for task in tasks_of(one)]


def begun_tasks(work: Any) -> "list[asyncio.Task[Any]]":
    """List the tasks that are to be awaited and whose code has begun to run."""
    return [task for task in tasks_of(work) if _has_begun(task)]


def _has_begun(task: "asyncio.Task[Any]") -> bool:
    code = task.get_coro()
    is_under_way = inspect.iscoroutine(code) and inspect.getcoroutinestate(code) != inspect.CORO_CREATED
    return task.done() or is_under_way or getattr(task, "_fut_waiter", None) is not None


def discard_work(work: Any) -> None:
    """Discard work that replay makes unnecessary, so that nobody warns that it was never awaited.

    What a coroutine was given to await is dropped with it; a task that has not begun never begins.
    """
    if isinstance(work, Discardable):
        work.discard()
    elif inspect.iscoroutine(work):
        _close(cast("Coroutine[Any, Any, Any]", work))
    elif isinstance(work, asyncio.Future):
        future = cast("asyncio.Future[Any]", work)
        future.add_done_callback(_forget)
        future.cancel()


def _forget(future: "asyncio.Future[Any]") -> None:
    """Take note of how it ended, so that nobody warns that this was not done: those of a gather end cancelled."""
    if not future.cancelled():
        future.exception()


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    begun = inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED
    given = [] if begun else [*inspect.getcoroutinelocals(coroutine).values()]
    coroutine.close()
    for one in given:
        discard_given(one)


def discard_given(given: Any) -> None:
    """Discard the coroutines among what code was given; a task belongs to whoever has made it."""
    match given:
        case Coroutine():
            discard_work(cast("Coroutine[Any, Any, Any]", given))
        case list() | tuple() | set():
            for one in cast("list[Any]", given):
                discard_given(one)
        case dict():
            for one in cast("dict[Any, Any]", given).values():
                discard_given(one)
        case partial():
            discard_given((cast("partial[Any]", given).args, cast("partial[Any]", given).keywords))
        case _:
            pass
