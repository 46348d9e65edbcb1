"""The state of a gate as its log has it: who is inside, who waits, what is due. No broker and no clock in here.

Whoever reads the same log comes to the same state. What a gate decides is due until the log says that it is done:
who decides may die before doing it.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from towpath_router.gates.line import Line
from towpath_router.gates.rules import opens_at, remembered_s
from towpath_schemas.gates import (
    Due,
    GateEvent,
    GateLooked,
    GateMoved,
    GateStatePart,
    InLine,
    Inside,
    Ruling,
    RunEntered,
    RunLeft,
)
from towpath_schemas.limits import DebounceLimit, SingletonLimit
from towpath_schemas.shape import Shape

ShapeT = TypeVar("ShapeT", bound=Shape)

_ACTS = ("pass", "merge", "replace")
_PART = 4_000
"""Runs in one part of a state, which has to fit into a message."""


class Outcome(NamedTuple):
    """What an event has led to: whether it changed anything, and what is due because of it."""

    changed: bool
    due: tuple[Due, ...]


class GateState:
    """One gate.

    Attributes:
        now: The latest moment that the log has told, in seconds since 1970.
        inside: Who has passed and counts, and when each did; the order is that of passing.
        line: Who waits.
    """

    def __init__(self) -> None:
        self.ruling: Ruling | None = None
        self.now = 0.0
        self.inside: OrderedDict[str, float] = OrderedDict()
        self.line = Line()
        self._passed: deque[float] = deque()
        self._due: dict[tuple[str, str], Due] = {}
        self._entered = 0

    # --- Asking -----------------------------------------------------------------------------------

    def knows(self, run_id: str) -> bool:
        """Tell whether a run is inside, waits, or has something due."""
        return (
            run_id in self.inside or run_id in self.line or any((act, run_id) in self._due for act in _ACTS)
        )

    @property
    def due(self) -> tuple[Due, ...]:
        """What is to be done, in the order in which it was decided."""
        return tuple(self._due.values())

    def wakes_at(self) -> float | None:
        """Tell the moment at which the first in line may pass; None where nobody waits for a moment."""
        first = self.line.first
        if self.ruling is None or first is None:
            return None
        return opens_at(self.ruling, len(self.inside), self._passed, first)

    def is_blank(self, at: float) -> bool:
        """Tell whether nothing that happened before matters at a moment; what is due counts for nothing here."""
        if self.line:
            return False
        span_s = remembered_s(self.ruling.limit) if self.ruling else None
        return not self.inside or (span_s is not None and self._passed[-1] + span_s <= at)

    def changes(self, event: GateEvent, at: float) -> bool:
        """Tell whether an event would change anything."""
        match event:
            case RunEntered(run_id=run_id):
                return not self.knows(run_id)
            case RunLeft(run_id=run_id):
                return run_id in self.line or (run_id in self.inside and self._is_left)
            case GateLooked():
                opens = self.wakes_at()
                return opens is not None and opens <= max(self.now, at)

    @property
    def size(self) -> int:
        """How much there is to it."""
        return len(self.inside) + len(self.line) + len(self._due)

    # --- Moving -----------------------------------------------------------------------------------

    def apply(self, moved: GateMoved) -> list[Outcome]:
        """Take in a record of the log; tell what became of each of its events."""
        self.now = max(self.now, moved.at)
        self.ruling = moved.ruling or self.ruling
        if moved.from_blank:
            self._entered = 0
            self.inside.clear()
            self._passed.clear()
        for done in moved.done:
            if self._due.get((done.act, done.run_id)) == done:
                del self._due[done.act, done.run_id]
        return [self._take(event) for event in moved.events]

    def _take(self, event: GateEvent) -> Outcome:
        changed = self.changes(event, self.now)
        decided = self._decide(event) if changed or isinstance(event, GateLooked) else []
        self._due.update({(due.act, due.run_id): due for due in decided})
        return Outcome(changed, tuple(decided))

    def _decide(self, event: GateEvent) -> list[Due]:
        match event:
            case RunEntered():
                decided = self._enter(event)
            case RunLeft():
                decided = self._leave(event)
            case GateLooked():
                decided = []
        return [*decided, *self._let_pass()]

    def _enter(self, event: RunEntered) -> list[Due]:
        self._entered += 1
        number, now = self._entered, self.now
        one = InLine(
            run_id=event.run_id,
            priority=event.priority,
            number=number,
            asked_at=event.asked_at,
            at=now,
            since=now,
        )
        if self.ruling is not None and not self.ruling.lifted:
            match self.ruling.limit:
                case DebounceLimit():
                    return self._merge(one)
                case SingletonLimit(mode="skip") if self.inside:
                    return [Due(act="merge", run_id=one.run_id, by=next(iter(self.inside)))]
                case SingletonLimit(mode="replace") if self.inside:
                    return [*self._merge(one), *self._replace(next(iter(self.inside)))]
                case _:
                    pass
        self.line.add(one)
        return []

    def _merge(self, one: InLine) -> list[Due]:
        """Let the one that was asked for last wait for all that wait."""
        before = self.line.first
        if before is not None and before.asked_at > one.asked_at:
            return [Due(act="merge", run_id=one.run_id, by=before.run_id)]
        merged = [self.line.remove(other.run_id) for other in list(self.line)]
        since = min((other.since for other in merged if other), default=one.since)
        self.line.add(one.model_copy(update={"since": since}))
        return [Due(act="merge", run_id=other.run_id, by=one.run_id) for other in merged if other]

    def _replace(self, holder: str) -> list[Due]:
        first = self.line.first
        return [Due(act="replace", run_id=holder, by=first.run_id)] if first else []

    def _leave(self, event: RunLeft) -> list[Due]:
        self.line.remove(event.run_id)
        was_inside = self._is_left and self.inside.pop(event.run_id, None) is not None
        for act in _ACTS:
            self._due.pop((act, event.run_id), None)
        if not was_inside or event.heir is None:
            return []
        self.inside[event.heir] = self.now
        match self.ruling:
            case Ruling(limit=SingletonLimit(mode="replace"), lifted=False):
                return self._replace(event.heir)
            case _:
                return []

    def _let_pass(self) -> list[Due]:
        self._forget_passed()
        passed: list[Due] = []
        while (opens := self.wakes_at()) is not None and opens <= self.now:
            if (first := self.line.first) is not None:
                self.line.remove(first.run_id)
                self.inside[first.run_id] = self.now
                self._passed.append(self.now)
                passed.append(Due(act="pass", run_id=first.run_id))
        self._forget_passed()
        return passed

    def _forget_passed(self) -> None:
        """Forget of those that passed who does not count any more."""
        span_s = remembered_s(self.ruling.limit) if self.ruling else None
        if span_s is None:
            self._passed.clear()
            return
        while self._passed and self._passed[0] + span_s <= self.now:
            self._passed.popleft()
            self.inside.popitem(last=False)

    @property
    def _is_left(self) -> bool:
        return self.ruling is None or remembered_s(self.ruling.limit) is None

    # --- Being kept -------------------------------------------------------------------------------

    def parts(self) -> list[GateStatePart]:
        """Write the whole state, in parts that each fit into a message."""
        inside = [Inside(run_id=run_id, at=at) for run_id, at in self.inside.items()]
        line, due = list(self.line), self.due
        count = max(1, *(-(-len(some) // _PART) for some in (inside, line, due)))
        return [
            GateStatePart(
                parts=count,
                now=self.now,
                ruling=self.ruling,
                entered=self._entered,
                inside=_slice(inside, part),
                line=_slice(line, part),
                due=_slice(due, part),
            )
            for part in range(count)
        ]

    @classmethod
    def restored(cls, parts: Sequence[GateStatePart]) -> "GateState":
        """Read a state from its parts, in their order; from none, that of a gate where nobody ever came."""
        state = cls()
        for part in parts:
            state.now, state.ruling, state._entered = part.now, part.ruling, part.entered
        state.inside = OrderedDict((one.run_id, one.at) for part in parts for one in part.inside)
        state._passed = deque(() if state._is_left else state.inside.values())
        state.line = Line(one for part in parts for one in part.line)
        state._due = {(due.act, due.run_id): due for part in parts for due in part.due}
        return state


def _slice(some: Sequence[ShapeT], part: int) -> tuple[ShapeT, ...]:
    return tuple(some[part * _PART : (part + 1) * _PART])
