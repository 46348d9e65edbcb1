"""Holds what the code of a held run does against its journal: what it must repeat, and when it is told what."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NoReturn

from towpath.engine.asked import Asked, Settled
from towpath.engine.cancelling import Cancelling
from towpath.engine.history import History
from towpath.engine.holding_back import Doing, HoldingBack, NotGivenUpError
from towpath.engine.tasks import RunTasks, in_work, outside
from towpath.engine.turns import Turns
from towpath.errors import NonDeterminismError
from towpath.secrecy import secret_in
from towpath.values import secret_refused

_LOOK_AGAIN_AFTER_S = 0.005


class Replay:
    """The replay of one held run; where the code has repeated all that the journal has, it is over.

    Args:
        history: What the journal has.
        tasks: What the code has started beside itself.
        moves: Counts what the run does.
        doing: Tells whether code does anything but wait for acts.
        at_work: Tells whether work goes on, which is not replayed.

    Attributes:
        divergence: How it has shown that the code does not fit the journal: nothing goes on from there, even if the
            code catches it.
        holding_back: Holds back what must not begin yet.
        cancelling: Has the code hear that the run is to end.
    """

    def __init__(
        self,
        history: History,
        tasks: RunTasks,
        *,
        moves: Callable[[], int],
        doing: Doing,
        at_work: Callable[[], bool],
    ) -> None:
        self.divergence: NonDeterminismError | None = None
        self._history = history
        self._tasks = tasks
        self._doing = doing
        self._at_work = at_work
        self._turns = Turns(moves, self._is_too_early)
        self.holding_back = HoldingBack(history, lambda: self.goes_on, doing)
        self.cancelling = Cancelling(history, self._turns, self.holding_back.look_again)

    @property
    def goes_on(self) -> bool:
        """Whether the journal has something that the code has not repeated or been told yet."""
        return self._history.replaying or self.cancelling.pending

    def known(self, asked: Asked) -> Settled | None:
        """Tell how an act ended, if it did, without waiting for anything.

        Raises:
            NonDeterminismError: If the journal has another act in its place, or had one before.
            NotSerialisableError: If what the act is called by holds a secret.
        """
        if self.divergence is not None:
            raise self.divergence
        if (secret := secret_in(asked.key) or secret_in(asked.target)) is not None:
            raise secret_refused(f"the name or key= of an act ({asked.kind}) holds", secret)
        try:
            settled = self._history.settled(asked)
        except NonDeterminismError as divergence:
            self._diverge(divergence)
        if not self.goes_on:
            self.holding_back.look_again()
        return settled

    async def may_go_on(self, asked: Asked) -> Settled | None:
        """Tell how an act ended, if it did; one that the journal does not know waits until replay is over.

        Raises:
            NonDeterminismError: If the code does not repeat what the journal says it did.
            asyncio.CancelledError: If the code gives the act up, as it did before.
        """
        settled = self.known(asked)
        if self._history.is_given_up(asked.key):
            await self._until_given_up(asked)
        if settled is None and self._must_wait(asked):
            await self._over(asked)
            settled = self.known(asked)  # its answer may have come meanwhile
        return settled

    def _must_wait(self, asked: Asked) -> bool:
        """Tell whether an act must not begin yet: only what was begun before, or is part of it, goes on."""
        if not self.goes_on:
            return False
        return self._history.intended(asked.key) is None and not self._history.was_inside(asked.key)

    async def _over(self, asked: Asked) -> None:
        try:
            await self.holding_back.until_replayed(asked)
        except NonDeterminismError as divergence:
            self._diverge(divergence)

    async def until_given_up(self, asked: Asked) -> None:
        """Wait until the code gives an act up, if it has done so before it was told how this had ended.

        Raises:
            NonDeterminismError: If it does not give it up.
            asyncio.CancelledError: If it does.
        """
        if self._history.is_given_up(asked.key):
            self.known(asked)
            await self._until_given_up(asked)

    async def _until_given_up(self, asked: Asked) -> None:
        with self._passing_time():
            try:
                await self.holding_back.until_given_up(asked)
            except NonDeterminismError as divergence:
                self._history.repeat_giving_up(asked.key)
                if in_work.get():
                    raise NotGivenUpError(asked.key) from None
                self._diverge(divergence)

    @contextmanager
    def _passing_time(self) -> Generator[None]:
        """Have time limits of the code end that it has waited for before; work does what it does in its own time."""
        if in_work.get():
            yield
            return
        passing = outside(self._pass_time(), "passing time")
        try:
            yield
        finally:
            passing.cancel()

    async def _pass_time(self) -> None:
        while True:
            await self._turns.rest()
            if self._history.replaying and not self._at_work():
                self._tasks.pass_time()
            await asyncio.sleep(_LOOK_AGAIN_AFTER_S)

    def _diverge(self, divergence: NonDeterminismError) -> NoReturn:
        self.divergence = divergence
        raise divergence from None

    async def in_turn(self, key: str) -> None:
        """Wait until it is the turn of a settled act to be told to the code."""
        number = self._history.settled_at(key)
        if self._tasks.alive or self.cancelling.pending or self._history.awaits_before(number):
            await self._turns.turn(number)

    def _is_too_early(self, number: int) -> bool:
        """Tell whether code that does something of its own may come to what the journal has before a place."""
        return self._history.awaits_before(number) and self._doing(())

    async def repeat_what_is_left(self) -> None:
        """Let tasks that the code has left behind repeat what they did before its end, such as a generator's `finally`."""
        unmatched = -1
        while self._history.replaying and self._history.unmatched != unmatched:
            unmatched = self._history.unmatched
            await self._turns.rest()

    def stop(self) -> None:
        """Tell the code nothing more."""
        self._turns.stop()
        self.cancelling.stop()
