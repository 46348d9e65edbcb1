"""What a fork takes over: a part of the past that replay can go by, whatever the past was."""

import pytest
from hypothesis import given, strategies as st

from towpath_router.forking import past
from towpath_router.requests import RefusedError
from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    Act,
    ActAttemptFailed,
    AttemptFailed,
    CallIntended,
    CallSettled,
    CancelReceived,
    HandedOff,
    JournalRecord,
    PauseReceived,
    RunFinished,
    RunResumed,
    RunSuspended,
    SignalReceived,
    SignalReturned,
    StepSettled,
    ValueDrawn,
)
from towpath_schemas.usage import Usage
from towpath_testkit.journals import AT, run_started

ACME = Attribution(tenant="acme")
NO = Failure(code="user_error", message="no")
KEYS = ["a#0", "b#0", "c#0", "a#0/d#0", "b#0/d#0", "a#0x", "a#00"]
Done = StepSettled | CallSettled | ValueDrawn | HandedOff
HELD: list[JournalRecord] = [
    RunSuspended(at=AT, waiting_for=("a#0",)),
    RunResumed(at=AT, runner="r", epoch=2),
    PauseReceived(at=AT, event_id="p", paused=True, attribution=ACME),
]
HEARD: list[JournalRecord] = [
    SignalReceived(at=AT, signal_id="s", name="paid", attribution=ACME),
    SignalReturned(at=AT, key="elsewhere#0", signal_id="s", name="paid"),
    CancelReceived(at=AT, event_id="c", attribution=ACME),
]


def intended(key: str, act: Act = "tool") -> CallIntended:
    return CallIntended(at=AT, key=key, act=act, target="t")


def settled(key: str, act: Act = "tool") -> CallSettled:
    return CallSettled(at=AT, key=key, act=act, target="t", usage=Usage(input_tokens=3))


@st.composite
def journals(draw: st.DrawFn) -> list[JournalRecord]:
    """Make the journal of a run whose acts overlap: each is intended before it is settled, if it is."""
    records: list[JournalRecord] = []
    for key in draw(st.permutations(KEYS)):
        begun = draw(st.integers(0, len(records)))
        if draw(st.booleans()):
            records.insert(begun, StepSettled(at=AT, key=key))
            continue
        records.insert(begun, intended(key))
        if draw(st.booleans()):
            records.insert(draw(st.integers(begun + 1, len(records))), settled(key))
    for other in draw(st.lists(st.sampled_from([*HELD, *HEARD]), max_size=5)):
        records.insert(draw(st.integers(0, len(records))), other)
    return [run_started(), *records, RunFinished(at=AT, end="failed")]


def is_inside(key: str, until: str) -> bool:
    return key == until or key.startswith(f"{until}/")


def key_of(record: JournalRecord) -> str | None:
    return getattr(record, "key", None)


@given(journals(), st.sampled_from(KEYS))
def test_it_is_what_had_ended_before_the_act_in_its_order(records: list[JournalRecord], until: str) -> None:
    cut = next(at for at, one in enumerate(records) if is_inside(key_of(one) or "", until))
    ended = {one.key for one in records[:cut] if isinstance(one, Done)}

    taken = past(records, until)

    expected = [one for one in records[:cut] if key_of(one) in ended or one in HEARD]
    assert [(one.kind, key_of(one)) for one in taken] == [(one.kind, key_of(one)) for one in expected]


@given(journals(), st.sampled_from(KEYS))
def test_nothing_of_the_act_itself_is_in_it_and_nothing_is_left_open(
    records: list[JournalRecord], until: str
) -> None:
    taken = past(records, until)

    assert not [one for one in taken if is_inside(key_of(one) or "", until)]
    begun = {one.key for one in taken if isinstance(one, CallIntended)}
    assert begun <= {one.key for one in taken if isinstance(one, Done)}
    assert not [one for one in taken if one in HELD]


