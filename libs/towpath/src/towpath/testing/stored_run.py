"""What is kept of a run, whether it is in memory or not: its journal, and what has come for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

from towpath.engine.history import History
from towpath.engine.ports import ClaimLostError
from towpath_schemas.calls import RunEvent
from towpath_schemas.journal import Act, JournalRecord, RunFinished, RunStarted, RunSuspended, read_record
from towpath_schemas.runs import RunStatus


@dataclass(slots=True)
class StoredRun:
    """One run.

    Attributes:
        entries: The journal: each entry's number and body, in the order in which they were written.
        inbox: What came while nobody held the run, in its order.
        epoch: How often it was claimed.
        ended: Done once it has ended, and what was left to do then is done.
        chunks: What its component has streamed, and what streams in it by their keys; by number.
        alarms: How each alarm that is set is taken back, by the act's key.
    """

    run_id: str
    started: RunStarted
    entries: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    inbox: list[RunEvent] = field(default_factory=list[RunEvent])
    epoch: int = 0
    ended: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    chunks: dict[str | None, dict[int, Any]] = field(default_factory=dict[str | None, dict[int, Any]])
    alarms: dict[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])

    def __post_init__(self) -> None:
        self.entries.append((0, self.started.to_body()))

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
                if self.history.paused:
                    return "paused"
                return "suspended" if isinstance(newest, RunSuspended) else "running"

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
