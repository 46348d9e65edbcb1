"""Cancelling a conversation or a run, from any thread: what is awaited for its model is given up at once."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Self


class Cancellation:
    """A wish to stop, and the await that it cuts short."""

    def __init__(self) -> None:
        self.requested = False
        self._lock = threading.Lock()
        self._guarded: Guarded | None = None
        self._inner: set[Cancellation] = set()

    def request(self) -> None:
        """Have it stopped, and what it is waiting for; asking again changes nothing. Any thread may ask."""
        with self._lock:
            if self.requested:
                return
            self.requested = True
            if self._guarded is not None:
                self._guarded.loop.call_soon_threadsafe(self._guarded.cut)
            inner = tuple(self._inner)
        for one in inner:
            one.request()

    @contextmanager
    def within(self, outer: "Cancellation | None") -> Generator[None]:
        """Have whoever stops `outer` stop this too, until the end of the block."""
        if outer is None or outer is self:
            yield
            return
        outer.hand_on(self)
        try:
            yield
        finally:
            outer.leave(self)

    def hand_on(self, inner: "Cancellation") -> None:
        """Stop `inner` too, from now on; at once, where this was asked for already."""
        with self._lock:
            self._inner.add(inner)
            requested = self.requested
        if requested:
            inner.request()

    def leave(self, inner: "Cancellation") -> None:
        """Stop `inner` no more."""
        with self._lock:
            self._inner.discard(inner)

    def clear(self) -> None:
        """Forget the wish: what was to stop has stopped."""
        self.requested = False

    def guarded(self) -> "Guarded":
        """Make the block that a wish cuts short; one at a time."""
        return Guarded(self)

    def guard(self, guarded: "Guarded | None") -> None:
        """Have `guarded` cut short from now on, or nothing."""
        with self._lock:
            self._guarded = guarded
            if guarded is not None and self.requested:
                guarded.loop.call_soon_threadsafe(guarded.cut)


class Guarded:
    """A block that ends early, without an error, once cancellation is asked for.

    Attributes:
        was_cut: Whether it did.
    """

    __slots__ = ("_cancellation", "_task", "loop", "was_cut")

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._task: asyncio.Task[object] | None = None
        self.was_cut = False

    def __enter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._cancellation.guard(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._cancellation.guard(None)
        task, self._task = self._task, None
        if not self.was_cut or task is None:
            return False
        return task.uncancel() == 0 and kind is asyncio.CancelledError

    def cut(self) -> None:
        """Stop what the block awaits; runs in its loop."""
        if self._task is not None and not self.was_cut:
            self.was_cut = True
            self._task.cancel()
