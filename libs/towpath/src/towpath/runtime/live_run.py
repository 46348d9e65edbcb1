"""A run that is held in memory: its history, its journal, and the calls it waits for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol, TypeVar

import structlog

from towpath.errors import ComponentError
from towpath.runtime.journal import ClaimLostError
from towpath.runtime.replay import Asked, History, Settled
from towpath_chassis.jetstream import JetStream
from towpath_schemas.calls import Answered
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallSettled, JournalRecord, RunFinished, RunStarted, StepSettled
from towpath_schemas.requests import MAX_PAYLOAD_BYTES

log = structlog.get_logger(__name__)

AnyRecord = TypeVar("AnyRecord", bound=JournalRecord)

_DIVERGED_AFTER_S = 1.0
"""How long code under replay may do nothing the journal knows before it is said to have diverged."""


class Entries(Protocol):
    """Where a run's records are written; `Journal` on the platform."""

    async def append(self, number: int, body: bytes) -> None:
        """Write one entry.

        Raises:
            ClaimLostError: If the run is not ours any more.
        """
        ...


class LiveRun:
    """The state of one held run that its context and its host share.

    Attributes:
        moves: How often the run went on: asked for an act, began to work, was given an answer (counted before
            that is written). A run whose count stands still only waits.
        traceparent: Trace context of the span in which the run is held; what it causes is traced below that.
        let_go: Set once the run is not ours any more, or is to be dropped from memory.
    """

    def __init__(
        self, js: JetStream, run_id: str, started: RunStarted, history: History, journal: Entries
    ) -> None:
        self.js = js
        self.run_id = run_id
        self.started = started
        self.traceparent = started.traceparent
        self.history = history
        self.let_go = asyncio.Event()
        self.progressed_at = time.monotonic()
        self._journal = journal
        self._waiters: dict[str, asyncio.Future[CallSettled]] = {}
        self._soon: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._replayed = asyncio.Event()
        self._being_taken: dict[str, asyncio.Future[None]] = {}
        self.moves = 0
        self._reach: Callable[[], Awaitable[None]] | None = None

    @property
    def trace_headers(self) -> dict[str, str] | None:
        """The headers by which what the run causes is traced below it."""
        return {"traceparent": self.traceparent} if self.traceparent else None

    def reached_by(self, reach: Callable[[], Awaitable[None]]) -> None:
        """Say how the run is made reachable for answers; done when the first call needs one."""
        self._reach = reach

    async def reachable(self) -> None:
        """Make sure that answers can reach the run in memory."""
        if self._reach is not None:
            await self._reach()

    # --- The journal ------------------------------------------------------------------------------

    async def append(self, record: AnyRecord) -> AnyRecord:
        """Write a record and learn it; if the run is not ours any more, the code ends here.

        Returns:
            What was written: of a record that is too large, its failure.

        Raises:
            ComponentError: If the record is an intent and too large: the act was not begun.
            asyncio.CancelledError: If the run was let go: nothing of it may be done here any more.
        """
        self._check_held()
        if self._soon:
            await asyncio.gather(*self._soon)
        written, body = fitting(record)
        try:
            await self._journal.append(self.history.take_number(), body)
        except ClaimLostError:
            self._lose()
        self.history.add(written)
        self.progressed_at = time.monotonic()
        return written

    def append_soon(self, record: JournalRecord) -> None:
        """Write a record before the next one that is waited for."""
        self._check_held()
        self.history.add(record)
        task = asyncio.create_task(self._append_numbered(self.history.take_number(), record))
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    async def _append_numbered(self, number: int, record: JournalRecord) -> None:
        try:
            await self._journal.append(number, record.to_body())
        except ClaimLostError:
            self.let_go.set()

    def _check_held(self) -> None:
        if self.let_go.is_set():
            raise asyncio.CancelledError

    def _lose(self) -> NoReturn:
        log.info("another runner owns the run now")
        self.let_go.set()
        raise asyncio.CancelledError

    # --- Replay -----------------------------------------------------------------------------------

    async def ask(self, asked: Asked) -> Settled | None:
        """Tell how an act ended, if it did; an act the journal does not know waits until replay is over.

        Raises:
            NonDeterminismError: If the code did not repeat what the journal says it did.
        """
        self._check_held()
        self.moves += 1
        settled = self.known(asked)
        if settled is None and self.history.replaying and not self.history.was_inside(asked.key):
            await self._until_replayed(asked)
            settled = self.known(asked)  # its answer may have come meanwhile
        return settled

    def known(self, asked: Asked) -> Settled | None:
        """Tell how an act ended, if it did, without waiting for anything.

        Raises:
            NonDeterminismError: If the journal has another act in its place.
        """
        settled = self.history.settled(asked)
        if not self.history.replaying:
            self._replayed.set()
        return settled

    async def _until_replayed(self, asked: Asked) -> None:
        """Wait until the code has asked for all that the journal knows.

        Raises:
            NonDeterminismError: If it does not go on to do so.
        """
        while self.history.replaying:
            unmatched = self.history.unmatched
            try:
                await asyncio.wait_for(self._replayed.wait(), _DIVERGED_AFTER_S)
            except TimeoutError:
                if self.history.unmatched == unmatched:
                    raise self.history.diverged(str(asked)) from None

    # --- Waiting ----------------------------------------------------------------------------------

    def busy(self) -> "_Busy":
        """Mark that code of the run is at work: it is not merely waiting."""
        return _Busy(self)

    def begin_work(self) -> None:
        """Count one more piece of code at work."""
        self._busy += 1
        self.moves += 1

    def end_work(self) -> None:
        """Count one less."""
        self._busy -= 1
        self.progressed_at = time.monotonic()

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Keys of the calls the run waits for."""
        return tuple(self._waiters)

    def idle_for(self, now: float) -> float:
        """Tell for how many seconds the run has done nothing but wait for calls; 0 if it does something."""
        return now - self.progressed_at if self._waiters and not self._busy else 0.0

    async def answer(self, key: str) -> CallSettled:
        """Wait for the call at `key` to be settled."""
        self._check_held()
        if (settled := self.history.outcome(key)) is not None:
            return settled
        future: asyncio.Future[CallSettled] = asyncio.get_running_loop().create_future()
        self._waiters[key] = future
        try:
            return await future
        finally:
            self.moves += 1
            self._waiters.pop(key, None)

    async def take(self, answered: Answered) -> bool:
        """Take an answer into the journal; tell whether it is there, now or already."""
        while (taking := self._being_taken.get(answered.key)) is not None:
            await asyncio.wait({taking})  # the same answer by another way, or a second one: the first counts
        if self.let_go.is_set():
            return False
        settled = self.history.settlement(answered, time.time())
        if settled is None:
            return True
        self.moves += 1
        taking = self._being_taken[answered.key] = asyncio.get_running_loop().create_future()
        try:
            settled = await self.append(settled)
        finally:
            del self._being_taken[answered.key]
            taking.set_result(None)
        waiter = self._waiters.get(answered.key)
        if waiter is not None and not waiter.done():
            waiter.set_result(settled)
        return True


class _Busy:
    """The block in which code of a run is at work; every step enters one."""

    __slots__ = ("_run",)

    def __init__(self, run: LiveRun) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._run.begin_work()

    def __exit__(self, *_error: object) -> None:
        self._run.end_work()


def fitting(record: AnyRecord) -> tuple[AnyRecord, bytes]:
    """Return the record with its body, or in place of one that is too large the same with a failure that says so.

    Raises:
        ComponentError: If it is an intent: then the act must not begin.
    """
    body = record.to_body()
    if len(body) <= MAX_PAYLOAD_BYTES:
        return record, body
    failure = Failure(
        code="payload_too_large",
        message=f"the {record.kind} record has {len(body):,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}; "
        "keep large values elsewhere and pass their place",
    )
    if not isinstance(record, StepSettled | CallSettled | RunFinished):
        raise ComponentError(failure)
    end = {"end": "failed"} if isinstance(record, RunFinished) else {}
    without = record.model_copy(update={"result": None, "failure": failure, **end})
    return without, without.to_body()
