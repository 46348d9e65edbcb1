"""A run that is held in memory: its history, its journal, what it waits for, and what comes for it."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NoReturn, TypeVar

import structlog

from towpath.engine.asked import Asked, Settled, was_abandoned
from towpath.engine.cancelling import Cancelling
from towpath.engine.history import History
from towpath.engine.holding_back import HoldingBack
from towpath.engine.ports import Chance, ClaimLostError, Clock, Entries, Outbox, Sleep, system_chance
from towpath.engine.reception import Reception
from towpath.engine.refusing import Refusing
from towpath.engine.tasks import RunTasks
from towpath.engine.turns import Turns
from towpath.engine.waiters import Waiter, Waiters
from towpath.engine.work import Work
from towpath.engine.writing import Writing
from towpath.errors import NonDeterminismError
from towpath_schemas.calls import Answered, RunEvent
from towpath_schemas.journal import (
    CallSettled,
    CancelReceived,
    JournalRecord,
    RunFinished,
    RunStarted,
)

log = structlog.get_logger(__name__)

AnyRecord = TypeVar("AnyRecord", bound=JournalRecord)
AnySettled = TypeVar("AnySettled", bound=Settled)


class LiveRun:
    """The state of one held run that its context and its host share.

    Attributes:
        moves: How often the run went on: asked for an act, began to work, was told an outcome. A run whose count
            stands still only waits.
        traceparent: Trace context of the span in which the run is held; what it causes is traced below that.
        let_go: Set once the run is not ours any more, or is to be dropped from memory.
        ending: Set once its code has ended: nothing that comes now changes it.
        divergence: How replay has shown that the code does not fit the journal: nothing goes on from there, even if
            the code catches it.
        reception: Takes what comes for the run.
        cancelling: Has the code hear that the run is to end.
        tasks: What the code has started beside itself.
        in_flight: The keys of the acts that the code has begun and has not been told the end of.
        refusing: Refuses what the code does once nothing may be done for the run here any more.
    """

    def __init__(
        self,
        run_id: str,
        started: RunStarted,
        history: History,
        *,
        entries: Entries,
        outbox: Outbox,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        chance: Chance = system_chance,
    ) -> None:
        self.run_id = run_id
        self.started = started
        self.traceparent = started.traceparent
        self.history = history
        self.outbox = outbox
        self.clock, self.sleep, self.chance = clock, sleep, chance
        self.let_go = asyncio.Event()
        self.ending = False
        self.divergence: NonDeterminismError | None = None
        self.moves = 0
        self.progressed_at = asyncio.get_running_loop().time()
        self._writing = Writing(entries, history, on_lost=self.let_go.set)
        self.in_flight: set[str] = set()
        self._waiters = Waiters()
        self._work = Work(self._worked)
        self.refusing = Refusing()
        self.tasks = RunTasks(self._moved, lambda: self.refusing.over)
        self._holding_back = HoldingBack(history, lambda: self.replaying, lambda: self.does_something)
        self._turns = Turns(lambda: self.moves)
        self.reception = Reception(history, self, clock, self._received)
        self.cancelling = Cancelling(history, self._turns, self._holding_back.look_again)

    def _moved(self) -> None:
        self.moves += 1

    @property
    def trace_headers(self) -> dict[str, str] | None:
        """The headers by which what the run causes is traced below it."""
        return {"traceparent": self.traceparent} if self.traceparent else None

    # --- The journal ------------------------------------------------------------------------------

    async def append(self, record: AnyRecord) -> AnyRecord:
        """Write a record and learn it; if the run is not ours any more, the code ends here.

        Returns:
            What was written: of a record that is too large, its failure.

        Raises:
            ComponentError: If the record is an intent and too large: the act was not begun.
            asyncio.CancelledError: If the run was let go: nothing of it may be done here any more.
        """
        self.check_held()
        with self._losing():
            return await self._writing.append(record)

    async def finish(self, finished: RunFinished) -> RunFinished:
        """Write the end of the run, behind which nothing is written.

        Raises:
            asyncio.CancelledError: If the run was let go: its end is somebody else's.
        """
        self.ending = True
        if self.let_go.is_set():
            raise asyncio.CancelledError
        with self._losing():
            return await self._writing.finish(finished)

    @property
    def writes_held_up(self) -> bool:
        """Whether something that was done waits to be recorded until others are written that nobody waited for."""
        return self._writing.held_up

    def append_soon(self, record: JournalRecord) -> None:
        """Write a record before the next one that is waited for; code that is to end hears of that at its next act."""
        if self.is_held:
            self._writing.append_soon(record)

    @contextmanager
    def _losing(self) -> Generator[None]:
        """End the code here, if a write tells that another runner owns the run."""
        try:
            yield
        except ClaimLostError:
            log.info("another runner owns the run now")
            self.let_go.set()
            raise asyncio.CancelledError from None
        self.progressed_at = self._now()

    def check_held(self) -> None:
        """End the code here, if the run was let go, or has ended and left a task behind.

        Raises:
            asyncio.CancelledError: If so.
        """
        if not self.is_held:
            raise asyncio.CancelledError

    async def check_going_on(self) -> None:
        """Refuse what the code does, if nothing may be done for the run here any more; see `Refusing`.

        Raises:
            NonDeterminismError: If the code has not repeated what the journal says it did.
            asyncio.CancelledError: If the run was let go, or has ended.
        """
        if not self.is_held:
            await self.refusing.refuse(asyncio.CancelledError())
        if self.divergence is not None:
            await self.refusing.refuse(self.divergence)

    @property
    def is_held(self) -> bool:
        """Whether anything may be done for the run here: it was not let go, and its code has not ended."""
        return not (self.let_go.is_set() or self.ending)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- What the code asks -----------------------------------------------------------------------

    async def ask(self, asked: Asked) -> Settled | None:
        """Tell how an act ended, if it did; an act the journal does not know waits until replay is over.

        Raises:
            NonDeterminismError: If the code did not repeat what the journal says it did.
            asyncio.CancelledError: If nothing may be done for the run here any more.
        """
        await self.check_going_on()
        self.moves += 1
        self.tasks.acts()
        settled = self.known(asked)
        if settled is None and self._must_wait_for_replay(asked):
            await self._replayed(asked)
            settled = self.known(asked)  # its answer may have come meanwhile
        if settled is not None and was_abandoned(settled):
            await asyncio.Event().wait()  # the code gave it up before it was told of it, and will again
        elif settled is not None:
            await self._in_turn(asked.key)
        elif not self._is_done_elsewhere(asked):
            await self.until_unpaused()
        return settled

    def known(self, asked: Asked) -> Settled | None:
        """Tell how an act ended, if it did, without waiting for anything.

        Raises:
            NonDeterminismError: If the journal has another act in its place, or had one before.
        """
        if self.divergence is not None:
            raise self.divergence
        try:
            settled = self.history.settled(asked)
        except NonDeterminismError as divergence:
            self.diverge(divergence)
        if not self.replaying:
            self._holding_back.look_again()
        return settled

    @property
    def replaying(self) -> bool:
        """Whether the journal has something that the code has not repeated or been told yet."""
        return self.history.replaying or self.cancelling.pending

    def _must_wait_for_replay(self, asked: Asked) -> bool:
        """Tell whether an act must not begin yet: only what was begun before, or is part of it, goes on."""
        if not self.replaying:
            return False
        return self.history.intended(asked.key) is None and not self.history.was_inside(asked.key)

    def _is_done_elsewhere(self, asked: Asked) -> bool:
        """Tell whether an act has begun and the code only waits for it: that is no work of the run."""
        return self.history.intended(asked.key) is not None and asked.kind != "model"

    async def _replayed(self, asked: Asked) -> None:
        try:
            await self._holding_back.until_replayed(asked)
        except NonDeterminismError as divergence:
            self.diverge(divergence)

    def diverge(self, divergence: NonDeterminismError) -> NoReturn:
        """Have the run fail because its code does not repeat what the journal says it did.

        Raises:
            NonDeterminismError: Always.
        """
        self.divergence = divergence
        raise divergence from None

    async def _in_turn(self, key: str) -> None:
        """Wait until it is the turn of a settled act to be told to the code."""
        if self.tasks.alive or self.cancelling.pending:
            await self._turns.turn(self.history.settled_at(key))
        self.moves += 1

    async def repeat_what_is_left(self) -> None:
        """Let tasks that the code has left behind repeat what they did before its end, such as a generator's `finally`."""
        unmatched = -1
        while self.history.replaying and self.history.unmatched != unmatched:
            unmatched = self.history.unmatched
            await self._turns.rest()

    async def tell(self, record: AnySettled) -> AnySettled:
        """Write the record that settles an act, and return it when the code is to be told of it."""
        written = await self.append(record)
        await self._in_turn(written.key)
        return written

    # --- Waiting ----------------------------------------------------------------------------------

    def busy(self, place: str = "") -> AbstractContextManager[None]:
        """Mark that code of the run is at work, in the step at `place` if in one: it is not merely waiting."""
        return self._work.at(place)

    async def until_unpaused(self, place: str | None = None) -> None:
        """Stand still while the run is paused, before its work is tried again: that at `place`, if it is `busy` there."""
        if self.history.paused:
            with nullcontext() if place is None else self._work.interrupted(place):
                await self._holding_back.until_unpaused()

    def _worked(self) -> None:
        self.moves += 1
        self.progressed_at = self._now()

    @property
    def working(self) -> int:
        """How many pieces of its code are at work, without steps that wait for an act inside of them."""
        return self._work.beside(self._waiters.keys)

    @property
    def does_something(self) -> bool:
        """Whether its code goes on by itself: acts of it are at work, or it awaits what is no act."""
        return bool(self._work) or not self.tasks.at_rest

    @property
    def catching_up(self) -> bool:
        """Whether it will go on by itself, though it seems to wait: replay is not over, or the code is to end."""
        return self._holding_back.for_replay > 0 or self.cancelling.pending

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Keys of the acts the run waits for."""
        return tuple(self._waiters.keys)

    @property
    def only_waits(self) -> bool:
        """Whether nothing of the run goes on but waiting for what comes from outside."""
        waits = bool(self._waiters) or self._holding_back.for_pause > 0
        return waits and not (self._writing.busy or self.catching_up or self.does_something)

    def is_idle(self, now: float, patience_s: float) -> bool:
        """Tell whether the run has only waited for more than `patience_s` seconds before `now`, of the loop's clock."""
        return now - self.progressed_at > patience_s and self.only_waits

    def waits_long(self, patience_s: float) -> bool:
        """Tell whether all it waits for are people, signals, or moments more than `patience_s` away."""
        is_far = self.history.paused or all(self._is_far(key, patience_s) for key in self._waiters.keys)
        return is_far and self.only_waits

    def _is_far(self, key: str, patience_s: float) -> bool:
        intended = self.history.intended(key)
        if intended is None or intended.act not in {"signal", "timer", "approval"}:
            return False
        return intended.until is None or intended.until - self.clock() > patience_s

    def expect(self, key: str) -> Coroutine[Any, Any, CallSettled]:
        """Begin to wait for the call at `key`; await what is returned for how it ended, when it is told."""
        self.check_held()
        waiter = self._waiters.add(key)
        if (settled := self.history.outcome(key)) is not None:
            self._waiters.remove(key, waiter)  # nobody will tell it
            waiter.set_result(settled)
        return self._told(key, waiter)

    async def _told(self, key: str, waiter: Waiter) -> CallSettled:
        try:
            settled = await waiter
        finally:
            self.moves += 1
            self._waiters.remove(key, waiter)
        await self._in_turn(key)
        return settled

    async def answer(self, key: str) -> CallSettled:
        """Wait for the call at `key` to be settled, and for its turn to be told."""
        return await self.expect(key)

    # --- What comes from outside --------------------------------------------------------------------

    async def take(self, event: RunEvent) -> bool:
        """Take an event into the journal; tell whether it is there, now or already."""
        await self._until_asked(event)
        if self.ending and not isinstance(event, Answered):
            return await self._is_for_nobody()
        if self.let_go.is_set():
            return False
        if not self.ending:
            self.moves += 1
            await self.reception.take(event)
        return True

    async def _is_for_nobody(self) -> bool:
        """Tell whether nobody goes on from the run, once that is written, to whom what comes now belongs."""
        await self.let_go.wait()
        return self.history.finished is not None and self.history.finished.successor is None

    async def _until_asked(self, event: RunEvent) -> None:
        """Let the intent be learned first that is answered: others may see it in the journal before we hear that it is there."""
        if isinstance(event, Answered) and self.history.intended(event.key) is None:
            await self._writing.until_learned()

    def _received(self, record: JournalRecord) -> None:
        """Have the code go on, if it waits for this."""
        match record:
            case CallSettled():
                self._waiters.tell(record)
            case CancelReceived():
                self.cancelling.tell()
            case _:
                self._holding_back.look_again()

    def stop(self) -> None:
        """Tell the code nothing more: it has ended."""
        self.ending = True
        self._turns.stop()
        self.cancelling.stop()
        self.tasks.cancel()
