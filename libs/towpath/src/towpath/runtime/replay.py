"""The replay core: what a run's journal says about each act of its code. No broker, no clock, no task inside.

The code of a run asks about each act by its key; the history answers what is recorded. Records are told to
the history when they are written, and read into it when a run is taken up again: both lead to the same state.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from towpath.errors import NonDeterminismError
from towpath_schemas.calls import Answered
from towpath_schemas.journal import (
    Act,
    CallIntended,
    CallSettled,
    HandedOff,
    JournalRecord,
    RunFinished,
    RunStarted,
    RunSuspended,
    StepSettled,
    ValueDrawn,
)

Settled = StepSettled | CallSettled | ValueDrawn | HandedOff
"""A record that ends an act: replay returns what it says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An act of the code, as it can be compared with a record: what kind, on what."""

    key: str
    kind: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.key!r}" + (f" of {self.target!r}" if self.target else "")


class History:
    """What is known of one run: its start, its acts by key, its end."""

    def __init__(self, entries: Iterable[tuple[int, JournalRecord]] = ()) -> None:
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.suspended = False
        self.next_number = 1
        self._settled: dict[str, Settled] = {}
        self._intended: dict[str, CallIntended] = {}
        self._unmatched: dict[str, Asked] = {}
        self._inside: dict[str, list[str]] = {}
        for number, record in entries:
            self.next_number = max(self.next_number, number + 1)
            self.add(record)
            self._expect(record)

    # --- Records ----------------------------------------------------------------------------------

    def take_number(self) -> int:
        """Take the place for the next record."""
        number = self.next_number
        self.next_number += 1
        return number

    def add(self, record: JournalRecord) -> None:
        """Learn a record that is in the journal."""
        match record:
            case StepSettled() | CallSettled() | ValueDrawn() | HandedOff():
                self._settled.setdefault(
                    record.key, record
                )  # what was written first is what the code was told
                self._forgive_inside(record.key)
            case CallIntended():
                self._intended[record.key] = record
            case RunStarted():
                self.started = record
            case RunFinished():
                self.finished = record
            case _:
                pass
        self.suspended = isinstance(record, RunSuspended)

    def _expect(self, record: JournalRecord) -> None:
        if not isinstance(record, StepSettled | CallSettled | CallIntended | ValueDrawn | HandedOff):
            return
        self._unmatched[record.key] = asked_of(record)
        for outer in _enclosing(record.key):
            self._inside.setdefault(outer, []).append(record.key)

    # --- What the code asks -----------------------------------------------------------------------

    def settled(self, asked: Asked) -> Settled | None:
        """Tell how the act ended, if it did.

        Raises:
            NonDeterminismError: If the journal has another act at this key.
        """
        expected = self._unmatched.pop(asked.key, None)
        if expected is not None and expected != asked:
            raise NonDeterminismError(expected=str(expected), found=str(asked))
        return self._settled.get(asked.key)

    def _forgive_inside(self, key: str) -> None:
        """Expect no more acts of a step that has ended: its code will not run again."""
        for inner in self._inside.pop(key, ()):
            self._unmatched.pop(inner, None)

    def outcome(self, key: str) -> CallSettled | None:
        """Tell how the call at `key` ended, if it did."""
        settled = self._settled.get(key)
        return settled if isinstance(settled, CallSettled) else None

    def intended(self, key: str) -> CallIntended | None:
        """Tell whether the act was begun."""
        return self._intended.get(key)

    def was_inside(self, key: str) -> bool:
        """Tell whether the journal has acts inside of this one, which the code can only repeat if it runs again."""
        return any(inner in self._unmatched for inner in self._inside.get(key, ()))

    @property
    def replaying(self) -> bool:
        """Whether the journal has acts that the code has not asked about yet."""
        return bool(self._unmatched)

    @property
    def unmatched(self) -> int:
        """How many acts of the journal the code has not asked about yet."""
        return len(self._unmatched)

    def diverged(self, found: str) -> NonDeterminismError:
        """Build the error for code that did `found` while the journal has acts it never asked about."""
        return NonDeterminismError(expected=str(next(iter(self._unmatched.values()))), found=found)

    # --- What comes from outside ------------------------------------------------------------------

    def settlement(self, answered: Answered, at: float) -> CallSettled | None:
        """Turn an answer into the record that settles its call; None if it is settled or was never begun."""
        intended = self._intended.get(answered.key)
        if intended is None or answered.key in self._settled:
            return None
        return CallSettled(
            at=at,
            key=answered.key,
            act=intended.act,
            target=intended.target,
            result=answered.result,
            failure=answered.failure,
            attempts=answered.attempts,
            agent=intended.agent,
        )


def asked_of(record: Settled | CallIntended) -> Asked:
    """Tell which act of the code a record belongs to."""
    match record:
        case StepSettled():
            return Asked(record.key, "step")
        case CallIntended() | CallSettled():
            return call_asked(record.key, record.act, record.target)
        case ValueDrawn():
            return Asked(record.key, record.source)
        case HandedOff():
            return Asked(record.key, "handoff", f"{record.agent} to {record.to}")


def call_asked(key: str, act: Act, target: str) -> Asked:
    """Describe a call."""
    return Asked(key, act, target)


def _enclosing(key: str) -> list[str]:
    """List the acts and scopes that `key` is inside of: `a#0/b#1/c#0` is inside `a#0` and `a#0/b#1`."""
    parts = key.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
