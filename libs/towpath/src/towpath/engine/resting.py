"""Sees whether code of a run does something of its own, or only waits: for its acts, or for other tasks of the run.

Nobody is told when code awaits a thread, a socket or the clock; what it awaits is read off the coroutines of its tasks,
and only where it matters: before a run is dropped from memory, and before its code is said to have diverged. Where it
cannot be known who will wake the code, it counts as doing something: that costs memory, and the other way round a run
would be dropped that nobody wakes.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Generator, Iterable
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any, NamedTuple, cast

from towpath.around import innermost

AnyTask = asyncio.Task[Any]
Awaited = Iterable["asyncio.Future[Any]"]
Clock = asyncio.Timeout | asyncio.TimerHandle
"""What ends a wait at a time: of `asyncio.timeout`, or of `wait` and `wait_for`."""

_ENGINE = "towpath.engine."
_EXECUTION = "towpath.engine.execution"
_RUNNING_CODE = frozenset({_EXECUTION, "towpath.engine.containing"})
"""Modules of the engine by which code of a run goes on; what waits in others, the last of all, waits for an act."""
_HANDED_OVER = frozenset({"asyncio.locks", "asyncio.queues"})
"""Modules by which one task waits for another: for a lock, a place, an item."""
_ELSEWHERE = frozenset({"towpath.threads", "towpath.agents.exclusivity"})
"""Modules of Towpath that wait for what no task of the run does."""
_TIMED: dict[str, Callable[[dict[str, Any]], Awaited]] = {
    "_wait": lambda known: known["fs"],
    "wait_for": lambda known: (known["fut"],),
}
"""Functions of asyncio that wait for no longer than a time, and what they wait for, by their local variables."""
_HANDLE = "timeout_handle"
"""The local variable by which these know their clock."""
_INSTALLED = ("site-packages", "dist-packages")
_CODE: tuple[type[Any], ...] = (Coroutine, Generator, AsyncGenerator)


class _Waiting(NamedTuple):
    """What a task waits for.

    Attributes:
        awaited: The tasks that it waits for; none where it waits for an act; None where it does something of its own.
        clocks: What ends that wait, by its own wish.
        limited: Whether the time of the whole run is limited.
    """

    awaited: Awaited | None
    clocks: tuple[Clock, ...] = ()
    limited: bool = False


def restless(main: AnyTask, others: Iterable[AnyTask], of_run: Collection[AnyTask]) -> AnyTask | None:
    """Find a task of a run that waits for more than acts and other tasks of the run; None if all code of it rests.

    Args:
        main: The task that runs the component.
        others: Those that are looked at though nobody may wait for them; the last one first.
        of_run: All tasks of the run beside `main`.
    """
    for task, waiting in _waiting(main, others, of_run):
        if waiting.awaited is None or waiting.clocks or waiting.limited:
            return task
    return None


def pass_time(main: AnyTask, others: Iterable[AnyTask], of_run: Collection[AnyTask]) -> None:
    """Have the code's next time limit end at once, where all of it rests but for such limits. See `restless`."""
    clocks: list[tuple[float, Clock]] = []
    for _, waiting in _waiting(main, others, of_run):
        if waiting.awaited is None:
            return
        clocks += ((when, clock) for clock in waiting.clocks if (when := clock.when()) is not None)
    if clocks:
        _pass_until(min(when for when, _ in clocks), clocks)


def _pass_until(moment: float, clocks: list[tuple[float, Clock]]) -> None:
    passed = moment - asyncio.get_running_loop().time()
    for when, clock in clocks:
        if isinstance(clock, asyncio.Timeout):
            clock.reschedule(when - passed)
        elif when == moment:
            clock._run()  # noqa: SLF001 - as the loop does; nothing public does it earlier
            clock.cancel()


