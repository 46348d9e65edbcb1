"""Runs blocking user code in a thread of its own, so that no hanging call can starve another or hold up the exit."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from towpath.failures import escaped

P = ParamSpec("P")
T = TypeVar("T")


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
    return await future


def _bearable(raised: BaseException) -> Exception:
    """Return what a future can carry and a loop survives; a `StopIteration` would never arrive at all."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    error = escaped(raised)
    error.__cause__ = raised
    return error
