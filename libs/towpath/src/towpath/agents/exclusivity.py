"""Who may speak with an agent: one conversation at a time, from whichever thread or loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from towpath.errors import ConcurrencyError, ConfigurationError
from towpath.scopes import Owner, running_task


class ConcurrentInvocationMode(StrEnum):
    """What a second conversation with an agent that is speaking meets.

    `throw`: a `ConcurrencyError`, at once. `queue`: it waits for its turn; a tool or hook that awaits a conversation
    with its own agent would wait for itself. `unsafe_reentrant`: it is let in, and messages mix.
    """

    THROW = "throw"
    QUEUE = "queue"
    UNSAFE_REENTRANT = "unsafe_reentrant"

    @classmethod
    def of(cls, given: "str | ConcurrentInvocationMode") -> "ConcurrentInvocationMode":
        """Read the parameter of an agent.

        Raises:
            ConfigurationError: If there is no such mode.
        """
        try:
            return cls(given)
        except ValueError as error:
            known = ", ".join(repr(mode.value) for mode in cls)
            raise ConfigurationError(
                f"concurrent_invocation_mode is {given!r}; it is one of {known}"
            ) from error

    @property
    def queueing(self) -> "ConcurrentInvocationMode":
        """The mode of an agent whose conversation is kept in a session: sessions queue, unless that is waived."""
        return self if self is self.UNSAFE_REENTRANT else ConcurrentInvocationMode.QUEUE


class _Waiting(NamedTuple):
    loop: asyncio.AbstractEventLoop
    turn: "asyncio.Future[None]"


class Holder:
    """Who speaks: the task that holds the agent, and how a stream that was left early is closed."""

    def __init__(self, close: Callable[[], Awaitable[None]] | None = None) -> None:
        self.task: Owner = running_task()
        self.close = close


class Exclusivity:
    """The turn to speak with one agent.

    Args:
        label: What the agent is called.
        mode: What becomes of whoever comes while another speaks.
    """

    def __init__(self, label: str, mode: ConcurrentInvocationMode) -> None:
        self._label = label
        self._mode = mode
        self._lock = threading.Lock()
        self._holder: Holder | None = None
        self._waiting: deque[_Waiting] = deque()

    @property
    def held(self) -> bool:
        """Whether somebody speaks."""
        return self._holder is not None

    async def take(self, holder: Holder) -> None:
        """Take the turn; where a stream of the same task was left early, it is closed first.

        Raises:
            ConcurrencyError: If another speaks, and the mode is `throw`.
        """
        await self._close_forgotten(holder)
        waiting = self._entered(holder)
        if waiting is None:
            return
        try:
            await waiting.turn
        except asyncio.CancelledError:
            self._leave(waiting)
            raise
        self._holder = holder

    def release(self, holder: Holder) -> None:
        """Give the turn back, to whoever has waited longest; nothing happens if it was given back already."""
        with self._lock:
            if self._holder is not holder:
                return
            self._pass_on()

    def _entered(self, holder: Holder) -> _Waiting | None:
        with self._lock:
            if self._mode is ConcurrentInvocationMode.UNSAFE_REENTRANT:
                return None
            if self._holder is None:
                self._holder = holder
                return None
            if self._mode is ConcurrentInvocationMode.THROW:
                raise ConcurrencyError(self._label)
            loop = asyncio.get_running_loop()
            waiting = _Waiting(loop, loop.create_future())
            self._waiting.append(waiting)
            return waiting

    def _pass_on(self) -> None:
        """Have the next one speak; until it knows, nobody else can."""
        if not self._waiting:
            self._holder = None
            return
        self._holder = Holder()
        loop, turn = self._waiting.popleft()
        loop.call_soon_threadsafe(_settle, turn)

    def _leave(self, waiting: _Waiting) -> None:
        with self._lock:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self._pass_on()  # it was its turn already

    async def _close_forgotten(self, holder: Holder) -> None:
        before = self._holder
        if before is not None and before.close is not None and before.task is holder.task is not None:
            await before.close()


def _settle(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_result(None)