def _waiting(
    main: AnyTask, others: Iterable[AnyTask], of_run: Collection[AnyTask]
) -> Generator[tuple[AnyTask, _Waiting]]:
    """Tell of each task, and of those that it waits for, what it waits for."""
    running, home = asyncio.current_task(), _home(main)
    seen: set[AnyTask] = set()
    left = [main, *others]
    while left:
        task = left.pop()
        if task in seen or task is running or task.done():
            continue
        seen.add(task)
        waiting = _waiting_for(task, home)
        awaited = tuple(waiting.awaited or ())
        if not all(_is_of_run(one, main, of_run) for one in awaited):
            waiting = _Waiting(None)
        yield task, waiting
        left += (one for one in awaited if isinstance(one, asyncio.Task))


def _is_of_run(one: "asyncio.Future[Any]", main: AnyTask, of_run: Collection[AnyTask]) -> bool:
    return isinstance(one, asyncio.Task) and (one is main or one in of_run or one.done())


def _waiting_for(task: AnyTask, home: str) -> _Waiting:
    waiter: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    if waiter is None or waiter.done():
        return _Waiting(None)
    frames: list[FrameType] = []
    clocks: list[Clock] = []
    acting = limited = False
    for code, frame in _suspended(task.get_coro()):
        module = _module(frame)
        if module.startswith(_ENGINE):
            acting = module not in _RUNNING_CODE
        if not acting:
            clocks += _clocks_in(code, frame)
        if module == _EXECUTION and clocks:
            clocks, limited = [], True
        frames.append(frame)
    return _Waiting(_awaited_in(waiter, frames, home, acting=acting), tuple(clocks), limited)


def _awaited_in(
    waiter: "asyncio.Future[Any]", frames: list[FrameType], home: str, *, acting: bool
) -> Awaited | None:
    if acting:
        return ()
    if isinstance(waiter, asyncio.Task):
        return (waiter,)
    return _awaited_through(waiter, frames, home) if frames else None


def _awaited_through(waiter: "asyncio.Future[Any]", frames: list[FrameType], home: str) -> Awaited | None:
    """List what code waits for that awaits `waiter` in the last of its frames; None if that cannot be known."""
    last = frames[-1]
    module = _module(last)
    gathered: Awaited | None = getattr(waiter, "_children", None)
    if gathered is not None:
        return gathered
    if module == "asyncio.tasks" and last.f_code.co_name in _TIMED:
        return _TIMED[last.f_code.co_name](last.f_locals)
    is_handed = module in _HANDED_OVER and not _is_library(_caller(frames), home)
    by_towpath = module.startswith("towpath.") and module not in _ELSEWHERE
    return () if is_handed or by_towpath or module == "asyncio.taskgroups" else None


def _suspended(code: Any) -> Generator[tuple[Any, FrameType]]:
    """Walk from the code of a task to what awaits last, through all that it awaits."""
    while code is not None:
        code = innermost(code)
        frame = _first(code, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None:
            yield code, frame
        code = _first(code, "cr_await", "ag_await", "gi_yieldfrom") if frame is not None else _wrapped(code)


def _first(of: Any, *names: str) -> Any:
    return next((found for name in names if (found := getattr(of, name, None)) is not None), None)


def _wrapped(awaitable: Any) -> Any:
    """Return the code behind what is put around it, such as the next item of an async generator."""
    return next((one for one in gc.get_referents(awaitable) if isinstance(one, _CODE)), None)


def _clocks_in(code: Any, frame: FrameType) -> Generator[Clock]:
    """List the clocks that tick for code that is suspended here."""
    if _module(frame) == "asyncio.tasks" and frame.f_code.co_name in _TIMED:
        handle = frame.f_locals.get(_HANDLE)
        if isinstance(handle, asyncio.TimerHandle) and not handle.cancelled():
            yield handle
    yield from _timeouts_around(code)


def _timeouts_around(code: Any) -> Generator[asyncio.Timeout]:
    """List each `asyncio.timeout` around code that is ticking: what is suspended in it holds on to it.

    It may be inside of one through a context manager that is written as a generator.
    """
    for one in gc.get_referents(code):
        manager = getattr(one, "__self__", one)
        if isinstance(manager, asyncio.Timeout) and manager.when() is not None:
            yield manager
        elif isinstance(manager, AbstractAsyncContextManager):
            generator = getattr(cast("Any", manager), "gen", None)
            if isinstance(generator, AsyncGenerator):
                yield from _timeouts_around(generator)


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
