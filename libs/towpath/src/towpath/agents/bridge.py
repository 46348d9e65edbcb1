"""From sync code into a loop: one background loop for the whole process, so that connections stay open."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar

from towpath.current import context_or_none
from towpath.errors import ContextError

T = TypeVar("T")

_loops: list[asyncio.AbstractEventLoop] = []
_lock = threading.Lock()
_blocked: ContextVar[int] = ContextVar("towpath_blocked_loops", default=0)
"""How many of the background loops wait, further up, for the code that runs here."""


def run_sync(code: Coroutine[Any, Any, T], instead: str) -> T:
    """Run `code` to its end and return what it gives, from sync code; the context variables go with it.

    In a run on the platform it runs in the run's own loop, so its acts are journaled. Elsewhere it runs in the
    background loop: where sync code holds that one up, as a hook does, in a further one.

    Args:
        code: What is run.
        instead: What async code awaits instead; for the error.

    Raises:
        ContextError: If this is async code of a run on the platform, which would wait for itself.
    """
    running = _running_loop()
    context = context_or_none()
    home = None if context is None else context.home_loop
    if home is not None and running is home:
        code.close()
        raise ContextError(f"this would wait for itself: in async code of a run, use await {instead}")
    if home is not None:
        return _result(asyncio.run_coroutine_threadsafe(code, home))
    depth = _loops.index(running) + 1 if running in _loops else _blocked.get()
    return _result(asyncio.run_coroutine_threadsafe(_at(depth, code), _background(depth)))


async def _at(depth: int, code: Coroutine[Any, Any, T]) -> T:
    _blocked.set(depth)
    return await code


def _result(future: "Future[T]") -> T:
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _background(depth: int) -> asyncio.AbstractEventLoop:
    with _lock:
        while len(_loops) <= depth:
            loop = asyncio.new_event_loop()
            threading.Thread(
                target=loop.run_forever, name=f"towpath-agents-{len(_loops)}", daemon=True
            ).start()
            _loops.append(loop)
        return _loops[depth]
