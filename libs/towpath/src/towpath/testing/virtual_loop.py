"""An event loop whose clock jumps to the next timer when there is nothing else to do: hours pass in milliseconds."""

import asyncio
import functools
import random
import selectors
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from towpath.errors import StuckError
from towpath.threads import threads_awaited

P = ParamSpec("P")
T = TypeVar("T")

WhenIdle = Callable[[float | None], bool]
"""Told that nothing happens before so many seconds have passed (None: ever); returns whether it has changed that."""

_RESOLUTION_S = 1e-6
"""Seconds within which a timer is due. A real clock's would be less than one can tell apart after some months."""

_Events = list[tuple[selectors.SelectorKey, int]]


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop in which time passes only when there is nothing to do, and then at once.

    Threads that its code waits for are waited for. There is no network: nobody could say how long it takes.
    """

    def __init__(self) -> None:
        self._passed_s = 0.0
        self._when_idle: list[WhenIdle] = []
        self._executing = 0
        super().__init__(_Selector(self._let_time_pass))
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        """Tell the seconds that have passed since the loop was made."""
        return self._passed_s

    @contextmanager
    def when_idle(self, told: WhenIdle) -> Generator[None]:
        """Have `told` called before each jump of time, until the end of the block."""
        self._when_idle.append(told)
        try:
            yield
        finally:
            self._when_idle.remove(told)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Call a blocking function in a thread; no time passes before it returns."""
        future = super().run_in_executor(executor, func, *args)
        self._executing += 1
        future.add_done_callback(self._executed)
        return future

    async def shutdown_default_executor(self) -> None:
        """Wait for the threads to end."""
        self._executing += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._executing -= 1

    def _executed(self, _future: "asyncio.Future[Any]") -> None:
        self._executing -= 1

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Refuse.

        Raises:
            ConnectionRefusedError: Always.
        """
        raise ConnectionRefusedError(
            f"there is no network in virtual time, and something connects to {address!r}; give it a double, or "
            "run this test in an ordinary loop"
        )

    def _let_time_pass(self, seconds: float | None) -> bool:
        """Jump to the next timer; tell whether a thread is to be waited for instead.

        Raises:
            StuckError: If there is no timer, and so nothing can happen any more.
        """
        if self._executing or threads_awaited(self):
            return True
        if any(told(seconds) for told in self._when_idle):
            return False
        if seconds is None:
            raise StuckError("nothing can happen any more: everything waits, and no timer is set")
        self._passed_s += seconds
        return False


class _Selector(selectors.DefaultSelector):
    """Waits for threads only; where a real one would wait for time, it has it pass.

    Args:
        let_time_pass: Told how many seconds may pass; returns whether to wait for what happens instead.
    """

    def __init__(self, let_time_pass: Callable[[float | None], bool]) -> None:
        super().__init__()
        self._let_time_pass = let_time_pass

    def select(self, timeout: float | None = None) -> _Events:
        """Return what has happened."""
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0) or not self._let_time_pass(timeout):
            return events
        return super().select(None)


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]], *, seed: int = 0) -> T:
    """Run a coroutine function in a loop of its own, in virtual time, with the `random` module seeded.

    Args:
        main: What to run.
        seed: The same seed gives the same random numbers.

    Raises:
        StuckError: If nothing can happen any more before it ends.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner, _seeded(seed):
        return runner.run(main())


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Have an async test run in virtual time; to the test runner it is a plain function."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtual(lambda: test(*args, **kwargs))

    return run


@contextmanager
def _seeded(seed: int) -> Generator[None]:
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
