"""Tells the code of a run what has become of its acts: one at a time, in the order of the journal.

Code that acts in one task needs none of this. Where several acts are in flight, which of them is told first
decides how the code goes on, so it must be the same whenever the run is replayed: each outcome waits until
those before it were told and the code has come to rest after them.
"""

import asyncio
import heapq
from collections.abc import Callable, Sized

from towpath.engine.tasks import outside

_ROUNDS_TO_REST = 16
"""Rounds of the event loop without a move of the run after which its code is taken to be at rest: what wakes
through nested tasks and groups takes two rounds for each of them. A loop that shows what is ready (asyncio's own, not
uvloop) says so at once."""
_LOOK_AGAIN_AFTER_S = 0.001
_LONGEST_PAUSE_S = 0.05


class Turns:
    """The queue of outcomes that the code of one run is still to be told.

    Args:
        moves: Counts what the code does; where it stands still, the code is at rest.
        too_early: Tells whether the code will do by itself what the journal has before a place.
    """

    def __init__(self, moves: Callable[[], int], too_early: Callable[[int], bool]) -> None:
        self._moves = moves
        self._too_early = too_early
        self._loop = asyncio.get_running_loop()
        self._ready: Sized | None = getattr(self._loop, "_ready", None)
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._places: list[int] = []  # a heap of them; some may not be waited for any more
        self._held_behind: int | None = None
        self._telling: asyncio.Task[None] | None = None

    async def turn(self, number: int) -> None:
        """Return when it is the turn of the outcome at place `number` of the journal; several may wait for one."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if number not in self._waiting:
            heapq.heappush(self._places, number)
        self._waiting.setdefault(number, []).append(future)
        self._go_on()
        try:
            await future
        finally:
            self._leave(number, future)

    def _leave(self, number: int, future: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(number, [])
        if future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[number]

    def hold_behind(self, number: int | None) -> None:
        """Tell nothing behind this place of the journal before what is there has had its turn; None ends that."""
        self._held_behind = number
        self._go_on()

    def _go_on(self) -> None:
        if self._next() is not None and (self._telling is None or self._telling.done()):
            self._telling = outside(self._tell(), "turns")

    def _next(self) -> int | None:
        """Return the place of what is to be told next; None if nothing is."""
        while self._places and self._places[0] not in self._waiting:
            heapq.heappop(self._places)
        first = self._places[0] if self._places else None
        held = first is not None and self._held_behind is not None and first > self._held_behind
        return None if held else first

    async def _tell(self) -> None:
        pause_s = _LOOK_AGAIN_AFTER_S
        while self._next() is not None:
            await self.rest()
            number = self._next()
            if number is None:
                return
            if self._too_early(number):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            pause_s = _LOOK_AGAIN_AFTER_S
            for future in self._waiting.pop(number):
                if not future.done():
                    future.set_result(None)

    async def rest(self) -> None:
        """Return when the code of the run has come to rest."""
        rested = self._loop.create_future()
        self._look(rested, self._moves(), 0)
        await rested

    def _look(self, rested: "asyncio.Future[None]", moves: int, rounds: int) -> None:
        """Look once in each round of the loop: by callbacks, which cost half of what a task that sleeps does."""
        if rested.done():
            return
        now = self._moves()
        if now != moves:
            rounds = 0
        elif rounds == _ROUNDS_TO_REST or (rounds and self._ready is not None and not self._ready):
            rested.set_result(None)
            return
        self._loop.call_soon(self._look, rested, now, rounds + 1)

    def stop(self) -> None:
        """Tell nothing more."""
        if self._telling is not None:
            self._telling.cancel()
