"""The replay core: what a history answers, and how it notices that the code is not what it was."""

import pytest

from towpath.engine.asked import Asked, call_asked
from towpath.engine.closing import closed
from towpath.engine.history import History
from towpath.errors import NonDeterminismError
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ControlSent, SignalSent
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    HandedOff,
    InLine,
    JournalRecord,
    RunFinished,
    RunSuspended,
    SignalReceived,
    SignalReturned,
    StepSettled,
    ValueDrawn,
)
from towpath_schemas.succession import heard_digest
from towpath_testkit.builders import answered
from towpath_testkit.journals import AT, run_started

CALL = CallIntended(at=AT, key="task:add#0", act="task", target="add", service="hello", input=[1, 2])


def step(key: str, result: object = None) -> StepSettled:
    return StepSettled(at=AT, key=key, result=result)


def history(*records: JournalRecord) -> History:
    return History(enumerate([run_started(), *records]))


def test_a_settled_step_is_answered_and_nothing_is_replayed_after_it() -> None:
    past = history(step("a#0", "done"))

    assert past.replaying
    assert past.settled(Asked("a#0", "step")) == step("a#0", "done")
    assert not past.replaying


def test_an_act_the_journal_does_not_know_has_no_answer() -> None:
    assert history().settled(Asked("a#0", "step")) is None


def test_a_call_that_was_begun_is_known_as_begun_and_not_as_ended() -> None:
    past = history(CALL)

    assert past.settled(call_asked("task:add#0", "task", "add")) is None
    assert past.intended("task:add#0") == CALL
    assert past.outcome("task:add#0") is None
    assert not past.replaying


@pytest.mark.parametrize(
    ("recorded", "asked", "names"),
    [
        (step("x#0"), Asked("x#0", "now"), ["step 'x#0'", "now 'x#0'"]),
        (CALL, call_asked("task:add#0", "task", "subtract"), ["of 'add'", "of 'subtract'"]),
        (CALL, call_asked("task:add#0", "tool", "add"), ["task 'task:add#0'", "tool 'task:add#0'"]),
        (
            HandedOff(at=AT, key="handoff#0", agent="desk", to="billing"),
            Asked("handoff#0", "handoff", "desk to sales"),
            ["desk to billing", "desk to sales"],
        ),
    ],
    ids=["kind", "target", "act", "handoff"],
)
def test_another_act_in_its_place_is_refused_with_both_named(
    recorded: JournalRecord, asked: Asked, names: list[str]
) -> None:
    with pytest.raises(NonDeterminismError) as refused:
        history(recorded).settled(asked)

    assert all(name in str(refused.value) for name in names)
    assert refused.value.failure.code == "non_determinism"


def test_acts_inside_a_settled_step_are_not_expected_again() -> None:
    past = history(
        step("a#0/b#0"), ValueDrawn(at=AT, key="a#0/scope#0/now#0", source="now", value=1.0), step("a#0")
    )

    past.settled(Asked("a#0", "step"))

    assert not past.replaying


def test_acts_inside_a_step_that_is_run_again_are_not_expected_after_its_end() -> None:
    past = history(step("a#0/b#0"), step("a#0/b#1"))
    past.settled(Asked("a#0", "step"))
    past.settled(Asked("a#0/b#0", "step"))

    past.add(1, step("a#0"))

    assert not past.replaying


def test_a_step_with_acts_inside_that_has_not_ended_is_known_to_have_begun() -> None:
    past = history(step("a#0/b#0"))

    assert past.settled(Asked("a#0", "step")) is None
    assert past.was_inside("a#0")
    assert not past.was_inside("c#0")


def test_acts_inside_a_scope_are_expected() -> None:
    past = history(step("scope#0/a#0"), step("b#0"))

    past.settled(Asked("b#0", "step"))

    assert past.replaying


def test_an_end_with_acts_never_asked_for_names_the_first_of_them() -> None:
    past = history(step("a#0"), step("b#0"))
    past.settled(Asked("a#0", "step"))

    assert "step 'b#0'" in str(past.diverged("its end"))


