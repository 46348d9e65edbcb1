"""The acts of a run's code, as they can be compared with the records of its journal."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    Act,
    ActGivenUp,
    CallIntended,
    CallSettled,
    HandedOff,
    JournalRecord,
    SignalReturned,
    StepSettled,
    ValueDrawn,
)

Settled = StepSettled | CallSettled | ValueDrawn | HandedOff
"""A record that ends an act: replay returns what it says."""

ABANDONABLE = frozenset({"signal", "timer", "approval"})
"""Acts that nobody does: one that the code gives up has ended as cancelled."""

_ATTEMPT = "attempt@"
"""What the last part begins with of the keys of waits for a further attempt; no act of the code has one like that."""

AGAIN = "!"
"""What follows the key of an act, with a number, that an attempt of what is around it does not have from those before."""

_SHOWN_CHARS = 200
_UNSAID: Any = object()


@dataclass(frozen=True, slots=True)
class Asked:
    """An act of the code, as it can be compared with a record: what kind, on what, and of a call with which arguments."""

    key: str
    kind: str
    target: str = ""
    arguments: Any = field(default=_UNSAID, compare=False)

    def calls_as(self, intent: CallIntended) -> bool:
        """Tell whether it is called with the arguments of an intent, where it is a call that says any."""
        return self.arguments is _UNSAID or self.arguments == intent.input

    def __str__(self) -> str:
        return f"{self.kind} {self.key!r}" + (f" of {self.target!r}" if self.target else "")


def asked_of(record: Settled | CallIntended | ActGivenUp) -> Asked:
    """Tell which act of the code a record belongs to."""
    match record:
        case StepSettled() | ActGivenUp(act="step"):
            return Asked(record.key, "step")
        case ActGivenUp():
            return Asked(record.key, record.act, record.target)
        case CallIntended() | CallSettled():
            return call_asked(record.key, record.act, record.target)
        case ValueDrawn():
            return Asked(record.key, record.source)
        case HandedOff():
            return Asked(record.key, "handoff", f"{record.agent} to {record.to}")


def call_asked(key: str, act: Act, target: str, arguments: Any = _UNSAID) -> Asked:
    """Describe a call; one whose arguments are said is held against those that were journaled."""
    return Asked(key, act, target, arguments)


def with_arguments(key: str, arguments: Any) -> str:
    """Name a call by its arguments, where it is these that differ."""
    return f"{key!r} called with {repr(arguments)[:_SHOWN_CHARS]}"


def says_given_up(record: JournalRecord) -> bool:
    """Tell whether a record says that the code gave its act up before it was told of its end."""
    match record:
        case ActGivenUp() | SignalReturned():
            return True
        case CallSettled(failure=Failure(code="cancelled")):
            return record.act in ABANDONABLE
        case _:
            return False


def place_of_attempt(number: int, of: str = "") -> str:
    """Name the wait for attempt `number` of the run's code, or of the act at the key `of`.

    >>> place_of_attempt(2), place_of_attempt(2, "pay#0")
    ('attempt@2', 'pay#0/attempt@2')
    """
    return f"{of}/{_ATTEMPT}{number}" if of else f"{_ATTEMPT}{number}"


def is_before_attempt(key: str) -> bool:
    """Tell whether an act is the wait for an attempt, which the engine does, and no code of the run."""
    last = key.rpartition("/")[2]
    return last.startswith(_ATTEMPT) and "#" not in last


def done_again(key: str) -> str:
    """Name the act that a further attempt does where it does not have the one of this key from those before.

    >>> done_again("task:pay#0"), done_again("task:pay#0!2")
    ('task:pay#0!2', 'task:pay#0!3')
    """
    first, _, number = key.rpartition(AGAIN)
    return f"{first}{AGAIN}{int(number) + 1}" if first and number.isdecimal() else f"{key}{AGAIN}2"


@dataclass(slots=True)
class Expected:
    """What the journal has that the code has not repeated yet.

    Attributes:
        acts: The acts that it has not asked about.
        inside: Which of them are inside of which.
        given_up: Those that it is to give up, and the places in the journal where it has.
    """

    acts: OrderedDict[str, Asked] = field(default_factory=OrderedDict[str, Asked])  # finds its first at once
    inside: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    given_up: dict[str, int] = field(default_factory=dict[str, int])

    def __len__(self) -> int:
        return len(self.acts) + len(self.given_up)

    def add(self, record: Settled | CallIntended | ActGivenUp) -> None:
        """Expect the act of a record."""
        if isinstance(record, ValueDrawn) and record.source == "patched":  # a patch may be removed again
            return
        asked = asked_of(record)
        self.acts[asked.key] = asked
        for outer in enclosing(asked.key):
            self.inside.setdefault(outer, []).append(asked.key)

    def add_given_up(self, key: str, number: int) -> None:
        """Expect that the code gives an act up, as the record at place `number` says."""
        self.given_up[key] = number

    def forgive_inside(self, key: str) -> None:
        """Expect no more acts of a step that has ended: its code will not run again."""
        for inner in self.inside.pop(key, ()):
            self.acts.pop(inner, None)
            self.given_up.pop(inner, None)

    def has_inside(self, key: str) -> bool:
        """Tell whether acts inside of a step are expected."""
        return any(inner in self.acts for inner in self.inside.get(key, ()))


def enclosing(key: str) -> list[str]:
    """List the acts and scopes that `key` is inside of: `a#0/b#1/c#0` is inside `a#0` and `a#0/b#1`."""
    parts = key.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
