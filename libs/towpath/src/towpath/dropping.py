"""Ends code that catches its own cancellation and goes on: it is dropped where it stands, and nobody waits for it.

Python can only ask a coroutine to end. What does not, after it was asked and given a moment, is not resumed any more.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import coroutine
from typing import Any, NoReturn, TypeVar

from towpath.around import Around, Code

T = TypeVar("T")

GRACE_S = 1.0
"""Seconds that code may take to clean up after it was cancelled."""
_DROP = object()
_left: list[Code[Any]] = []
"""What was dropped; Python would close it, which such code does not let happen either, at any time and in any thread."""


class Droppable(Around[T]):
    """Code that ends, as cancelled, at the latest when it goes on after `is_over` says so."""

    __slots__ = ("_is_over", "_name")

    def __init__(self, code: Code[T], is_over: Callable[[], bool], *, name: str | None = None) -> None:
        super().__init__(code)
        self._is_over = is_over
        self._name = name or getattr(code, "__qualname__", "")

    def send(self, value: Any, /) -> Any:
        """Go on with the code, unless it is over."""
        return self._leave() if self._is_over() else self._asked(self.code.send(value))

    def throw(self, *error: Any) -> Any:
        """Go on with the code, which hears of an error, unless it is over."""
        return self._leave() if self._is_over() else self._asked(self.code.throw(*error))

    def _asked(self, awaited: Any) -> Any:
        return self._leave() if awaited is _DROP else awaited

    def _leave(self) -> NoReturn:
        _left.append(self.code)
        import structlog  # noqa: PLC0415 - most programs never need it

        log = structlog.get_logger(__name__)
        log.warning("code was cancelled, does not end, and is dropped", code=self._name)
        raise asyncio.CancelledError


@coroutine
def dropped() -> Generator[object]:
    """Drop the running code, which must be `Droppable`."""
    yield _DROP


@contextmanager
def over_after(limit_s: float | None) -> Generator[Callable[[], bool]]:
    """Have the code in a block be over a moment after it was to end by its time limit; tells whether it is.

    Args:
        limit_s: Seconds after which whoever sets the limit cancels the running task; None is for ever.
    """
    task, over = asyncio.current_task(), asyncio.Event()

    def end() -> None:
        over.set()
        if task is not None:
            task.cancel()

    loop = asyncio.get_running_loop()
    timer = None if limit_s is None else loop.call_later(limit_s + GRACE_S, end)
    try:
        yield over.is_set
    finally:
        if timer is not None:
            timer.cancel()
        if over.is_set() and task is not None:
            task.uncancel()


async def ended(task: "asyncio.Task[Any]", give_up: Callable[[], None]) -> bool:
    """Cancel a task, and wait a moment for it to end; then have what is droppable of it be over, and cancel it again.

    Args:
        task: The task.
        give_up: Says that its code is over.

    Returns:
        Whether it has ended; what has not goes on by itself, and waits for what is no code.
    """
    if task.done():
        return True
    for prepare in (_nothing, give_up):
        prepare()
        task.cancel()
        if (await asyncio.wait({task}, timeout=GRACE_S))[0]:
            return True
    task.add_done_callback(_forget)
    return False


def _nothing() -> None:
    """Do nothing the first time."""


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()
