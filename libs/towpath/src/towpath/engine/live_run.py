"""A run that is held in memory: its history, its journal, what it waits for, and what comes for it."""

import asyncio
from collections.abc import Coroutine, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import structlog

from towpath.engine.asked import Asked, Settled
from towpath.engine.history import History
from towpath.engine.idling import Idling
from towpath.engine.ports import Chance, ClaimLostError, Clock, Entries, Outbox, Sleep, system_chance
from towpath.engine.reception import Reception
from towpath.engine.refusing import Refusing
from towpath.engine.replay import Replay
from towpath.engine.tasks import RunTasks
from towpath.engine.waiters import Waiter, Waiters
from towpath.engine.work import Work
from towpath.engine.writing import Writing
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
        begun_at: When it was taken for the first time, in seconds since 1970, as far as is known.
        let_go: Set once the run is not ours any more, or is to be dropped from memory.
        ending: Set once its code has ended: nothing that comes now changes it.
        replay: Holds what the code does against the journal.
        reception: Takes what comes for the run.
        cancelling: Has the code hear that the run is to end.
        tasks: What the code has started beside itself.
        idling: Tells whether it only waits.
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
        begun_at: float | None = None,
    ) -> None:
        self.run_id = run_id
        self.started = started
        self.begun_at = started.at if begun_at is None else begun_at
        self.traceparent = started.traceparent
        self.history = history
        self.outbox = outbox
        self.clock, self.sleep, self.chance = clock, sleep, chance
        self.let_go = asyncio.Event()
        self.ending = False
        self.moves = 0
        self.progressed_at = asyncio.get_running_loop().time()
        self._writing = Writing(entries, history, on_lost=self.let_go.set)
        self.in_flight: set[str] = set()
        self._waiters = Waiters()
        self._work = Work(self._worked)
        self.refusing = Refusing()
        self.tasks = RunTasks(self._moved, lambda: self.refusing.over)
        self.replay = Replay(
            history,
            self.tasks,
            moves=lambda: self.moves,
            doing=self._goes_on_beside,
            at_work=lambda: bool(self._work),
        )
        self.cancelling = self.replay.cancelling
        self.reception = Reception(history, self, clock, self._received)
        self.idling = Idling(
            history,
            clock,
            waiters=self._waiters,
            work=self._work,
            tasks=self.tasks,
            writing=self._writing,
            replay=self.replay,
        )

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
        """Write the end of the run, behind which nothing is written, and before it what goes to whoever goes on from it.

        Raises:
            asyncio.CancelledError: If the run was let go: its end is somebody else's.
        """
        self.ending = True
        untold = frozenset(self.in_flight)  # before those leave that are cancelled now
        if self.let_go.is_set():
            raise asyncio.CancelledError
        with self._losing():
            if finished.successor is not None:
                await self._writing.until_all_learned()
                for record in self.reception.returned(untold):
                    await self._writing.append(record)
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
            self._lose()
            raise asyncio.CancelledError from None
        self.progressed_at = self._now()

    def _lose(self) -> None:
        log.info("another runner owns the run now")
        self.let_go.set()

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
        if self.replay.divergence is not None:
            await self.refusing.refuse(self.replay.divergence)

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
        settled = await self.replay.may_go_on(asked)
        if settled is not None:
            await self._in_turn(asked.key)
        elif not self._is_done_elsewhere(asked):
            await self.until_unpaused()
        return settled

    def _is_done_elsewhere(self, asked: Asked) -> bool:
        """Tell whether an act has begun and the code only waits for it: that is no work of the run."""
        return self.history.intended(asked.key) is not None and asked.kind != "model"

    async def until_given_up(self, asked: Asked) -> None:
        """Wait until the code gives an act up, if it has done so before it was told how this had ended.

        Raises:
            NonDeterminismError: If it does not give it up.
            asyncio.CancelledError: If it does, or nothing may be done for the run here any more.
        """
        await self.check_going_on()
        await self.replay.until_given_up(asked)

    def repeat_giving_up(self, key: str) -> None:
        """Learn that the code has given an act up again, as the journal says."""
        self.moves += 1
        self.history.repeat_giving_up(key)
        self.replay.holding_back.look_again()

    def _goes_on_beside(self, held: Iterable[str]) -> bool:
        return self.idling.goes_on_beside(held)

    def repeat_end(self) -> None:
        """Learn that the code has ended again while it waited for signals which its end has given back."""
        for key in self.in_flight:
            settled = self.history.outcome(key)
            if settled is not None and settled.source is not None and self.history.is_given_up(key):
                self.repeat_giving_up(key)

    async def _in_turn(self, key: str) -> None:
        await self.replay.in_turn(key)
        self.moves += 1

    async def tell(self, record: AnySettled) -> AnySettled:
        """Write the record that settles an act, and return it when the code is to be told of it."""
        written = await self.append(record)
        await self._in_turn(written.key)
        return written

    # --- Waiting ----------------------------------------------------------------------------------

    def busy(self, place: str = "") -> AbstractContextManager[None]:
        """Mark that code of the run is at work, in the step at `place` if in one: it is not merely waiting."""
        return self._work.at(place)

    def resting(self, place: str) -> AbstractContextManager[None]:
        """Mark that the code at `place`, where the run is `busy`, waits for an act of its own."""
        return self._work.interrupted(place)

    async def until_unpaused(self, place: str | None = None) -> None:
        """Stand still while the run is paused, before its work is tried again: that at `place`, if it is `busy` there."""
        if self.history.incoming.paused:
            with nullcontext() if place is None else self._work.interrupted(place):
                await self.replay.holding_back.until_unpaused()

    def _worked(self) -> None:
        self.moves += 1
        self.progressed_at = self._now()

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Keys of the acts the run waits for."""
        return tuple(self._waiters.keys)

    def is_idle(self, now: float, patience_s: float) -> bool:
        """Tell whether the run has only waited for more than `patience_s` seconds before `now`, of the loop's clock."""
        return now - self.progressed_at > patience_s and self.idling.only_waits

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
        if self.ending:
            return await self._is_for_nobody(event)
        if self.let_go.is_set():
            return False
        self.moves += 1
        await self.reception.take(event)
        return self.history.has_taken(event) or await self.is_ours()  # else it may mean something to others

    async def _is_for_nobody(self, event: RunEvent) -> bool:
        """Tell, once the end is written, whether nobody goes on from the run to whom what comes now belongs."""
        if self.history.finished is None:
            await self.let_go.wait()
        finished = self.history.finished
        return finished is not None and (isinstance(event, Answered) or finished.successor is None)

    async def is_ours(self) -> bool:
        """Ask whether nobody else has taken the run by now; if somebody has, let it go."""
        if not await self._writing.is_ours():
            self._lose()
        return not self.let_go.is_set()

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
                self.replay.holding_back.look_again()

    def stop(self) -> None:
        """Tell the code nothing more: it has ended."""
        self.ending = True
        self.replay.stop()
        self.tasks.cancel()
