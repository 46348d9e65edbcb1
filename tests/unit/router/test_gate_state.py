"""What a gate lets pass, whatever comes in whatever order: a limit is never exceeded, and nobody waits in vain."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath_router.gates.state import GateState, Outcome
from towpath_schemas.gates import Due, GateEvent, GateLooked, GateMoved, Ruling, RunEntered, RunLeft
from towpath_schemas.limits import ConcurrencyLimit, DebounceLimit, Limit, RateLimit, SingletonLimit

RUNS = [f"run-{number}" for number in range(8)]


class Gate:
    """A gate, and who has passed it when."""

    def __init__(self, limit: Limit, *, at: float = 0.0) -> None:
        self.state = GateState()
        self.passed: list[tuple[str, float]] = []
        self.due: list[Due] = []
        self._number = 0
        self._ruling: Ruling | None = None
        self.at = at
        self.rule(limit)

    def rule(self, limit: Limit, *, lifted: bool = False) -> None:
        self._ruling = Ruling(limit=limit, lifted=lifted, component="greet", service="hello")
        self.tell(GateLooked())

    def tell(self, event: GateEvent, *, at: float | None = None, done: tuple[Due, ...] = ()) -> Outcome:
        self._number += 1
        self.at = self.at if at is None else at
        record = GateMoved(number=self._number, at=self.at, ruling=self._ruling, events=(event,), done=done)
        self._ruling = None
        (outcome,) = self.state.apply(GateMoved.from_body(record.to_body()))
        self.due += outcome.due
        self.passed += [(due.run_id, self.state.now) for due in outcome.due if due.act == "pass"]
        return outcome

    def enter(self, run_id: str, *, at: float | None = None, **said: Any) -> list[Due]:
        said = {"asked_at": self.at if at is None else at, **said}
        return [*self.tell(RunEntered(run_id=run_id, **said), at=at).due]

    def leave(self, run_id: str, *, heir: str | None = None) -> list[Due]:
        return [*self.tell(RunLeft(run_id=run_id, heir=heir)).due]

    @property
    def waiting(self) -> list[str]:
        return [one.run_id for one in self.state.line]


def passes(*run_ids: str) -> list[Due]:
    return [Due(act="pass", run_id=run_id) for run_id in run_ids]


moves = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from(RUNS), st.integers(-2, 2)),
        st.tuples(st.just("leave"), st.sampled_from(RUNS), st.just(0)),
        st.tuples(st.just("look"), st.just(""), st.just(0)),
    ),
    max_size=60,
)
paces = st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.5]), min_size=60, max_size=60)
concurrency = st.builds(ConcurrencyLimit, limit=st.integers(1, 4))
rates = st.builds(
    RateLimit,
    limit=st.integers(1, 4),
    per_s=st.sampled_from([0.7, 1.0, 3.0]),
    burst=st.one_of(st.none(), st.integers(1, 3)),
)
limits: st.SearchStrategy[Limit] = st.one_of(
    concurrency,
    rates,
    st.builds(
        DebounceLimit, wait_s=st.sampled_from([0.5, 1.0]), at_most_s=st.one_of(st.none(), st.just(2.0))
    ),
    st.builds(SingletonLimit, mode=st.sampled_from(["skip", "replace"])),
)


def play(
    limit: Limit,
    moving: list[tuple[str, str, int]],
    pacing: list[float],
    look: Callable[[Gate], None] = lambda _gate: None,
) -> Gate:
    gate = Gate(limit)
    for (verb, run_id, priority), pace in zip(moving, pacing, strict=False):
        gate.at += pace
        match verb:
            case "enter":
                gate.enter(run_id, priority=priority)
            case "leave":
                gate.leave(run_id)
            case _:
                gate.tell(GateLooked())
        look(gate)
    return gate


# --- Of all limits --------------------------------------------------------------------------------


@given(limits, moves, paces)
def test_nobody_waits_while_there_is_room(
    limit: Limit, moving: list[tuple[str, str, int]], pacing: list[float]
) -> None:
    gate = play(limit, moving, pacing)

    gate.tell(GateLooked())

    wakes_at = gate.state.wakes_at()
    assert wakes_at is None or wakes_at > gate.state.now
    assert wakes_at is not None or not gate.state.line or gate.state.inside


@given(limits, moves, paces)
def test_what_comes_again_changes_nothing(
    limit: Limit, moving: list[tuple[str, str, int]], pacing: list[float]
) -> None:
    gate = Gate(limit)
    for (verb, run_id, priority), pace in zip(moving, pacing, strict=False):
        gate.at += pace
        event: GateEvent = (
            RunLeft(run_id=run_id)
            if verb == "leave"
            else RunEntered(run_id=run_id, priority=priority, asked_at=gate.at)
            if verb == "enter"
            else GateLooked()
        )
        gate.tell(event)
        before = gate.state.parts()

        again = gate.tell(event)

        assert again == Outcome(changed=False, due=())
        assert gate.state.parts() == before


@given(limits, moves, paces, st.integers(0, 60))
def test_a_state_that_was_kept_goes_on_as_the_one_in_memory_does(
    limit: Limit, moving: list[tuple[str, str, int]], pacing: list[float], cut: int
) -> None:
    def look(gate: Gate) -> None:
        if gate.at >= cut:
            gate.state = GateState.restored(gate.state.parts())

    whole, restored = play(limit, moving, pacing), play(limit, moving, pacing, look)

    assert restored.due == whole.due
    assert restored.state.parts() == whole.state.parts()


@given(limits, moves, paces)
def test_a_limit_that_is_lifted_holds_nobody(
    limit: Limit, moving: list[tuple[str, str, int]], pacing: list[float]
) -> None:
    gate = play(limit, moving, pacing)

    gate.rule(limit, lifted=True)

    assert not gate.state.line


@given(limits, moves, paces)
def test_a_blank_gate_is_as_one_where_nobody_ever_came(
    limit: Limit, moving: list[tuple[str, str, int]], pacing: list[float]
) -> None:
    gate = play(limit, moving, pacing)
    if not gate.state.is_blank(gate.at):
        return
    new = Gate(limit, at=gate.at)

    for run_id in RUNS[:5]:
        assert gate.enter(f"new-{run_id}") == new.enter(f"new-{run_id}")


# --- Concurrency ----------------------------------------------------------------------------------


@given(concurrency, moves, paces)
def test_never_more_than_the_limit_are_inside_and_they_pass_in_order(
    limit: ConcurrencyLimit, moving: list[tuple[str, str, int]], pacing: list[float]
) -> None:
    model: list[tuple[int, int, str]] = []
    inside: set[str] = set()
    gate = Gate(limit)
    for number, (verb, run_id, priority) in enumerate(moving):
        if verb == "enter":
            due = gate.enter(run_id, priority=priority)
            if run_id not in inside and run_id not in {one for *_, one in model}:
                model.append((-priority, number, run_id))
        else:
            due = gate.leave(run_id)
            inside.discard(run_id)
            model = [one for one in model if one[2] != run_id]
        expected: list[str] = []
        while model and len(inside) < limit.limit:
            first = min(model)
            model.remove(first)
            inside.add(first[2])
            expected.append(first[2])

        assert due == passes(*expected)
        assert set(gate.state.inside) == inside
        assert len(inside) <= limit.limit


def test_who_goes_on_for_another_keeps_its_place() -> None:
    gate = Gate(ConcurrencyLimit(limit=1))
    gate.enter("one")
    gate.enter("two")

    assert gate.leave("one", heir="one-again") == []
    assert gate.leave("one", heir="one-again") == []
    assert gate.leave("one-again") == passes("two")


def test_a_limit_that_is_raised_lets_those_pass_who_wait_and_a_lowered_one_lets_them_drain() -> None:
    gate = Gate(ConcurrencyLimit(limit=1))
    for run_id in RUNS[:4]:
        gate.enter(run_id)

    gate.rule(ConcurrencyLimit(limit=3))
    raised = [run_id for run_id, _ in gate.passed]
    gate.rule(ConcurrencyLimit(limit=1))

    assert raised == RUNS[:3]
    assert gate.leave(RUNS[0]) == gate.leave(RUNS[1]) == []
    assert gate.leave(RUNS[2]) == passes(RUNS[3])


# --- Rate -----------------------------------------------------------------------------------------


@given(rates, moves, paces)
def test_in_no_window_of_time_more_pass_than_the_rate_says(
    limit: RateLimit, moving: list[tuple[str, str, int]], pacing: list[float]
) -> None:
    gate = play(limit, moving, pacing)

    at = [moment for _, moment in gate.passed]
    for most, span_s in ((limit.limit, limit.per_s), _burst(limit)):
        for first, last in zip(at, at[most:], strict=False):
            assert last >= first + span_s


def _burst(limit: RateLimit) -> tuple[int, float]:
    burst = min(limit.burst or limit.limit, limit.limit)
    return burst, limit.per_s * burst / limit.limit


def test_all_whose_time_has_come_pass_at_once_and_the_next_moment_is_known() -> None:
    gate = Gate(RateLimit(limit=2, per_s=1.0))
    for number, run_id in enumerate(RUNS[:7]):
        gate.enter(run_id, at=number / 10)

    assert gate.state.wakes_at() == 1.0
    assert gate.tell(GateLooked(), at=5.0).due == tuple(passes(*RUNS[2:4]))
    assert gate.state.wakes_at() == 6.0


def test_a_burst_passes_at_once_and_the_others_evenly() -> None:
    gate = Gate(RateLimit(limit=10, per_s=10.0, burst=2))
    for run_id in RUNS[:6]:
        gate.enter(run_id)
    while (wakes_at := gate.state.wakes_at()) is not None:
        gate.tell(GateLooked(), at=wakes_at)

    assert [moment for _, moment in gate.passed] == [0, 0, 2, 2, 4, 4]


def test_a_clock_that_goes_back_lets_nobody_pass_early() -> None:
    gate = Gate(RateLimit(limit=1, per_s=1.0))
    gate.enter("one", at=10.0)

    assert gate.enter("two", at=3.0) == []
    assert gate.state.wakes_at() == 11.0


# --- Debounce -------------------------------------------------------------------------------------


def merged(run_id: str, into: str) -> Due:
    return Due(act="merge", run_id=run_id, by=into)


def test_the_last_of_those_that_come_soon_after_one_another_passes_and_stands_for_all() -> None:
    gate = Gate(DebounceLimit(wait_s=1.0))
    gate.enter("a", at=0.0)

    assert gate.enter("b", at=0.9) == [merged("a", into="b")]
    assert gate.tell(GateLooked(), at=1.5).due == ()
    assert gate.enter("c", at=1.8) == [merged("b", into="c")]
    assert gate.tell(GateLooked(), at=2.8).due == tuple(passes("c"))
    assert gate.enter("d", at=2.9) == []


def test_the_first_does_not_wait_longer_than_at_most() -> None:
    gate = Gate(DebounceLimit(wait_s=1.0, at_most_s=2.0))
    for number in range(3):
        gate.enter(f"run-{number}", at=number * 0.9)

    assert gate.state.wakes_at() == 2.0


def test_one_that_was_asked_for_earlier_and_comes_late_becomes_the_later_one() -> None:
    gate = Gate(DebounceLimit(wait_s=1.0))
    gate.enter("later", at=5.0)

    assert gate.enter("earlier", at=5.1, asked_at=4.0) == [merged("earlier", into="later")]
    assert gate.waiting == ["later"]


# --- Singleton ------------------------------------------------------------------------------------


def test_while_one_works_the_others_become_it() -> None:
    gate = Gate(SingletonLimit())

    assert gate.enter("a") == passes("a")
    assert gate.enter("b") == [merged("b", into="a")]
    assert gate.leave("a") == []
    assert gate.enter("c") == passes("c")


def test_a_newer_one_ends_the_one_that_works_and_begins_when_that_has_ended() -> None:
    gate = Gate(SingletonLimit(mode="replace"))
    gate.enter("a")

    assert gate.enter("b") == [Due(act="replace", run_id="a", by="b")]
    assert gate.enter("c") == [merged("b", into="c"), Due(act="replace", run_id="a", by="c")]
    assert gate.leave("a") == passes("c")


def test_one_that_goes_on_as_another_while_it_is_to_end_is_to_end_as_that() -> None:
    gate = Gate(SingletonLimit(mode="replace"))
    gate.enter("a")
    gate.enter("b")

    assert gate.leave("a", heir="a2") == [Due(act="replace", run_id="a2", by="b")]


# --- What is due ----------------------------------------------------------------------------------


def test_what_is_due_stays_so_until_it_is_said_to_be_done() -> None:
    gate = Gate(ConcurrencyLimit(limit=2))
    gate.enter("a")
    gate.enter("b")

    assert list(gate.state.due) == passes("a", "b")
    gate.tell(GateLooked(), done=tuple(passes("a")))
    assert list(gate.state.due) == passes("b")
    gate.leave("b")
    assert not gate.state.due


@pytest.mark.parametrize("count", [0, 1, 4_000, 9_001])
def test_a_state_of_any_size_is_kept_in_parts_of_a_size_that_the_broker_takes(count: int) -> None:
    gate = Gate(ConcurrencyLimit(limit=1))
    for number in range(count):
        gate.enter(f"run-{number:022}")

    parts = gate.state.parts()

    assert all(len(part.to_body()) < 1_000_000 for part in parts)
    assert GateState.restored(parts).parts() == parts
