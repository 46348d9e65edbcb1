"""The acts of a run's code, as they can be compared with the records of its journal."""

from dataclasses import dataclass, field
from typing import Any

from towpath_schemas.journal import Act, CallIntended, CallSettled, HandedOff, StepSettled, ValueDrawn

Settled = StepSettled | CallSettled | ValueDrawn | HandedOff
"""A record that ends an act: replay returns what it says."""

ABANDONABLE = frozenset({"signal", "timer", "approval"})
"""Acts that nobody does: one that the code gives up is recorded as cancelled."""


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


def call_asked(key: str, act: Act, target: str, arguments: Any = _UNSAID) -> Asked:
    """Describe a call; one whose arguments are said is held against those that were journaled."""
    return Asked(key, act, target, arguments)


def with_arguments(key: str, arguments: Any) -> str:
    """Name a call by its arguments, where it is these that differ."""
    return f"{key!r} called with {repr(arguments)[:_SHOWN_CHARS]}"


def was_abandoned(settled: Settled) -> bool:
    """Tell whether the code gave an act up before it had ended."""
    if not isinstance(settled, CallSettled) or settled.failure is None:
        return False
    return settled.act in ABANDONABLE and settled.failure.code == "cancelled"


@dataclass(slots=True)
class Expected:
    """The acts of the journal that the code has not asked about yet."""

    acts: dict[str, Asked] = field(default_factory=dict[str, Asked])
    inside: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, record: Settled | CallIntended) -> None:
        """Expect the act of a record."""
        if isinstance(record, ValueDrawn) and record.source == "patched":  # a patch may be removed again
            return
        asked = asked_of(record)
        self.acts[asked.key] = asked
        for outer in enclosing(asked.key):
            self.inside.setdefault(outer, []).append(asked.key)

    def forgive_inside(self, key: str) -> None:
        """Expect no more acts of a step that has ended: its code will not run again."""
        for inner in self.inside.pop(key, ()):
            self.acts.pop(inner, None)

    def has_inside(self, key: str) -> bool:
        """Tell whether acts inside of a step are expected."""
        return any(inner in self.acts for inner in self.inside.get(key, ()))


def enclosing(key: str) -> list[str]:
    """List the acts and scopes that `key` is inside of: `a#0/b#1/c#0` is inside `a#0` and `a#0/b#1`."""
    parts = key.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
