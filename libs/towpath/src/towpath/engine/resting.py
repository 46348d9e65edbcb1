"""Sees whether code of a run does something of its own, or only waits: for its acts, or for other tasks of the run.

Nobody is told when code awaits a thread, a socket or the clock; what it awaits is read off the coroutines of its tasks,
and only where it matters: before a run is dropped from memory, and before its code is said to have diverged. Where it
cannot be known who will wake the code, it counts as doing something: that costs memory, and the other way round a run
would be dropped that nobody wakes.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Collection, Coroutine, Generator, Iterable
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any

AnyTask = asyncio.Task[Any]
Awaited = Iterable["asyncio.Future[Any]"]

_ENGINE = "towpath.engine."
_RUNNING_CODE = frozenset({"towpath.engine.execution", "towpath.engine.containing"})
"""Modules of the engine by which code of a run goes on; what waits in others, the last of all, waits for an act."""
_HANDED_OVER = frozenset({"asyncio.locks", "asyncio.queues"})
"""Modules by which one task waits for another: for a lock, a place, an item."""
_ELSEWHERE = frozenset({"towpath.threads", "towpath.agents.exclusivity"})
"""Modules of Towpath that wait for what no task of the run does."""
_INSTALLED = ("site-packages", "dist-packages")
_CODE: tuple[type[Any], ...] = (Coroutine, Generator, AsyncGenerator)


def restless(main: AnyTask, others: Iterable[AnyTask], of_run: Collection[AnyTask]) -> AnyTask | None:
    """Find a task of a run that waits for more than acts and other tasks of the run; None if all code of it rests.

    Args:
        main: The task that runs the component.
        others: Those that are looked at though nobody may wait for them; the last one first.
        of_run: All tasks of the run beside `main`.
    """
    running, home = asyncio.current_task(), _home(main)
    seen: set[AnyTask] = set()
    left = [main, *others]
    while left:
        task = left.pop()
        if task in seen or task is running or task.done():
            continue
        seen.add(task)
        awaited = _awaited_by(task, home)
        if awaited is None:
            return task
        for one in awaited:
            if not isinstance(one, asyncio.Task) or not (one is main or one in of_run or one.done()):
                return task
            left.append(one)
    return None


def _awaited_by(task: AnyTask, home: str) -> Awaited | None:
    """List the tasks that a task waits for; none where it waits for an act; None where it does something of its own."""
    waiter: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    if waiter is None or waiter.done():
        return None
    frames: list[FrameType] = []
    acting = False
    for code, frame in _suspended(task.get_coro()):
        module = _module(frame)
        if module.startswith(_ENGINE):
            acting = module not in _RUNNING_CODE
        if not acting and _is_timed(code):
            return None
        frames.append(frame)
    if acting:
        return ()
    if isinstance(waiter, asyncio.Task):
        return (waiter,)
    return _awaited_through(waiter, frames, home) if frames else None


def _awaited_through(waiter: "asyncio.Future[Any]", frames: list[FrameType], home: str) -> Awaited | None:
    """Do the same for code that awaits `waiter` in the last of its frames."""
    last = frames[-1]
    module = _module(last)
    gathered: Awaited | None = getattr(waiter, "_children", None)
    if gathered is not None:
        return gathered
    if module == "asyncio.tasks" and last.f_code.co_name == "_wait":
        return last.f_locals["fs"] if last.f_locals["timeout"] is None else None
    is_handed = module in _HANDED_OVER and not _is_library(_caller(frames), home)
    by_towpath = module.startswith("towpath.") and module not in _ELSEWHERE
    return () if is_handed or by_towpath or module == "asyncio.taskgroups" else None


def _suspended(code: Any) -> Generator[tuple[Any, FrameType]]:
    """Walk from the code of a task to what awaits last, through all that it awaits."""
    while code is not None:
        frame = _first(code, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None:
            yield code, frame
        code = _first(code, "cr_await", "ag_await", "gi_yieldfrom") if frame is not None else _wrapped(code)


def _first(of: Any, *names: str) -> Any:
    return next((found for name in names if (found := getattr(of, name, None)) is not None), None)


def _wrapped(awaitable: Any) -> Any:
    """Return the code behind what is put around it, such as the next item of an async generator."""
    return next((one for one in gc.get_referents(awaitable) if isinstance(one, _CODE)), None)


def _is_timed(code: Any) -> bool:
    """Tell whether code is inside an `asyncio.timeout` that is ticking: what is suspended in it holds on to it.

    It may be inside of one through a context manager that is written as a generator.
    """
    for one in gc.get_referents(code):
        manager = getattr(one, "__self__", one)
        if isinstance(manager, asyncio.Timeout) and manager.when() is not None:
            return True
        if isinstance(manager, AbstractAsyncContextManager) and _is_timed_by(manager):
            return True
    return False


def _is_timed_by(manager: Any) -> bool:
    generator = getattr(manager, "gen", None)
    return isinstance(generator, AsyncGenerator) and _is_timed(generator)


def _home(main: AnyTask) -> str:
    """Name the package that the code of the run is of."""
    return next((_package(frame) for _, frame in _suspended(main.get_coro()) if _is_users(frame)), "")


def _is_users(frame: FrameType) -> bool:
    return _package(frame) not in {"asyncio", "towpath"} and not _package(frame).startswith("towpath_")


def _caller(frames: list[FrameType]) -> FrameType:
    return next((one for one in reversed(frames) if _package(one) != "asyncio"), frames[-1])


def _is_library(caller: FrameType, home: str) -> bool:
    """Tell whether what waits in a lock or a queue is a library, which may be woken by a socket."""
    is_installed = any(place in caller.f_code.co_filename for place in _INSTALLED)
    return is_installed and _package(caller) not in {"towpath", home}


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _package(frame: FrameType) -> str:
    return _module(frame).partition(".")[0]
