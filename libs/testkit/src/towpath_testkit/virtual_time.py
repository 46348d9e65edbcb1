# pyright: reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""An event loop whose clock jumps to the next timer when there is nothing else to do: hours pass in milliseconds.

Nothing outside the program decides what happens: time, randomness and the network (`simulated_network`) come from
here, and a thread runs to its end where it is started. So the same seed gives the same run, event for event.

Several simulated processes may live in one loop. Each is a context in which its tasks and callbacks run; to kill one
is to run none of them any more, as `kill -9` would: no `finally`, no `except`, nothing said to anybody. To stop one
(SIGSTOP) is to run none of them for a while.
"""

import asyncio
import contextvars
import gc
import heapq
import os
import random
import threading
import time
import warnings
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

EPOCH_S = 1_800_000_000.0
"""What the wall clock shows when virtual time begins: seconds since 1970."""

_RESOLUTION_S = 1e-9
_BUSY_ITERATIONS = 200_000
_FAREWELLS = 20
_FAREWELL_S = 30.0

process: contextvars.ContextVar[str] = contextvars.ContextVar("process", default="")
"""The simulated process in which code runs; empty outside of any."""


class StuckError(Exception):
    """Nothing can happen any more, or no time passes any more, and what was waited for has not come."""


class Network(Protocol):
    """What a loop asks for a connection."""

    async def connect(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect, or raise `ConnectionRefusedError`."""
        ...