def test_of_two_outcomes_of_one_act_the_first_counts() -> None:
    first, second = (
        CallSettled(at=AT, key=CALL.key, act="task", target="add", result=result) for result in (3, 4)
    )

    past = history(CALL, first, second)

    assert past.settled(call_asked(CALL.key, "task", "add")) == first


def test_an_answer_settles_a_call_that_was_begun_once() -> None:
    past = history(CALL)

    settled = past.reception(answered(CALL.key, 3), AT)
    assert isinstance(settled, CallSettled)
    past.add(9, settled)

    assert (settled.target, settled.result) == ("add", 3)
    assert past.reception(answered(CALL.key, 4), AT) is None
    assert past.reception(answered("task:other#0", 4), AT) is None


def test_the_next_number_follows_the_highest_even_behind_a_gap() -> None:
    past = History([(0, run_started()), (3, step("b#0")), (1, step("a#0"))])

    assert [past.take_number(), past.take_number()] == [4, 5]


def test_a_run_is_suspended_only_if_nothing_came_after() -> None:
    suspended = RunSuspended(at=AT, waiting_for=("a#0",))
    end = RunFinished(at=AT, end="completed")

    assert history(suspended).suspended
    assert not history(suspended, step("a#0")).suspended
    assert history(end).finished == end


def test_what_those_before_have_taken_is_not_taken_by_the_run_that_goes_on() -> None:
    line = InLine(first="first", number=2, heard=(heard_digest("s-1"), heard_digest("c-1")))
    past = History(enumerate([run_started(continues="before", line=line)]))
    acme = Attribution(tenant="acme")

    def signal(signal_id: str) -> SignalSent:
        return SignalSent(signal_id=signal_id, run_id="run-1", name="paid", attribution=acme)

    assert past.reception(signal("s-1"), AT) is None
    assert past.reception(signal("s-2"), AT) is not None
    for event_id, is_taken in {"c-1": False, "c-2": True}.items():
        wish = ControlSent(event_id=event_id, run_id="run-1", control="cancel", attribution=acme)
        assert (past.reception(wish, AT) is not None) is is_taken


@pytest.mark.parametrize("given_back_first", ["s-1", "s-2"])
def test_signals_that_are_given_back_are_kept_in_the_order_in_which_they_came(given_back_first: str) -> None:
    waits = {
        f"s-{number}": CallIntended(at=AT, key=f"signal:paid#{number}", act="signal", target="paid")
        for number in (1, 2)
    }
    got = [
        CallSettled(at=AT, key=wait.key, act="signal", target="paid", source=signal_id)
        for signal_id, wait in waits.items()
    ]
    back = [
        SignalReturned(at=AT, key=waits[signal_id].key, signal_id=signal_id, name="paid")
        for signal_id in sorted(waits, key=lambda signal_id: signal_id != given_back_first)
    ]
    later = SignalReceived(
        at=AT, signal_id="s-3", name="paid", payload=3, attribution=Attribution(tenant="acme")
    )

    kept = history(*waits.values(), *got, later, *back).incoming

    in_order: list[str] = []
    while (signal := kept.kept_signal("paid")) is not None:
        in_order.append(signal.signal_id)
        kept.claim(signal.signal_id)
    assert in_order == ["s-1", "s-2", "s-3"]


@pytest.mark.parametrize("has_taken", [True, False])
def test_the_run_that_goes_on_is_told_whether_anything_came_before_it(*, has_taken: bool) -> None:
    wait = CallIntended(at=AT, key="signal:go#0", act="signal", target="go")
    got = CallSettled(
        at=AT, key="signal:go#0", act="signal", target="go", source="s-1" if has_taken else None
    )
    end = RunFinished(at=AT, end="continued", successor="next")

    left = closed("run-1", history(wait, got, end))

    assert left is not None
    assert left.successor is not None
    assert left.successor.inherits == has_taken
