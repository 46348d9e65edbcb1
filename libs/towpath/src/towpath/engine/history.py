"""The replay core: what a run's journal says about each act of its code. No broker, no clock, no task inside.

The code of a run asks about each act by its key; the history answers what is recorded. Records are told to
the history when they are written, and read into it when a run is taken up again: both lead to the same state.
"""

from collections.abc import Container, Iterable

from towpath.engine.asked import (
    Asked,
    Expected,
    Settled,
    done_again,
    enclosing,
    is_before_attempt,
    says_given_up,
    with_arguments,
)
from towpath.engine.incoming import Incoming
from towpath.errors import NonDeterminismError
from towpath.scopes import GIVEN_KEY
from towpath_schemas.calls import Answered, ControlSent, RunEvent, SignalSent, event_id_of
from towpath_schemas.journal import (
    Act,
    ActAttemptFailed,
    ActGivenUp,
    AttemptFailed,
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


class History:
    """What is known of one run: its start, its acts by key, what came for it, its end.

    Attributes:
        incoming: What has come for it from outside.
        alarmed: Whether it has begun anything that ends at a moment by itself.
        failed_attempt: The last attempt of its code that failed and is followed by another.
    """

    def __init__(self, entries: Iterable[tuple[int, JournalRecord]] = ()) -> None:
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.suspended = False
        self.incoming = Incoming()
        self.alarmed = False
        self.failed_attempt: AttemptFailed | None = None
        self._failed_attempts: dict[str, ActAttemptFailed] = {}
        self._attempt_began: dict[str, int] = {}
        self._of_failed_attempts: frozenset[str] = frozenset()
        self.next_number = 1
        self._settled: dict[str, tuple[int, Settled]] = {}
        self._intended: dict[str, tuple[int, CallIntended]] = {}
        self._open: dict[str, CallIntended] = {}
        self._expected = Expected()
        self._given_up: dict[str, int] = {}
        self._taken_over = 0
        self._asked: set[str] = set()
        for number, record in entries:
            self.next_number = max(self.next_number, number + 1)
            self.add(number, record)
            self._expect(number, record)

    def _expect(self, number: int, record: JournalRecord) -> None:
        """Expect that the code repeats what a record says, unless that was inside of an act which has ended.

        What an attempt that failed has begun, the one that is made now need not begin.
        """
        if not isinstance(record, Settled | CallIntended | ActGivenUp | SignalReturned):
            return
        if is_before_attempt(record.key) or record.key in self._of_failed_attempts:
            return
        if any(outer in self._settled or outer in self._given_up for outer in enclosing(record.key)):
            return
        if not isinstance(record, SignalReturned):
            self._expected.add(record)
        if says_given_up(record):
            self._expected.add_given_up(record.key, number)

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
            case ActGivenUp() | SignalReturned():
                self._give_up(number, record)
            case ActAttemptFailed():
                self._failed_attempts[record.key] = record
                self._attempt_began[f"{record.key}/"] = number
            case AttemptFailed():
                self._end_attempt(number, record)
            case RunStarted():
                self.started, self._taken_over = record, record.taken_over
            case RunFinished():
                self.finished = record
            case _:
                pass
        self.incoming.add(number, record)
        self.suspended = isinstance(record, RunSuspended)

    def _end_attempt(self, number: int, failed: AttemptFailed) -> None:
        """Expect nothing more of the code's acts so far: it begins again, and is told what it asks for of them."""
        self.failed_attempt = failed
        self._attempt_began[""] = number
        self._expected = Expected()
        self._of_failed_attempts = frozenset(self._intended)

    def _intend(self, number: int, record: CallIntended) -> None:
        self._intended[record.key] = (number, record)
        self.alarmed = self.alarmed or record.until is not None
        if record.key not in self._settled:
            self._open[record.key] = record

    def _settle(self, number: int, record: Settled) -> None:
        self._settled.setdefault(record.key, (number, record))  # the code was told what was written first
        self._open.pop(record.key, None)
        self._attempt_began.pop(f"{record.key}/", None)
        self._expected.forgive_inside(record.key)
        if says_given_up(record):
            self._given_up.setdefault(record.key, number)

    def _give_up(self, number: int, record: ActGivenUp | SignalReturned) -> None:
        self._given_up.setdefault(record.key, number)
        if isinstance(record, SignalReturned):
            settled = self.outcome(record.key)
            self.incoming.take_back(number, record, settled.result if settled else None)
        else:
            self._expected.forgive_inside(record.key)

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
        if intent is not None and not (asked.calls_as(intent) or self._is_taken_over(asked.key)):
            raise self._called_otherwise(intent, asked)
        if GIVEN_KEY in asked.key:
            self._asked.add(asked.key)
        return self._settled[asked.key][1] if asked.key in self._settled else None

    def _called_otherwise(self, intent: CallIntended, asked: Asked) -> NonDeterminismError:
        """Build the error for code that calls an act with other arguments than before, in this process or another."""
        before, now = (with_arguments(asked.key, some) for some in (intent.input, asked.arguments))
        reused = f"the code asked for {before}, and now for {now}; what has one key= is one act, so give each a key= of its own"
        message = reused if asked.key in self._asked else None
        entry = self.intended_at(asked.key)
        return NonDeterminismError(expected=before, found=now, entry=entry, message=message)

    def failed_attempt_of(self, key: str) -> ActAttemptFailed | None:
        """Tell the last attempt of a step or a model call that failed and is followed by another."""
        return self._failed_attempts.get(key)

    def was_given_up(self, key: str, inside: str) -> bool:
        """Tell whether an act was given up before its attempt began: of the step with the scope `inside`, or of the run."""
        given_up = self._given_up.get(key)
        return given_up is not None and given_up < self._attempt_began.get(inside, 0)

    def has_begun(self, key: str) -> bool:
        """Tell whether the journal has the act."""
        return key in self._intended or key in self._settled

    def was_called_otherwise(self, asked: Asked, key: str, inside: str) -> bool:
        """Tell whether the act at a key was called with other arguments than is asked now, before its attempt began."""
        intended_at, intent = self._intended.get(key, (0, None))
        if intent is None or intended_at >= self._attempt_began.get(inside, 0):
            return False
        return not self._calls_as(intent, asked)

    def _calls_as(self, intent: CallIntended, asked: Asked) -> bool:
        """Tell whether an act is called as it was, by this run or the one that it is a fork of.

        That run has called it otherwise where one of its further attempts has done it anew.
        """
        if asked.calls_as(intent):
            return True
        return self._is_taken_over(intent.key) and not self._is_taken_over(done_again(intent.key))

    def _is_taken_over(self, key: str) -> bool:
        """Tell whether an act was begun by the run that this one is a fork of: its id may be among the arguments."""
        return key in self._intended and self.intended_at(key) <= self._taken_over

    def is_given_up(self, key: str) -> bool:
        """Tell whether the code gave the act up before it was told how it ended: it is never told."""
        return key in self._given_up

    def repeat_giving_up(self, key: str) -> None:
        """Learn that the code has given the act up again, as the journal says."""
        self._expected.acts.pop(key, None)
        self._expected.given_up.pop(key, None)

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
        return bool(self._expected.acts or self._expected.given_up)

    @property
    def expects_acts(self) -> bool:
        """Whether the journal has acts that the code has not asked about yet; those asked about it may have to give up."""
        return bool(self._expected.acts)

    @property
    def unmatched(self) -> int:
        """How many acts of the journal the code has not asked about yet, or not given up."""
        return len(self._expected)

    def awaits_before(self, number: int) -> bool:
        """Tell whether the journal has anything before place `number` that the code has not repeated yet."""
        act, given_up = (
            next(iter(self._expected.acts), None),
            next(iter(self._expected.given_up.values()), None),
        )
        return (act is not None and self._begun_at(act) < number) or (
            given_up is not None and given_up < number
        )

    def _begun_at(self, key: str) -> int:
        """Tell the place of the first record of an act."""
        intended = self._intended.get(key) or self._settled.get(key)
        return self._given_up[key] if intended is None else intended[0]

    def diverged(self, found: str) -> NonDeterminismError:
        """Build the error for code that did `found` while the journal has something that it never repeated."""
        if self._expected.acts:
            return self._differing(next(iter(self._expected.acts.values())), found)
        return self.not_given_up(next(iter(self._expected.given_up)), found)

    def not_given_up(self, key: str, found: str) -> NonDeterminismError:
        """Build the error for code that did `found` and does not give up the act at a key, as it has before."""
        expected = f"that the code gives up {key!r}"
        return NonDeterminismError(expected=expected, found=found, entry=self._given_up[key])

    def _differing(self, expected: Asked, found: str) -> NonDeterminismError:
        return NonDeterminismError(expected=str(expected), found=found, entry=self._begun_at(expected.key))

    @property
    def failed_attempts(self) -> int:
        """How many attempts of the run's code have failed and were followed by another."""
        return 0 if self.failed_attempt is None else self.failed_attempt.attempt

    @property
    def attempt_of_function(self) -> int | None:
        """Which attempt of the run's code is made, from 1; None where it is no function."""
        if self.started is None or self.started.component_kind != "function":
            return None
        return self.failed_attempts + 1

    # --- What comes from outside ------------------------------------------------------------------

    def has_taken(self, event: RunEvent) -> bool:
        """Tell whether the journal says what became of an event."""
        if isinstance(event, Answered):
            return event.key in self._settled
        return not self.incoming.is_new(event_id_of(event))

    def reception(self, event: RunEvent, at: float) -> Received | None:
        """Turn what came into the record that says what becomes of it; None if it changes nothing."""
        match event:
            case Answered():
                return self._settlement(event, at)
            case SignalSent() if self.incoming.is_new(event.signal_id):
                return self._signal_reception(event, at)
            case ControlSent() if self.incoming.is_new(event.event_id):
                return self.incoming.control_reception(event, at)
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

    def waiting_for_signal(self, name: str) -> CallIntended | None:
        """Find the earliest wait for a signal of this name that has not ended."""
        return next((one for one in self.unsettled("signal") if one.target == name), None)

    def owed_signal(self, key: str) -> str | None:
        """Tell the id of the signal that settled the wait at `key`, unless that has given it back."""
        settled = self.outcome(key)
        return settled.source if settled and not self.is_given_up(key) else None


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