class _Handle(asyncio.Handle):
    """A handle that does not ask whether to remember where it was made."""

    __slots__ = ()

    def __init__(
        self, callback: Any, args: Any, loop: BaseEventLoop, context: contextvars.Context | None
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class _Timer(asyncio.TimerHandle):
    """Such a handle with a time."""

    __slots__ = ()

    def __init__(
        self, when: float, callback: Any, args: Any, loop: BaseEventLoop, context: contextvars.Context | None
    ) -> None:
        _Handle.__init__(self, callback, args, loop, context)  # type: ignore[arg-type]
        self._when = when
        self._scheduled = False


class VirtualTimeLoop(BaseEventLoop):
    """The loop; `run_virtually` makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.network: Network | None = None
        self.failures: list[BaseException] = []
        self.is_over = False
        self._clock_resolution = _RESOLUTION_S
        self._now_s = 0.0
        self._idle_iterations = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._still: set[str] = set()
        self._parked: list[asyncio.Handle] = []

    # --- Time -------------------------------------------------------------------------------------

    def time(self) -> float:
        """Tell the virtual seconds since the loop was made."""
        return self._now_s

    def _run_once(self) -> None:
        """Let time pass until the next timer if nothing is to be done now, and do what is to be done.

        It does what the base class does, with nothing for sockets or debugging: half of the time of a simulation
        would be spent there.
        """
        ready, timers = self._ready, self._timers
        while timers and timers[0][2]._cancelled:  # noqa: SLF001 - this is the loop of these handles
            heapq.heappop(timers)
        if self.failures:
            raise self.failures[0]
        if ready or self._stopping or (timers and timers[0][0] <= self._now_s):
            self._count_idle()
        else:
            self._pass_time()
        end_time = self._now_s + _RESOLUTION_S
        while timers and timers[0][0] < end_time:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001
                handle._run()  # noqa: SLF001

    def _count_idle(self) -> None:
        """See that the program does not run in circles without any time passing.

        Raises:
            StuckError: If it does.
        """
        self._idle_iterations += 1
        if self._idle_iterations > _BUSY_ITERATIONS:
            raise StuckError(f"at {self._now_s:.3f} virtual seconds the program runs in circles")

    def _pass_time(self) -> None:
        """Go to the next timer.

        Raises:
            StuckError: If there is none.
        """
        if not self._timers:
            raise StuckError(f"after {self._now_s:.3f} virtual seconds nothing can happen any more")
        self._idle_iterations = 0
        self._now_s = self._timers[0][0]

    def _write_to_self(self) -> None:
        """Do nothing: the loop never sleeps."""

    # --- The outside world ------------------------------------------------------------------------

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Call a blocking function here and now."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits
            future.set_exception(error)
        return future

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect within the simulated network."""
        if self.network is None or host is None or port is None:
            raise ConnectionRefusedError(f"nobody listens on {host}:{port}: there is no network here")
        return await self.network.connect(protocol_factory, host, port)

    # --- Processes --------------------------------------------------------------------------------

    def spawn(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a simulated process; whatever its work starts belongs to it."""
        context = contextvars.copy_context()
        context.run(process.set, name)
        return self.create_task(work, name=name, context=context)

    def halt(self, name: str) -> None:
        """Run nothing of a process any more, as `kill -9` does, or until it is let `go_on`."""
        self._still.add(name)
        for place, handle in enumerate(self._ready):
            if self._is_still(handle):
                self._parked.append(handle)
                self._ready[place] = _cancelled_handle(self)
        self._park_timers()

    def go_on(self, name: str) -> None:
        """Let a process run again that was only halted: what it would have done meanwhile, it does now."""
        self._still.discard(name)
        parked, self._parked = self._parked, []
        for handle in parked:
            self._put_back(handle)

    def unearth(self) -> None:
        """Let killed processes run again, so that their tasks can be cancelled: for the end of a simulation."""
        self._still.clear()
        parked, self._parked = self._parked, []
        self._ready.extend(handle for handle in parked if not isinstance(handle, asyncio.TimerHandle))

    def forget(self) -> None:
        """Drop what nobody will do any more."""
        self._timers.clear()
        self._parked.clear()

    def _put_back(self, handle: asyncio.Handle) -> None:
        if self._is_still(handle):
            self._parked.append(handle)
        elif not isinstance(handle, asyncio.TimerHandle):
            self._ready.append(handle)
        elif not handle.cancelled():
            self._set(handle)

    def _park_timers(self) -> None:
        self._parked += [timer for *_, timer in self._timers if self._is_still(timer)]
        self._timers[:] = [entry for entry in self._timers if not self._is_still(entry[2])]
        heapq.heapify(self._timers)

    def _set(self, timer: asyncio.TimerHandle) -> None:
        self._timers_made += 1  # of two at the same time the one that was set first
        heapq.heappush(self._timers, (timer.when(), self._timers_made, timer))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a timer that was cancelled is dropped when its time comes."""

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something at a time; see `asyncio.loop.call_at`."""
        timer = _Timer(when, callback, args, self, context)
        if self._still and self._is_still(timer):
            self._parked.append(timer)
        else:
            self._set(timer)
        return timer

    def call_soon(
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call something next; see `asyncio.loop.call_soon`."""
        return self._call_soon(callback, args, context)

    def _call_soon(self, callback: Any, args: Any, context: contextvars.Context | None) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        queue = self._parked if self._still and self._is_still(handle) else self._ready
        queue.append(handle)
        return handle

    def _is_still(self, handle: asyncio.Handle) -> bool:
        return handle._context.get(process, "") in self._still  # noqa: SLF001 - there is no public way to ask


def _cancelled_handle(loop: asyncio.AbstractEventLoop) -> asyncio.Handle:
    handle = asyncio.Handle(id, (), loop)
    handle.cancel()
    return handle


def _take_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End the run where a bare callback failed: no task would ever tell; the rest is only said, as usual."""
    error = context.get("exception")
    if isinstance(loop, VirtualTimeLoop) and loop.is_over:
        return  # tasks that are cancelled complain of one another
    if isinstance(loop, VirtualTimeLoop) and isinstance(error, Exception) and "handle" in context:
        loop.failures.append(error)
    else:
        loop.default_exception_handler(context)


def run_virtually(main: Callable[[VirtualTimeLoop], Coroutine[Any, Any, T]], *, seed: int = 0) -> T:
    """Run a coroutine function in a loop of its own, in virtual time, with all randomness from `seed`.

    Raises:
        StuckError: If nothing can happen any more before it ends.
    """
    with _collecting_at_the_end():
        return _run(main, seed)


def _run(main: Callable[[VirtualTimeLoop], Coroutine[Any, Any, T]], seed: int) -> T:
    loop = VirtualTimeLoop()
    loop.set_exception_handler(_take_failure)
    with _everything_from(seed, loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(main(loop))
        finally:
            loop.is_over = True
            loop.failures.clear()
            loop.unearth()
            runner.run(_end_all_others())


async def _end_all_others() -> None:
    """Cancel every other task until none is left; one cancellation may be swallowed by whoever waits."""
    for _ in range(_FAREWELLS):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_FAREWELL_S)


@contextmanager
def _everything_from(seed: int, loop: VirtualTimeLoop) -> Generator[None]:
    """Let clocks, randomness and threads be the simulation's."""
    source = random.Random(seed)  # noqa: S311 - repeatable, not secret
    replaced: list[tuple[Any, str, Any]] = [
        (time, "time", lambda: EPOCH_S + loop.time()),
        (time, "monotonic", loop.time),
        (os, "urandom", source.randbytes),
        (random, "_urandom", source.randbytes),  # what `secrets` draws from
        (threading.Thread, "start", threading.Thread.run),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    state = random.getstate()
    for owner, name, value in replaced:
        setattr(owner, name, value)
    random.seed(seed)
    try:
        yield
    finally:
        loop.forget()
        for owner, name, value in before:
            setattr(owner, name, value)
        random.setstate(state)


@contextmanager
def _collecting_at_the_end() -> Generator[None]:
    """Have no garbage collected meanwhile, as finalizers would run at moments of their own choosing; then all of it."""
    collecting = gc.isenabled()
    gc.freeze()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # who is killed, or cut off, closes nothing
            try:
                yield
            finally:
                gc.collect()  # only what was made meanwhile; and while its complaints are not heard
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
