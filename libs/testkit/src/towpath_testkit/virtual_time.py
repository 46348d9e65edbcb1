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


class VirtualTimeLoop(BaseEventLoop):
    """The loop; `run_virtually` makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.network: Network | None = None
        self.failures: list[BaseException] = []
        self.is_over = False
        self._selector = self
        self._clock_resolution = _RESOLUTION_S
        self._now_s = 0.0
        self._idle_iterations = 0
        self._still: set[str] = set()
        self._parked: list[asyncio.Handle] = []

    # --- Time -------------------------------------------------------------------------------------

    def time(self) -> float:
        """Tell the virtual seconds since the loop was made."""
        return self._now_s

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass until the next timer: the base class believes this to wait for sockets.

        Raises:
            StuckError: If there is nothing to wait for, or the program runs in circles without any time passing.
        """
        if self.failures:
            raise self.failures[0]
        if timeout is None:
            raise StuckError(f"after {self._now_s:.3f} virtual seconds nothing can happen any more")
        self._idle_iterations = 0 if timeout else self._idle_iterations + 1
        if self._idle_iterations > _BUSY_ITERATIONS:
            raise StuckError(f"at {self._now_s:.3f} virtual seconds the program runs in circles")
        self._now_s += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are no sockets."""

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

    def _put_back(self, handle: asyncio.Handle) -> None:
        if self._is_still(handle):
            self._parked.append(handle)
        elif not isinstance(handle, asyncio.TimerHandle):
            self._ready.append(handle)
        elif not handle.cancelled():
            handle._scheduled = True  # noqa: SLF001 - the base class counts by it
            heapq.heappush(self._scheduled, handle)

    def _park_timers(self) -> None:
        for timer in self._scheduled:
            timer._scheduled = not self._is_still(timer)  # noqa: SLF001
        self._parked += [timer for timer in self._scheduled if not timer._scheduled]  # noqa: SLF001
        self._scheduled = [timer for timer in self._scheduled if timer._scheduled]  # noqa: SLF001
        heapq.heapify(self._scheduled)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something at a time; see `asyncio.loop.call_at`."""
        timer = super().call_at(when, callback, *args, context=context)
        if self._still and self._is_still(timer):
            self._park_timers()
        return timer

    def _call_soon(self, callback: Any, args: Any, context: Any) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
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
    collecting = gc.isenabled()
    for owner, name, value in replaced:
        setattr(owner, name, value)
    random.seed(seed)
    gc.disable()  # finalizers would run at moments of their own choosing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # who is killed, or cut off, closes nothing
            yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
        random.setstate(state)
        if collecting:
            gc.enable()
