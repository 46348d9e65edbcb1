"""What is kept of a run, whether it is in memory or not: its journal, and what has come for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

from towpath.engine.history import History
from towpath.engine.ports import ClaimLostError
from towpath_schemas.calls import RunEvent, event_id_of
from towpath_schemas.journal import Act, JournalRecord, RunFinished, RunStarted, RunSuspended, read_record
from towpath_schemas.runs import RunStatus
from towpath_schemas.succession import heir_of, id_taken, left_over, readdressed


@dataclass(slots=True)
class Streamed:
    """What one component has streamed so far, by number, and the attempt that said so."""

    chunks: dict[int, Any] = field(default_factory=dict[int, Any])
    attempt: int = 1

    def put(self, index: int, chunk: Any, attempt: int) -> None:
        """Keep a chunk; one of a further attempt takes the place of what stood there and behind."""
        if attempt > self.attempt:
            self.attempt = attempt
            self.chunks = {number: said for number, said in self.chunks.items() if number < index}
        if attempt == self.attempt:
            self.chunks[index] = chunk

    def in_order(self) -> list[Any]:
        """List the chunks."""
        return [chunk for _, chunk in sorted(self.chunks.items())]


@dataclass(slots=True)
class StoredRun:
    """One run.

    Attributes:
        entries: The journal: each entry's number and body, in the order in which they were written.
        inbox: What came while nobody held the run, in its order.
        epoch: How often it was claimed.
        ended: Done once it has ended, and what was left to do then is done.
        streams: What its component has streamed, and what streams in it by their keys.
        alarms: How each alarm that is set is taken back, by the act's key.
    """

    run_id: str
    started: RunStarted
    entries: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    inbox: list[RunEvent] = field(default_factory=list[RunEvent])
    epoch: int = 0
    ended: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    streams: dict[str | None, "Streamed"] = field(default_factory=dict[str | None, "Streamed"])
    alarms: dict[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])

    def __post_init__(self) -> None:
        self.entries.append((0, self.started.to_body()))

    def stream(self, key: str | None, index: int, chunk: Any, attempt: int) -> None:
        """Keep a chunk of its component, or of what streams in it at `key`."""
        self.streams.setdefault(key, Streamed()).put(index, chunk, attempt)

    def journal(self) -> list[tuple[int, JournalRecord]]:
        """Read the journal; what is done to what is returned changes nothing."""
        return [(number, read_record(body)) for number, body in self.entries]

    @property
    def history(self) -> History:
        """What the journal says."""
        return History(self.journal())

    @property
    def finished(self) -> RunFinished | None:
        """How it ended, after which nothing was written; None if it has not."""
        last = self.newest
        return last if isinstance(last, RunFinished) else None

    @property
    def newest(self) -> JournalRecord:
        """The last record of the journal."""
        return read_record(self.entries[-1][1])

    @property
    def status(self) -> RunStatus:
        """How it is."""
        match self.newest:
            case RunFinished() as finished:
                return finished.end
            case RunStarted():
                return "accepted"
            case newest:
                if self.history.incoming.paused:
                    return "paused"
                return "suspended" if isinstance(newest, RunSuspended) else "running"

    @property
    def heir(self) -> str | None:
        """The run that goes on in its place, once it is made."""
        return heir_of(self.run_id, self.finished) if self.finished is not None else None

    def has_taken(self, event: RunEvent) -> bool:
        """Tell whether a signal or a wish is in the journal."""
        return any(id_taken(record) == event_id_of(event) for _, record in self.journal())

    def left_to(self, heir: str) -> list[RunEvent]:
        """List what came for it and was not heard, as the run that goes on from it is told."""
        late = (readdressed(event, heir) for event in self.inbox if not self.has_taken(event))
        records = [record for _, record in self.journal()]
        return [*left_over(heir, records), *(event for event in late if event is not None)]

    def claim(self) -> int:
        """Become the only one who may write the journal; return the claim's number."""
        self.epoch += 1
        return self.epoch

    def append(self, epoch: int, number: int, body: bytes) -> None:
        """Write an entry under a claim.

        Raises:
            ClaimLostError: If there is a newer claim, or the run has ended.
        """
        if epoch != self.epoch or self.finished is not None:
            raise ClaimLostError(self.run_id)
        self.entries.append((number, body))

    def forget_alarms(self) -> None:
        """Take all alarms back."""
        for take_back in self.alarms.values():
            take_back()
        self.alarms.clear()

    @property
    def waits_for(self) -> list[str]:
        """What it has begun that has not ended, for people."""
        acts: tuple[Act, ...] = get_args(Act)
        begun = [intent for act in acts for intent in self.history.unsettled(act)]
        return [f"{intent.act} {intent.target!r}" for intent in begun]
