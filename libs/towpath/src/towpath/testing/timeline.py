"""The time of a platform in a test: it stands still until the test lets it pass, and then takes none."""

import asyncio
import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Protocol

from towpath.errors import StuckError
from towpath.testing.virtual_loop import VirtualTimeLoop

Cancel = Callable[[], None]

_ROUNDS_TO_REST = 40
_LOOK_AGAIN_AFTER_S = 0.001


class World(Protocol):
    """What lives in the time."""

    @property
    def moves(self) -> int:
        """How much has happened."""
        ...

    @property
    def unsettled(self) -> bool:
        """Whether the engine itself has something to do that it has put off for a moment."""
        ...

    @property
    def at_work(self) -> bool:
        """Whether something goes on that does not wait for time to pass, or for something from outside."""
        ...

    def let_go(self, jump_s: float | None) -> bool:
        """Begin to drop what is not worth keeping while `jump_s` seconds pass; tell whether there is any."""
        ...

    def waiting(self) -> str:
        """Say what everything waits for."""
        ...


class Timeline(ABC):
    """The time of one platform; seconds since 1970."""

    _world: World

    @contextmanager
    def serving(self, world: World) -> Generator[None]:
        """Be the time of `world` until the end of the block."""
        self._world = world
        yield

    @abstractmethod
    def now(self) -> float:
        """Tell the time."""

    @abstractmethod
    def call_at(self, moment: float, callback: Callable[[], None]) -> Cancel:
        """Have something called once the moment has come."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait for time to pass."""

    @abstractmethod
    async def rest(self) -> None:
        """Return when nothing more happens until time passes, or something comes from outside."""

    @abstractmethod
    async def pass_until(self, moment: float) -> None:
        """Let time pass, and all happen that does meanwhile."""

    @abstractmethod
    async def until(self, done: "asyncio.Future[None]", latest: float) -> None:
        """Let time pass until `done` is.

        Raises:
            StuckError: If nothing can happen any more.
            TimeoutError: If the moment `latest` comes first.
        """


@dataclass(order=True, slots=True)
class _Timer:
    moment: float
    order: int
    callback: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        self.callback = None


class OwnTimeline(Timeline):
    """Time in an ordinary loop: what the platform waits for is virtual, what code does with asyncio takes as long as it takes.

    Args:
        patience_s: Real seconds that code which is at work is waited for, where the test does not wait for its run.
    """

    def __init__(self, begins: float, *, patience_s: float) -> None:
        self._now = begins
        self._patience_s = patience_s
        self._timers: list[_Timer] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Tell the time."""
        return self._now

    def call_at(self, moment: float, callback: Callable[[], None]) -> Cancel:
        """Have something called once the moment has come."""
        timer = _Timer(moment, next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer.cancel

    async def sleep(self, seconds: float) -> None:
        """Wait for time to pass."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cancel = self.call_at(self._now + seconds, lambda: _set(over))
        try:
            await over
        finally:
            cancel()

    async def rest(self) -> None:
        """Return when nothing more happens by itself, or code has been at work for longer than it is waited for."""
        await self._rest(_loop_time() + self._patience_s)

    async def _rest(self, deadline: float | None, done: "asyncio.Future[None] | None" = None) -> None:
        while not (done is not None and done.done()):
            await self._still()
            if not self._world.at_work:
                if not self._world.let_go(0):
                    return
            elif deadline is not None and _loop_time() > deadline:
                return
            else:
                await asyncio.sleep(_LOOK_AGAIN_AFTER_S)

    async def _still(self) -> None:
        """Return when nothing has moved for some rounds of the loop."""
        moves, rounds = self._world.moves, 0
        while rounds < _ROUNDS_TO_REST:
            await asyncio.sleep(0)
            rounds += 1
            if self._world.moves != moves:
                moves, rounds = self._world.moves, 0

    async def pass_until(self, moment: float) -> None:
        """Let time pass, and all happen that does meanwhile."""
        await self.rest()
        while (due := self._due()) is not None and due <= moment:
            await self._go_to(due)
        await self._go_to(moment)

    async def until(self, done: "asyncio.Future[None]", latest: float) -> None:
        """Let time pass until `done` is; see `Timeline.until`."""
        while not done.done():
            await self._rest(None, done)
            if done.done():
                return
            due = self._due()
            if due is None:
                raise _stuck(self._world)
            if due > latest:
                raise _too_late(self._world)
            await self._go_to(due)

    def _due(self) -> float | None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0].moment if self._timers else None

    async def _go_to(self, moment: float) -> None:
        if self._world.let_go(moment - self._now):
            await self.rest()
        self._now = max(self._now, moment)
        while (due := self._due()) is not None and due <= self._now:
            callback = heapq.heappop(self._timers).callback
            if callback is not None:
                callback()
        await self.rest()


