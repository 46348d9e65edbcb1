"""Says which code keeps the event loop of this process from everything else: heartbeats, answers, other runs.

It only says so. What the process held is taken over by others (`presence`, redelivery), and the journal's fencing
keeps the one that blocked from writing when it goes on.
"""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

_TICKS_PER_LIMIT = 4


@contextmanager
def watched_loop(*, blocked_after_s: float) -> Generator[None]:
    """Watch the running loop from a thread until the end of the block."""
    watchdog = _Watchdog(asyncio.get_running_loop(), blocked_after_s)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


class _Watchdog:
    def __init__(self, loop: asyncio.AbstractEventLoop, blocked_after_s: float) -> None:
        self._loop = loop
        self._blocked_after_s = blocked_after_s
        self._every_s = blocked_after_s / _TICKS_PER_LIMIT
        self._ticked_at = time.monotonic()
        self._tick: asyncio.TimerHandle | None = None
        self._told = False
        self._watched = threading.get_ident()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._on_tick()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._tick is not None:
            self._tick.cancel()

    def _on_tick(self) -> None:
        now = time.monotonic()
        if self._told:
            log.warning("the event loop goes on", blocked_s=round(now - self._ticked_at, 2))
        self._ticked_at, self._told = now, False
        self._tick = self._loop.call_later(self._every_s, self._on_tick)

    def _watch(self) -> None:
        while not self._stopped.wait(self._every_s):
            blocked_s = time.monotonic() - self._ticked_at
            if blocked_s > self._blocked_after_s and not self._told:
                self._told = True
                log.error(
                    "the event loop is blocked: nothing else in this process goes on; await what blocks, or make the "
                    "function a plain `def`, which gets a thread of its own",
                    blocked_s=round(blocked_s, 2),
                    stack=self._stack(),
                )

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - documented as is
        return "".join(traceback.format_stack(frame)) if frame is not None else ""
