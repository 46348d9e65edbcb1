"""Takes what comes for a held run into its journal: each once, by whichever way it comes first.

Signals of one name are taken in the order in which they come, and go to waits in that order. What came for a wait that
the code has given up is not lost on it: a signal goes to the next wait of its name.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from towpath.engine.history import History, Received
from towpath.engine.ports import Clock
from towpath.engine.tasks import outside
from towpath_schemas.calls import RunEvent, SignalSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    JournalRecord,
    SignalReturned,
)

AnyReceived = TypeVar("AnyReceived", bound=Received)


class Writer(Protocol):
    """Writes records into the journal of a run; see `LiveRun`."""

    @property
    def is_held(self) -> bool:
        """Whether anything may be written."""
        ...

    async def append(self, record: AnyReceived, /) -> AnyReceived:
        """Write a record."""
        ...

    def append_soon(self, record: JournalRecord, /) -> None:
        """Write a record before the next one that is waited for."""
        ...


class _Coming:
    """The signals of one name that are being taken: how many, and whose turn it is."""

    def __init__(self) -> None:
        self.signals = 0
        self.one = asyncio.Lock()


class Reception:
    """The door of one held run.

    Args:
        received: Told of each record that was written, so that code that waits for it goes on.
    """

    def __init__(
        self, history: History, writer: Writer, clock: Clock, received: Callable[[JournalRecord], None]
    ) -> None:
        self._history = history
        self._writer = writer
        self._clock = clock
        self._received = received
        self._being_taken: dict[str, asyncio.Future[None]] = {}
        self._signals_come: dict[str, _Coming] = {}
        self._given_up: set[str] = set()
        self._offering: set[asyncio.Task[None]] = set()

    async def take(self, event: RunEvent) -> None:
        """Take an event; when this returns it is in the journal, now or already, or changes nothing."""
        if not isinstance(event, SignalSent):
            await self._take(event)
            return
        async with self._after_those_before(event.name):
            await self._offer(event.name)
            await self._take(event)
            await self._offer(event.name)

    async def _take(self, event: RunEvent) -> None:
        while (record := self._history.reception(event, self._clock())) is not None:
            place = record.key if isinstance(record, CallSettled) else record.kind
            if (rival := self._being_taken.get(place)) is None:
                await self._write(place, record)
                return
            # It is the same event by another way, or another for this act: the first counts.
            await asyncio.wait({rival})

    async def _write(self, place: str, record: AnyReceived) -> AnyReceived:
        taking = self._being_taken[place] = asyncio.get_running_loop().create_future()
        try:
            written = await self._writer.append(record)
        finally:
            del self._being_taken[place]
            taking.cancel()
        self._received(written)
        if place in self._given_up:
            self._end(place)
        return written

    # --- Signals that nobody waited for when they came --------------------------------------------------

    @asynccontextmanager
    async def _after_those_before(self, name: str) -> AsyncGenerator[None]:
        """Wait until the signals of a name that came before are taken: one that is being kept may not be overtaken."""
        coming = self._signals_come.setdefault(name, _Coming())
        coming.signals += 1
        try:
            async with coming.one:
                yield
        finally:
            coming.signals -= 1
            if not coming.signals:
                del self._signals_come[name]

    async def _offer(self, name: str) -> None:
        """Settle the waits that are open with the signals that were kept."""
        while (waiting := self._history.waiting_for_signal(name)) is not None:
            if not await self._take_kept(waiting.key, name):
                return

    async def take_kept(self, key: str, name: str) -> bool:
        """Settle a wait with the earliest signal of its name that was kept; tell whether it is settled.

        Where the code gives the wait up meanwhile, the signal has been taken all the same, and is given back.
        """
        return await asyncio.shield(outside(self._take_kept(key, name), "take kept signal"))

    async def _take_kept(self, key: str, name: str) -> bool:
        while (rival := self._being_taken.get(key)) is not None:
            await asyncio.wait({rival})
        if self._history.outcome(key) is not None:
            return True
        kept = self._history.incoming.kept_signal(name)
        if kept is None or not self._writer.is_held:
            return False  # after the end of the run it is kept for whoever goes on from it
        self._history.incoming.claim(kept.signal_id)
        record = CallSettled(
            at=self._clock(),
            key=key,
            act="signal",
            target=name,
            result=kept.payload,
            source=kept.signal_id,
        )
        await self._write(key, record)
        return True

    # --- Waits that the code gives up -------------------------------------------------------------------

    def give_up(self, key: str) -> None:
        """Have the wait at `key` take nothing more, and hand on the signal that the code was not told of."""
        self._given_up.add(key)
        if key not in self._being_taken:
            self._end(key)

    def _end(self, key: str) -> None:
        if not self._writer.is_held:
            return  # whoever goes on with the run comes here, too
        intended, outcome = self._history.intended(key), self._history.outcome(key)
        if outcome is not None:
            self._give_back(outcome)
        elif intended is not None:
            self._writer.append_soon(_cancelled(intended, self._clock()))

    def returned(self, untold: Collection[str]) -> list[SignalReturned]:
        """Write down which signals go back at the end of the run: those of waits that were not told, or given up."""
        settled = (self._history.outcome(key) for key in {*untold, *self._given_up})
        back = (record for one in settled if one is not None and (record := self._returned(one)) is not None)
        return sorted(back, key=lambda record: self._history.settled_at(record.key))

    def _returned(self, settled: CallSettled) -> SignalReturned | None:
        signal_id = self._history.owed_signal(settled.key)
        if signal_id is None:
            return None
        return SignalReturned(at=self._clock(), key=settled.key, signal_id=signal_id, name=settled.target)

    def _give_back(self, settled: CallSettled) -> None:
        returned = self._returned(settled)
        if returned is None:
            return
        self._writer.append_soon(returned)
        offering = outside(self._offer(settled.target), "offer returned signal")
        self._offering.add(offering)
        offering.add_done_callback(self._offering.discard)


def _cancelled(intended: CallIntended, at: float) -> CallSettled:
    """Record that nobody waits any more, so that what comes later is not taken by a wait that was given up."""
    return CallSettled(
        at=at,
        key=intended.key,
        act=intended.act,
        target=intended.target,
        failure=Failure(code="cancelled", message="the run stopped waiting for it"),
        agent=intended.agent,
    )