@given(journals(), st.sampled_from(KEYS))
def test_a_fork_of_a_fork_is_the_fork(records: list[JournalRecord], until: str) -> None:
    once = past(records, until)
    again = [run_started(), *once, StepSettled(at=AT, key=until)]

    assert past(again, until) == once


def test_a_fork_goes_on_in_the_attempt_in_which_the_act_was_done() -> None:
    failed = AttemptFailed(at=AT, attempt=1, failure=NO, next_at=AT + 1)
    wait = (intended("attempt@2", "timer"), settled("attempt@2", "timer"))
    first, second = StepSettled(at=AT, key="a#0"), StepSettled(at=AT, key="b#0")
    records: list[JournalRecord] = [run_started(), first, failed, *wait, second]

    assert failed in past(records, "b#0")
    assert past(records, "a#0") == []


def test_an_act_that_was_tried_and_had_not_ended_begins_anew() -> None:
    failed = ActAttemptFailed(
        at=AT, key="a#0", act="step", target="a#0", attempt=1, failure=NO, next_at=AT + 1
    )
    ended, other = StepSettled(at=AT, key="a#0", attempts=2), StepSettled(at=AT, key="b#0")

    assert past([run_started(), failed, other, ended], "b#0") == []
    assert past([run_started(), failed, ended, other], "b#0") == [failed, ended]


def test_what_models_consumed_is_not_counted_again() -> None:
    records: list[JournalRecord] = [
        run_started(), intended("m#0", "model"), settled("m#0", "model"), StepSettled(at=AT, key="a#0"),
    ]  # fmt: skip

    assert [one.usage for one in past(records, "a#0") if isinstance(one, CallSettled)] == [None]


JOIN_X, LEAVE_X = "entity:towpath.object-key.join#0", "entity:towpath.object-key.leave#0"


def line(key: str) -> CallIntended:
    _, _, target = key.partition("entity:")
    return CallIntended(at=AT, key=key, act="entity", target=target.removesuffix("#0"))


def test_a_step_that_holds_object_keys_of_the_run_begins_anew_unless_its_work_is_done() -> None:
    waiting: list[JournalRecord] = [ValueDrawn(at=AT, key="~w/uuid#0", source="uuid"), line(f"~w/{JOIN_X}")]
    at_work: list[JournalRecord] = [
        ValueDrawn(at=AT, key="~a/uuid#0", source="uuid"),
        line(f"~a/{JOIN_X}"),
        settled(f"~a/{JOIN_X}", "entity"),
        intended("~a/task:t#0", "task"),
    ]
    done: list[JournalRecord] = [
        line(f"~d/{JOIN_X}"),
        settled(f"~d/{JOIN_X}", "entity"),
        intended("~d/task:t#0", "task"),
        settled("~d/task:t#0", "task"),
    ]
    given_up: list[JournalRecord] = [
        line(f"~g/{JOIN_X}"),
        settled(f"~g/{JOIN_X}", "entity"),
        line(f"~g/{LEAVE_X}"),
        settled(f"~g/{LEAVE_X}", "entity"),
    ]

    taken = past([run_started(), *waiting, *at_work, *done, *given_up, StepSettled(at=AT, key="x#0")], "x#0")

    assert [key_of(one) for one in taken] == [key_of(one) for one in (*done, *given_up)]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "it has done nothing yet"),
        ([StepSettled(at=AT, key="a#0"), settled("b#0")], "name one of: a#0, b#0"),
        ([StepSettled(at=AT, key=f"s#{number}") for number in range(23)], "s#19 and 3 more"),
    ],
    ids=["nothing", "two", "many"],
)
def test_an_act_that_the_run_has_not_done_is_refused_with_what_it_has(
    records: list[JournalRecord], says: str
) -> None:
    with pytest.raises(RefusedError, match="until is 'x#0'") as refused:
        past([run_started(), *records], "x#0")

    assert refused.value.failure.message.endswith(says)
