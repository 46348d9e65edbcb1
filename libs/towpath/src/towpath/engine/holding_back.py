"""Holds acts of a run back that must not begin yet: while its code is replayed, and while the run is paused."""

import asyncio
from collections.abc import Callable

from towpath.engine.asked import Asked
from towpath.engine.history import History

_DIVERGED_AFTER_S = 1.0
"""How long code under replay may rest without doing what the journal knows before it is said to have diverged."""


class HoldingBack:
    """The acts of one run's code that wait for their beginning.

    Args:
        replaying: Tells whether the journal has something that the code has not repeated or been told yet.
        doing: Tells whether code does anything but wait for acts: it may come to what the journal knows.

    Attributes:
        for_replay: How many acts wait until replay is over.
        for_pause: How many wait until the run is not paused any more.
    """

    def __init__(self, history: History, replaying: Callable[[], bool], doing: Callable[[], bool]) -> None:
        self.for_replay = 0
        self.for_pause = 0
        self._history = history
        self._replaying = replaying
        self._doing = doing
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """Have the acts look whether they may begin: something has changed."""
        self._changed.set()

    async def until_replayed(self, asked: Asked) -> None:
        """Wait until the code has asked for all that the journal knows.

        Raises:
            NonDeterminismError: If it does not go on to do so.
        """
        self.for_replay += 1
        try:
            while self._replaying():
                await self._until_changed(asked)
        finally:
            self.for_replay -= 1

    async def _until_changed(self, asked: Asked) -> None:
        unmatched = self._history.unmatched
        self._changed.clear()
        try:
            async with asyncio.timeout(_DIVERGED_AFTER_S):
                await self._changed.wait()
        except TimeoutError:
            stands_still = self._history.replaying and self._history.unmatched == unmatched
            if stands_still and not self._doing():
                raise self._history.diverged(str(asked)) from None

    async def until_unpaused(self) -> None:
        """Wait until the run is to go on."""
        self.for_pause += 1
        try:
            while self._history.paused:
                self._changed.clear()
                await self._changed.wait()
        finally:
            self.for_pause -= 1
