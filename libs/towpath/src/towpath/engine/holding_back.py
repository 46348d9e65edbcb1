"""Holds acts of a run back that must not go on yet: while its code is replayed, and while the run is paused.

Code that rests under replay, without doing what the journal knows, has diverged: it would hold its acts back for ever.
"""

import asyncio
from collections.abc import Callable, Iterable

from towpath.engine.asked import Asked
from towpath.engine.history import History

_DIVERGED_AFTER_S = 1.0
"""How long code under replay may rest without doing what the journal knows before it is said to have diverged."""

_Held = asyncio.Future[None]
Doing = Callable[[Iterable[str]], bool]
"""Tells whether code does anything but wait for acts, these keys among them."""


class NotGivenUpError(Exception):
    """Work does not give up an act that it gave up before it began again: it is to do this act anew."""


class HoldingBack:
    """The acts of one run's code that are held back.

    Args:
        replaying: Tells whether the journal has something that the code has not repeated or been told yet.
        doing: Tells whether code may come by itself to what the journal knows.

    Attributes:
        for_pause: How many acts wait until the run is not paused any more.
    """

    def __init__(self, history: History, replaying: Callable[[], bool], doing: Doing) -> None:
        self.for_pause = 0
        self._for_replay: dict[_Held, Asked] = {}
        self._history = history
        self._replaying = replaying
        self._doing = doing
        self._changed = asyncio.Event()
        self._next_look: asyncio.TimerHandle | None = None

    @property
    def for_replay(self) -> int:
        """How many acts wait until replay is over, or until the code gives them up as it did before."""
        return len(self._for_replay)

    def look_again(self) -> None:
        """Have the acts look whether they may begin: something has changed."""
        self._changed.set()
        if not self._replaying():
            for held in self._for_replay:
                if not held.done():
                    held.set_result(None)

    async def until_replayed(self, asked: Asked) -> None:
        """Wait until the code has repeated all that the journal knows.

        Raises:
            NonDeterminismError: If it does not go on to do so.
        """
        while self._replaying():
            await self._hold(asked)

    async def until_given_up(self, asked: Asked) -> None:
        """Wait until the code gives the act up, which it has done before it was told how this had ended.

        Raises:
            NonDeterminismError: If it does not go on to do so.
            asyncio.CancelledError: Otherwise.
        """
        while True:
            await self._hold(asked)

    async def _hold(self, asked: Asked) -> None:
        held: _Held = asyncio.get_running_loop().create_future()
        self._for_replay[held] = asked
        if self._next_look is None:
            self._look_later()
        try:
            await held
        finally:
            del self._for_replay[held]
            if not self._for_replay and self._next_look is not None:
                self._next_look.cancel()
                self._next_look = None

    def _look_later(self) -> None:
        loop, before = asyncio.get_running_loop(), self._history.unmatched
        self._next_look = loop.call_later(_DIVERGED_AFTER_S, self._look, before)

    def _look(self, unmatched: int) -> None:
        """See that the code has gone on since the last time; from outside of its tasks, all of which are looked at."""
        keys = [asked.key for asked in self._for_replay.values()]
        if self._history.unmatched != unmatched or not self._is_stuck() or self._doing(keys):
            self._look_later()
            return
        self._next_look = None
        found = str(next(iter(self._for_replay.values())))
        for held, asked in self._for_replay.items():
            if not held.done():
                held.set_exception(self._stuck(asked, found))

    def _is_stuck(self) -> bool:
        held = self._for_replay.values()
        return self._history.replaying or any(self._history.is_given_up(asked.key) for asked in held)

    def _stuck(self, asked: Asked, found: str) -> Exception:
        if self._history.replaying:
            return self._history.diverged(found)
        return self._history.not_given_up(asked.key, str(asked))

    async def until_unpaused(self) -> None:
        """Wait until the run is to go on."""
        self.for_pause += 1
        try:
            while self._history.incoming.paused:
                self._changed.clear()
                await self._changed.wait()
        finally:
            self.for_pause -= 1
