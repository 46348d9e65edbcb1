"""Runs blocking user code in a thread of its own, so that no hanging call can starve another or hold up the exit."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from towpath.failures import escaped

P = ParamSpec("P")
T = TypeVar("T")

_END: Final = object()

_awaited: "WeakKeyDictionary[asyncio.AbstractEventLoop, int]" = WeakKeyDictionary()


def threads_awaited(loop: asyncio.AbstractEventLoop) -> int:
    """Tell how many threads code of this loop waits for: until they are done, the loop is idle without being at rest."""
    return _awaited.get(loop, 0)


@contextmanager
def _awaiting(loop: asyncio.AbstractEventLoop, threads: int) -> Generator[None]:
    _awaited[loop] = threads_awaited(loop) + threads
    try:
        yield
    finally:
        _awaited[loop] -= threads


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a daemon thread that sees the caller's context variables; await its result.

    A cancelled caller stops waiting; the thread itself runs to its end.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def work() -> None:
        try:
            value, error = context.run(function, *args, **kwargs), None
        except BaseException as raised:  # noqa: BLE001 - it is the caller's, in the other thread
            value, error = None, _bearable(raised)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    name = getattr(function, "__name__", type(function).__name__)
    threading.Thread(target=work, name=f"towpath-{name}", daemon=True).start()
    with _awaiting(loop, 1):
        return await future


def in_loop(
    loop: asyncio.AbstractEventLoop | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call `function` in the thread of `loop`, and from another thread wait for its result there; None is any thread."""
    if loop is None or loop is loop_or_none():
        return function(*args, **kwargs)

    async def called() -> T:
        return function(*args, **kwargs)

    return asyncio.run_coroutine_threadsafe(called(), loop).result()


def loop_or_none() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def yielded_in_thread(
    function: Callable[P, Generator[T, Any, Any]], *args: P.args, **kwargs: P.kwargs
) -> AsyncGenerator[T]:
    """Run a sync generator in a daemon thread, one for all its items, and yield what it yields.

    It goes on only when the next item is asked for. Once a caller stops early, it is closed at its next item.
    """
    loop = asyncio.get_running_loop()
    handed = _Handover(loop)
    running = asyncio.ensure_future(in_thread(handed.give_all, function, *args, **kwargs))
    try:
        while (item := await handed.items.get()) is not _END:
            with _awaiting(loop, -1):  # it does nothing until more is wanted
                yield item
            handed.wanted.release()
        await running
    finally:
        handed.abandoned = True
        handed.wanted.release()
        running.cancel()


class _Handover:
    """Hands items from a thread to the loop, each when it is wanted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.wanted = threading.Semaphore(0)
        self.abandoned = False
        self._loop = loop

    def give_all(self, function: Callable[..., Generator[Any, Any, Any]], *args: Any, **kwargs: Any) -> None:
        """Give what a generator yields, and then the end; runs in the thread."""
        try:
            with closing(function(*args, **kwargs)) as produced:
                for item in produced:
                    self._give(item)
                    self.wanted.acquire()
                    if self.abandoned:
                        return
        finally:
            self._give(_END)

    def _give(self, item: Any) -> None:
        self._loop.call_soon_threadsafe(self.items.put_nowait, item)


def _bearable(raised: BaseException) -> Exception:
    """Return what a future can carry and a loop survives; a `StopIteration` would never arrive at all."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    error = escaped(raised)
    error.__cause__ = raised
    return error