class LoopTimeline(Timeline):
    """Time in a loop of virtual time: it is the loop's own, so that all that waits, waits for the same."""

    def __init__(self, begins: float, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._zero = begins - loop.time()
        self._resting: list[asyncio.Future[None]] = []
        self._awaited: list[_Awaited] = []

    @contextmanager
    def serving(self, world: World) -> Generator[None]:
        """Be the time of `world`, and keep it in order whenever nothing happens, until the end of the block."""
        with super().serving(world), self._loop.when_idle(self._on_idle):
            yield

    def now(self) -> float:
        """Tell the time."""
        return self._zero + self._loop.time()

    def call_at(self, moment: float, callback: Callable[[], None]) -> Cancel:
        """Have something called once the moment has come."""
        # in a context of its own: the caller's has the run, which is not to be kept for a timer
        return self._loop.call_at(moment - self._zero, callback, context=Context()).cancel

    async def sleep(self, seconds: float) -> None:
        """Wait for time to pass."""
        await asyncio.sleep(seconds)

    async def rest(self) -> None:
        """Return when nothing more happens until time passes."""
        resting: asyncio.Future[None] = self._loop.create_future()
        self._resting.append(resting)
        await resting

    async def pass_until(self, moment: float) -> None:
        """Let time pass, and all happen that does meanwhile."""
        await self.rest()
        await asyncio.sleep(max(0.0, moment - self.now()))
        await self.rest()

    async def until(self, done: "asyncio.Future[None]", latest: float) -> None:
        """Let time pass until `done` is; see `Timeline.until`."""
        waiting = _Awaited(latest, self._loop.create_future())
        self._awaited.append(waiting)
        try:
            await asyncio.wait({done, waiting.hopeless}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._awaited.remove(waiting)
            waiting.hopeless.cancel()
        if not done.done() and waiting.why is not None:
            raise waiting.why

    def _on_idle(self, seconds: float | None) -> bool:
        """Do what there is to do before time passes; see `WhenIdle`."""
        if self._world.let_go(0):
            return True
        if self._world.unsettled and seconds is not None:
            return False
        if self._resting:
            resting, self._resting = self._resting, []
            for one in resting:
                _set(one)
            return True
        return self._world.let_go(seconds) or self._give_up(seconds)

    def _give_up(self, seconds: float | None) -> bool:
        """Tell those that wait for what cannot come any more, or not in time; tell whether there are any."""
        given_up = [one for one in self._awaited if one.is_hopeless(seconds, self.now())]
        for one in given_up:
            one.why = _stuck(self._world) if seconds is None else _too_late(self._world)
            one.hopeless.set_result(None)
        return bool(given_up)


@dataclass(slots=True)
class _Awaited:
    """The end of a run that a test waits for.

    Attributes:
        hopeless: Done once it cannot come any more, or not in time.
        why: What the test is told then.
    """

    latest: float
    hopeless: "asyncio.Future[None]"
    why: Exception | None = None

    def is_hopeless(self, seconds: float | None, now: float) -> bool:
        """Tell whether it cannot come in time, if nothing happens for so many seconds."""
        return not self.hopeless.done() and (seconds is None or now + seconds > self.latest)


def timeline_of(begins: float, *, patience_s: float) -> Timeline:
    """Make the time of a platform in the running loop; see `OwnTimeline` for `patience_s`."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualTimeLoop):
        return LoopTimeline(begins, loop)
    return OwnTimeline(begins, patience_s=patience_s)


def _stuck(world: World) -> StuckError:
    return StuckError(f"nothing can happen any more: {world.waiting()}")


def _too_late(world: World) -> TimeoutError:
    return TimeoutError(f"the run has not ended in time: {world.waiting()}")


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
