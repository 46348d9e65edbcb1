"""Takes what comes for a held run into its journal: each once, by whichever way it comes first."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from towpath.engine.history import History, Received
from towpath.engine.ports import Clock
from towpath_schemas.calls import RunEvent
from towpath_schemas.journal import CallSettled, JournalRecord, SignalReceived

AnyReceived = TypeVar("AnyReceived", bound=Received)


class Append(Protocol):
    """Writes a record into the run's journal; see `LiveRun.append`."""

    async def __call__(self, record: AnyReceived, /) -> AnyReceived:
        """Write one record."""
        ...


class Reception:
    """The door of one held run.

    Args:
        received: Told of each record that was written, so that code that waits for it goes on.
    """

    def __init__(
        self, history: History, append: Append, clock: Clock, received: Callable[[JournalRecord], None]
    ) -> None:
        self._history = history
        self._append = append
        self._clock = clock
        self._received = received
        self._being_taken: dict[str, asyncio.Future[None]] = {}

    async def take(self, event: RunEvent) -> None:
        """Take an event; when this returns it is in the journal, now or already, or changes nothing."""
        while (record := self._history.reception(event, self._clock())) is not None:
            place = record.key if isinstance(record, CallSettled) else record.kind
            if (rival := self._being_taken.get(place)) is None:
                await self._write(place, record)
                break
            await asyncio.wait(
                {rival}
            )  # the same event by another way, or another for this act: the first counts
        if isinstance(record, SignalReceived):
            await self._offer(record.name)

    async def _write(self, place: str, record: AnyReceived) -> AnyReceived:
        taking = self._being_taken[place] = asyncio.get_running_loop().create_future()
        try:
            written = await self._append(record)
        finally:
            del self._being_taken[place]
            taking.cancel()
        self._received(written)
        return written

    async def _offer(self, name: str) -> None:
        """Settle a wait that began while the signal was being written down for later."""
        if (waiting := self._history.waiting_for_signal(name)) is not None:
            await self.take_kept(waiting.key, name)

    async def take_kept(self, key: str, name: str) -> bool:
        """Settle a wait with the earliest signal of its name that was kept; tell whether it is settled."""
        while (rival := self._being_taken.get(key)) is not None:
            await asyncio.wait({rival})
        if self._history.outcome(key) is not None:
            return True
        kept = self._history.kept_signal(name)
        if kept is None:
            return False
        self._history.claim_signal(kept.signal_id)
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
