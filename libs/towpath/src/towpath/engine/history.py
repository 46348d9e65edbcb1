"""The replay core: what a run's journal says about each act of its code. No broker, no clock, no task inside.

The code of a run asks about each act by its key; the history answers what is recorded. Records are told to
the history when they are written, and read into it when a run is taken up again: both lead to the same state.
"""

from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from towpath.engine.asked import Asked, Expected, Settled, enclosing, was_abandoned, with_arguments
from towpath.errors import NonDeterminismError
from towpath_schemas.calls import Answered, ControlSent, RunEvent, SignalSent
from towpath_schemas.journal import (
    Act,
    CallIntended,
    CallSettled,
    CancelReceived,
    HandedOff,
    JournalRecord,
    PauseReceived,
    RunFinished,
    RunStarted,
    RunSuspended,
    SignalReceived,
    SignalReturned,
    StepSettled,
    ValueDrawn,
)

Received = CallSettled | SignalReceived | CancelReceived | PauseReceived
"""A record that says what became of something that came from outside."""


class KeptSignal(NamedTuple):
    """A signal that came and that no wait has got."""

    signal_id: str
    name: str
    payload: Any


class History:
    """What is known of one run: its start, its acts by key, what came for it, its end.

    Attributes:
        cancelling: The record of the first wish that the run end, and its place in the journal.
        alarmed: Whether it has begun anything that ends at a moment by itself.
    """

    def __init__(self, entries: Iterable[tuple[int, JournalRecord]] = ()) -> None:
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.suspended = False
        self._paused = False
        self.alarmed = False
        self.cancelling: tuple[int, CancelReceived] | None = None
        self.next_number = 1
        self._settled: dict[str, tuple[int, Settled]] = {}
        self._intended: dict[str, tuple[int, CallIntended]] = {}
        self._open: dict[str, CallIntended] = {}
        self._expected = Expected()
        self._signals: dict[str, KeptSignal] = {}
        self._gave_back: set[str] = set()
        self._events_seen: set[str] = set()
        for number, record in entries:
            self.next_number = max(self.next_number, number + 1)
            self.add(number, record)
            if isinstance(record, Settled | CallIntended) and not self._is_over(record.key):
                self._expected.add(record)

    def _is_over(self, key: str) -> bool:
        """Tell whether an act is inside of one that has ended: no code will ask about it again."""
        return any(outer in self._settled for outer in enclosing(key))

    # --- Records ----------------------------------------------------------------------------------

    def take_number(self) -> int:
        """Take the place for the next record."""
        number = self.next_number
        self.next_number += 1
        return number

    def add(self, number: int, record: JournalRecord) -> None:
        """Learn a record that is in the journal, at place `number`."""
        match record:
            case StepSettled() | CallSettled() | ValueDrawn() | HandedOff():
                self._settle(number, record)
            case CallIntended():
                self._intend(number, record)
            case SignalReceived():
                kept = KeptSignal(record.signal_id, record.name, record.payload)
                self._signals.setdefault(record.signal_id, kept)
                self._events_seen.add(record.signal_id)
            case SignalReturned():
                self._give_back(record)
            case CancelReceived():
                self.cancelling = self.cancelling or (number, record)
                self._events_seen.add(record.event_id)
            case PauseReceived():
                self._paused = record.paused
                self._events_seen.add(record.event_id)
            case RunStarted():
                self.started = record
            case RunFinished():
                self.finished = record
            case _:
                pass
        self.suspended = isinstance(record, RunSuspended)

    def _intend(self, number: int, record: CallIntended) -> None:
        self._intended[record.key] = (number, record)
        self.alarmed = self.alarmed or record.until is not None
        if record.key not in self._settled:
            self._open[record.key] = record

    def _settle(self, number: int, record: Settled) -> None:
        self._settled.setdefault(record.key, (number, record))  # the code was told what was written first
        self._open.pop(record.key, None)
        self._expected.forgive_inside(record.key)
        if isinstance(record, CallSettled) and record.source is not None:
            self._signals.pop(record.source, None)
            self._events_seen.add(record.source)

    def _give_back(self, record: SignalReturned) -> None:
        """Keep a signal again, before those that came after it."""
        given = self.outcome(record.key)
        payload = given.result if given else None
        self._signals = {
            record.signal_id: KeptSignal(record.signal_id, record.name, payload),
            **self._signals,
        }
        self._gave_back.add(record.key)

    # --- What the code asks -----------------------------------------------------------------------

    def settled(self, asked: Asked) -> Settled | None:
        """Tell how the act ended, if it did.

        Raises:
            NonDeterminismError: If the journal has another act at this key, or the same with other arguments.
        """
        expected = self._expected.acts.pop(asked.key, None)
        if expected is not None and expected != asked:
            raise self._differing(expected, str(asked))
        intent = self.intended(asked.key)
        if intent is not None and not asked.calls_as(intent):
            before, now = (with_arguments(asked.key, some) for some in (intent.input, asked.arguments))
            raise NonDeterminismError(expected=before, found=now, entry=self.intended_at(asked.key))
        return self._settled[asked.key][1] if asked.key in self._settled else None

    def repeats(self, key: str, asked: Asked) -> bool:
        """Tell whether an act of a further attempt may have this key: it was not given up there, or called otherwise."""
        settled, intent = self._settled.get(key), self.intended(key)
        given_up = settled is not None and (was_abandoned(settled[1]) or key in self._gave_back)
        return not given_up and (intent is None or asked.calls_as(intent))

    def settled_at(self, key: str) -> int:
        """Tell the place in the journal where the act was settled; it must be."""
        return self._settled[key][0]

    def outcome(self, key: str) -> CallSettled | None:
        """Tell how the call at `key` ended, if it did."""
        settled = self._settled.get(key)
        return settled[1] if settled and isinstance(settled[1], CallSettled) else None

    def intended(self, key: str) -> CallIntended | None:
        """Tell whether the act was begun."""
        intended = self._intended.get(key)
        return intended[1] if intended else None

    def intended_at(self, key: str) -> int:
        """Tell the place in the journal where the act was begun; it must be."""
        return self._intended[key][0]

    def unsettled(self, act: Act) -> list[CallIntended]:
        """List the calls of a kind that were begun and have not ended, in their order."""
        return [begun for begun in self._open.values() if begun.act == act]

    @property
    def begun(self) -> Iterable[CallIntended]:
        """The calls that were begun, in their order."""
        return (begun for _, begun in self._intended.values())

    @property
    def ended(self) -> Container[str]:
        """The keys of the acts that have ended."""
        return self._settled.keys()

    def was_inside(self, key: str) -> bool:
        """Tell whether the journal has acts inside of this one, which the code can only repeat if it runs again."""
        return self._expected.has_inside(key)

    def forgive_inside(self, key: str) -> None:
        """Expect no more acts inside of this one: its code is not run."""
        self._expected.forgive_inside(key)

    @property
    def replaying(self) -> bool:
        """Whether the journal has acts that the code has not asked about yet."""
        return bool(self._expected.acts)

    @property
    def unmatched(self) -> int:
        """How many acts of the journal the code has not asked about yet."""
        return len(self._expected.acts)

    def awaits_before(self, number: int) -> bool:
        """Tell whether the journal has settled acts before place `number` that the code has not asked about yet."""
        return any(key in self._settled and self._settled[key][0] < number for key in self._expected.acts)

    def diverged(self, found: str) -> NonDeterminismError:
        """Build the error for code that did `found` while the journal has acts it never asked about."""
        return self._differing(next(iter(self._expected.acts.values())), found)

    def _differing(self, expected: Asked, found: str) -> NonDeterminismError:
        entry, _ = self._intended.get(expected.key) or self._settled[expected.key]
        return NonDeterminismError(expected=str(expected), found=found, entry=entry)

    # --- What comes from outside ------------------------------------------------------------------

    def reception(self, event: RunEvent, at: float) -> Received | None:
        """Turn what came into the record that says what becomes of it; None if it changes nothing."""
        match event:
            case Answered():
                return self._settlement(event, at)
            case SignalSent() if event.signal_id not in self._events_seen:
                return self._signal_reception(event, at)
            case ControlSent() if event.event_id not in self._events_seen:
                return self._control_reception(event, at)
            case _:
                return None

    def _settlement(self, answered: Answered, at: float) -> CallSettled | None:
        """Turn an answer into the record that settles its call; None if it is settled or was never begun."""
        intended = self.intended(answered.key)
        if intended is None or answered.key in self._settled:
            return None
        return _settling(
            intended, at, result=answered.result, failure=answered.failure, attempts=answered.attempts
        )

    def _signal_reception(self, sent: SignalSent, at: float) -> CallSettled | SignalReceived:
        """Settle the earliest wait for a signal's name with it; keep it, if there is none."""
        waiting = self.waiting_for_signal(sent.name)
        if waiting is not None:
            return _settling(waiting, at, result=sent.payload, source=sent.signal_id)
        return SignalReceived(
            at=at,
            signal_id=sent.signal_id,
            name=sent.name,
            payload=sent.payload,
            attribution=sent.attribution,
        )

    def _control_reception(self, sent: ControlSent, at: float) -> CancelReceived | PauseReceived | None:
        said = {"at": at, "event_id": sent.event_id, "reason": sent.reason, "attribution": sent.attribution}
        if sent.control == "cancel":
            return None if self.cancelling else CancelReceived.model_validate(said)
        paused = sent.control == "pause"
        changes = paused != self.paused and self.cancelling is None
        return None if not changes else PauseReceived.model_validate({**said, "paused": paused})

    def waiting_for_signal(self, name: str) -> CallIntended | None:
        """Find the earliest wait for a signal of this name that has not ended."""
        return next((one for one in self.unsettled("signal") if one.target == name), None)

    def kept_signal(self, name: str) -> KeptSignal | None:
        """Find the earliest signal of this name that no wait has got."""
        return next((kept for kept in self._signals.values() if kept.name == name), None)

    @property
    def paused(self) -> bool:
        """Whether the run is to stand still; one that is to end is not, so that it can clean up."""
        return self._paused and self.cancelling is None

    @property
    def leaves_something(self) -> bool:
        """Whether something came that a run that goes on from this one is to hear of; see `succession`."""
        return bool(self._signals) or self._paused or self.cancelling is not None

    def owed_signal(self, key: str) -> str | None:
        """Tell the id of the signal that settled the wait at `key`, unless that has given it back."""
        settled = self.outcome(key)
        return settled.source if settled and key not in self._gave_back else None

    def claim_signal(self, signal_id: str) -> None:
        """Give a kept signal to a wait that is about to be settled with it."""
        self._signals.pop(signal_id, None)


def _settling(intended: CallIntended, at: float, **outcome: object) -> CallSettled:
    return CallSettled.model_validate(
        {
            "at": at,
            "key": intended.key,
            "act": intended.act,
            "target": intended.target,
            "agent": intended.agent,
            **outcome,
        }
    )
