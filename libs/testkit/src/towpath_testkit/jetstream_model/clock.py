"""The server's clock: nanoseconds since 1970, timers, and what happens to both while the server is paused."""

import contextvars
from collections.abc import Callable

from towpath_testkit.virtual_time import EPOCH_S, VirtualTimeLoop, process

SECOND = 1_000_000_000
_EPOCH_NS = int(EPOCH_S) * SECOND


class Timer:
    """Calls something once, unless it is cancelled or set again before."""

    def __init__(self, clock: "Clock", act: Callable[[], None]) -> None:
        self._clock = clock
        self._act = act
        self.due_ns: int | None = None
        self.about_ns = 0

    def set(self, delay_ns: int, *, about_ns: int = 0) -> None:
        """Let it fire after a delay, instead of whenever it was set to; the real server draws a delay within `about_ns`."""
        self.cancel()
        self.about_ns = about_ns
        self.due_ns = self._clock.now_ns() + max(delay_ns, 0)
        self._clock.arm(self, self.due_ns)

    def cancel(self) -> None:
        """Let it not fire."""
        self.due_ns = None
        self._clock.disarm(self)

    def fire(self) -> None:
        """Act, as its time has come."""
        self.due_ns = None
        self._act()


class Clock:
    """What time it is for the server, and what it has still to do."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._armed: dict[Timer, object] = {}
        self._held: list[Timer] | None = None
        self._context = contextvars.copy_context()
        self._context.run(process.set, "")
        self._fired_until_ns = 0

    def now_ns(self) -> int:
        """Tell the nanoseconds since 1970."""
        return _EPOCH_NS + round(self._loop.time() * SECOND)

    def timer(self, act: Callable[[], None]) -> Timer:
        """Make a timer; it is not set."""
        return Timer(self, act)

    def calm_from_ns(self, span_ns: int) -> int:
        """Tell from when on no timer fires within a span, and none has; as far as that is known now."""
        now_ns = self.now_ns()
        about = [
            timer.due_ns + timer.about_ns
            for timer in self._armed
            if timer.due_ns is not None and timer.due_ns - timer.about_ns < now_ns + span_ns
        ]
        return max([*about, self._fired_until_ns]) + span_ns

    def arm(self, timer: Timer, due_ns: int) -> None:
        """Call `timer.fire` at a time."""
        due_s = (due_ns - _EPOCH_NS) / SECOND
        handle = self._loop.call_at(due_s, self._fire, timer, context=self._context)
        self._armed[timer] = handle

    def disarm(self, timer: Timer) -> None:
        """Do not call `timer.fire` after all."""
        handle = self._armed.pop(timer, None)
        if handle is not None:
            handle.cancel()  # type: ignore[attr-defined]
        if self._held and timer in self._held:
            self._held.remove(timer)

    def pause(self) -> None:
        """Let timers wait that come due from now on."""
        self._held = self._held or []

    def resume(self) -> None:
        """Fire the timers that have waited."""
        held, self._held = self._held or [], None
        for timer in held:
            timer.fire()

    def stop(self) -> None:
        """Forget all timers, as the end of the process does."""
        for timer in [*self._armed, *(self._held or ())]:
            timer.cancel()
        self._held = None

    def _fire(self, timer: Timer) -> None:
        del self._armed[timer]
        if self._held is not None:
            self._held.append(timer)
            return
        self._fired_until_ns = max(self._fired_until_ns, self.now_ns() + timer.about_ns)
        timer.fire()
