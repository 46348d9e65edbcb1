"""What the audit stream says of each kind of journal record."""

import hashlib
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath_audit_sink.projection import author, project, unreadable
from towpath_audit_sink.runs import Run
from towpath_audit_sink.telling import link
from towpath_chassis.digests import digest
from towpath_schemas import identity
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    ActAttemptFailed,
    ActGivenUp,
    AttemptFailed,
    CallIntended,
    CallSettled,
    CancelReceived,
    HandedOff,
    JournalRecord,
    LetterRedriven,
    MemoriesErased,
    Parent,
    PauseReceived,
    RunEnd,
    RunFinished,
    RunResumed,
    RunSuspended,
    ScheduleChanged,
    SignalReceived,
    SignalReturned,
    StartRefused,
    StepSettled,
    ValueDrawn,
)
from towpath_schemas.schedules import ScheduleDefinition
from towpath_schemas.usage import Usage
from towpath_testkit.journals import AT, run_started

FAILED = Failure(code="user_error", message="no")
NEVER_SEEN = Failure(code="unknown_outcome", message="never seen")
REFUSED = StartRefused(
    at=AT,
    subject="requests.v1.acme.start.nobody",
    failure=Failure(code="unknown_component", message="nobody"),
    attribution=Attribution(tenant="acme"),
    correlation_id="c-2",
)
REDRIVEN = LetterRedriven(
    at=AT,
    letter_id="letter-1",
    place=17,
    stream="TOOLS",
    subject="tools.v1.hello.add",
    attribution=Attribution(tenant="acme", user_id="operator-1"),
    correlation_id="c-3",
)
OTHER = Attribution(tenant="acme", user_id="u-2", user_role="operator")

SCHEDULED = ScheduleChanged(
    at=AT,
    change="set",
    schedule_id="schedule-1",
    name="nightly",
    definition=ScheduleDefinition(component="greet", cron="0 2 * * *"),
    attribution=Attribution(tenant="acme", user_id="operator-1"),
    correlation_id="c-4",
)
ERASED = MemoriesErased(
    at=AT,
    done=True,
    namespace="app/shop/user/ann",
    items=3,
    attribution=OTHER,
    correlation_id="c-5",
)


def decided(decision: str) -> CallSettled:
    result = {"decision": decision, "approver": "u-2", "at": "2024-02-29T12:00:00+00:00", "comment": None}
    return CallSettled(at=AT, key="k", act="approval", target="refund", result=result)


RECORDS: dict[str, tuple[JournalRecord, tuple[str, str, str, str | None]]] = {
    "run started": (run_started(), ("run", "started", "greet", None)),
    "run suspended": (RunSuspended(at=AT, waiting_for=("x",)), ("run", "suspended", "greet", None)),
    "run resumed": (RunResumed(at=AT, runner="r", epoch=2), ("run", "resumed", "greet", None)),
    "run completed": (RunFinished(at=AT, end="completed"), ("run", "completed", "greet", "ok")),
    "run failed": (RunFinished(at=AT, end="failed", failure=FAILED), ("run", "failed", "greet", "error")),
    "attempt failed": (
        AttemptFailed(at=AT, attempt=1, failure=FAILED, next_at=AT + 2),
        ("run", "attempt_failed", "greet", "error"),
    ),
    "run cancelled": (RunFinished(at=AT, end="cancelled"), ("run", "cancelled", "greet", "error")),
    "step completed": (StepSettled(at=AT, key="s"), ("step", "completed", "s", "ok")),
    "step failed": (StepSettled(at=AT, key="s", failure=FAILED), ("step", "failed", "s", "error")),
    "tool intended": (CallIntended(at=AT, key="k", act="tool", target="t"), ("tool", "intended", "t", None)),
    "model settled": (
        CallSettled(at=AT, key="k", act="model", target="m"),
        ("model", "completed", "m", "ok"),
    ),
    "task failed": (
        CallSettled(at=AT, key="k", act="task", target="t", failure=FAILED),
        ("task", "failed", "t", "error"),
    ),
    "tool unknown": (
        CallSettled(at=AT, key="k", act="tool", target="t", failure=NEVER_SEEN),
        ("tool", "failed", "t", "unknown"),
    ),
    "attempt of a step failed": (
        ActAttemptFailed(
            at=AT, key="s#0", act="step", target="s#0", attempt=1, failure=FAILED, next_at=AT + 2
        ),
        ("step", "attempt_failed", "s#0", "error"),
    ),
    "attempt of a model call failed": (
        ActAttemptFailed(at=AT, key="k", act="model", target="m", attempt=1, failure=FAILED, next_at=AT + 2),
        ("model", "attempt_failed", "m", "error"),
    ),
    "task given up": (
        ActGivenUp(at=AT, key="k", act="task", target="t"),
        ("task", "given_up", "t", None),
    ),
    "child given up": (
        ActGivenUp(at=AT, key="k", act="run", target="trip"),
        ("child", "given_up", "trip", None),
    ),
    "step given up": (
        ActGivenUp(at=AT, key="k#0", act="step", target="k#0"),
        ("step", "given_up", "k#0", None),
    ),
    "memory searched": (
        CallSettled(at=AT, key="k", act="memory", target="search", result={}),
        ("memory", "completed", "search", "ok"),
    ),
    "memory erased": (
        CallSettled(at=AT, key="k", act="memory", target="erase", result={"items": 3}),
        ("memory", "completed", "erase", "ok"),
    ),
    "value drawn": (ValueDrawn(at=AT, key="k", source="uuid", value="u"), ("value", "drawn", "uuid", None)),
    "child intended": (
        CallIntended(at=AT, key="k", act="run", target="trip"),
        ("child", "intended", "trip", None),
    ),
    "child completed": (
        CallSettled(at=AT, key="k", act="run", target="trip"),
        ("child", "completed", "trip", "ok"),
    ),
    "signal awaited": (
        CallIntended(at=AT, key="k", act="signal", target="paid"),
        ("signal", "intended", "paid", None),
    ),
    "signal received": (
        SignalReceived(at=AT, signal_id="s", name="paid", attribution=OTHER),
        ("signal", "received", "paid", None),
    ),
    "signal returned": (
        SignalReturned(at=AT, key="signal:paid#0", signal_id="s", name="paid"),
        ("signal", "returned", "paid", None),
    ),
    "timer settled": (
        CallSettled(at=AT, key="k", act="timer", target="timer"),
        ("timer", "completed", "timer", "ok"),
    ),
    "approval asked": (
        CallIntended(at=AT, key="k", act="approval", target="refund"),
        ("approval", "intended", "refund", None),
    ),
    "approval given": (decided("approved"), ("approval", "approved", "refund", "ok")),
    "approval refused": (decided("rejected"), ("approval", "rejected", "refund", "ok")),
    "approval expired": (
        CallSettled(at=AT, key="k", act="approval", target="refund", failure=FAILED),
        ("approval", "failed", "refund", "error"),
    ),
    "run cancelling": (
        CancelReceived(at=AT, event_id="e", attribution=OTHER),
        ("run", "cancelling", "greet", None),
    ),
    "run paused": (
        PauseReceived(at=AT, event_id="e", paused=True, attribution=OTHER),
        ("run", "paused", "greet", None),
    ),
    "run unpaused": (
        PauseReceived(at=AT, event_id="e", paused=False, attribution=OTHER),
        ("run", "unpaused", "greet", None),
    ),
    "run terminated": (RunFinished(at=AT, end="terminated"), ("run", "terminated", "greet", "error")),
    "run continued": (RunFinished(at=AT, end="continued"), ("run", "continued", "greet", "ok")),
    "handed off": (HandedOff(at=AT, key="k", agent="a", to="b"), ("agent", "handed_off", "b", None)),
    "request refused": (REFUSED, ("request", "refused", "nobody", "error")),
    "memories erasing": (
        ERASED.model_copy(update={"done": False}),
        ("memory", "erasing", "app/shop/user/ann", None),
    ),
    "memories erased": (ERASED, ("memory", "erased", "app/shop/user/ann", "ok")),
    "letter redriven": (REDRIVEN, ("letter", "redriven", "tools.v1.hello.add", None)),
}


def run(**changes: Any) -> Run:
    return Run.told_by("run1", run_started(**changes), "/towpath/audit-sink/one")


@pytest.mark.parametrize("name", RECORDS)
def test_each_record_is_told_as_what_it_is(name: str) -> None:
    record, expected = RECORDS[name]

    event = project(record, run(), 7)

    assert (event.kind, event.action, event.target, event.outcome) == expected
    assert (event.run_id, event.source_stream, event.source_sequence) == ("run1", "JOURNAL", 7)


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_told_can_be_read_again(name: str) -> None:
    event = project(RECORDS[name][0], run(), 7)

    assert AuditEvent.from_body(event.to_body()) == event


def test_a_call_is_told_with_what_it_cost_and_how_often_it_was_tried() -> None:
    settled = CallSettled(
        at=AT, key="k", act="model", target="m", attempts=2, usage=Usage(input_tokens=3), agent="billing"
    )

    event = project(settled, run(), 1)

    assert (event.attempts, event.usage, event.agent) == (2, Usage(input_tokens=3), "billing")


def test_an_attempt_that_failed_is_told_with_its_number_and_when_the_next_begins() -> None:
    failed = AttemptFailed(at=AT, attempt=2, failure=FAILED, next_at=AT + 8)

    event = project(failed, Run.told_by("run-1", run_started(), "s"), 8)

    assert (event.attempts, event.next_at, event.failure) == (2, AT + 8, FAILED)


@pytest.mark.parametrize(
    ("kind", "end", "leaves"),
    [("function", "failed", True), ("function", "cancelled", False), ("workflow", "failed", False)],
)
def test_the_end_of_a_function_that_failed_for_good_names_its_letter(
    kind: str, end: RunEnd, *, leaves: bool
) -> None:
    run = Run.told_by("run-1", run_started(component_kind=kind), "s")

    event = project(RunFinished(at=AT, end=end, attempts=3), run, 8)

    assert event.attempts == 3
    assert event.letter_id == (identity.letter_of_run_id("run-1") if leaves else None)


def test_a_question_about_memories_is_told_with_what_it_found() -> None:
    found = {"app/shop/user/ada": ["diet", "a/b"], "app/shop/shared": ["hours"], "app/-x/shared": []}
    answers = {
        namespace: {"found": [{"key": key, "written": 1, "stored_at": AT} for key in keys], "as_of": 7}
        for namespace, keys in found.items()
    }
    settled = CallSettled(at=AT, key="k", act="memory", target="search", result=answers)

    event = project(settled, run(), 1)

    assert event.recalled == ("app/shop/user/ada/diet", "app/shop/user/ada/a/b", "app/shop/shared/hours")
    assert project(settled.model_copy(update={"target": "erase"}), run(), 1).recalled is None


def test_contents_are_told_as_digests_of_canonical_json() -> None:
    canonical = json.dumps({"a": [1, None], "b": "ü"}, ensure_ascii=False, separators=(",", ":")).encode()

    event = project(run_started(input={"b": "ü", "a": [1, None]}), run(), 1)

    assert event.input_sha256 == hashlib.sha256(canonical).hexdigest()
    assert event.output_sha256 is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), JSON, min_size=1))
def test_any_json_has_a_digest_and_the_order_of_its_names_does_not_matter(value: dict[str, Any]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("changes", "agent"),
    [
        ({}, "_"),
        ({"component_kind": "agent"}, "greet"),
        ({"attribution": Attribution(tenant="acme", agent="desk")}, "desk"),
    ],
    ids=["nobody", "the component", "the attribution's"],
)
def test_the_subject_names_the_agent(changes: dict[str, Any], agent: str) -> None:
    of = run(**changes)

    told = link(project(StepSettled(at=AT, key="s"), of, 1), "journal.v1.run1.0.1", of)

    assert told.subject == f"audit.v1.acme.{agent}.step.completed"


def test_the_headers_say_for_whom_and_from_where() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    of = run(traceparent=trace)

    headers = link(project(StepSettled(at=AT, key="s"), of, 9), "journal.v1.run1.0.1", of).headers

    assert headers["ce-sequence"] == "9"
    assert headers["ce-time"] == "2023-11-14T22:13:20.000000Z"
    assert headers["ce-type"] == "io.towpath.audit.AuditEvent.v1"
    assert (headers["ce-tenant"], headers["ce-userref"], headers["ce-runid"]) == ("acme", "u-1", "run1")
    assert (headers["traceparent"], headers["ce-correlationid"]) == (trace, "correlation-1")


def test_an_event_id_is_derived_from_the_place_of_its_record() -> None:
    event = project(StepSettled(at=AT, key="s"), run(), 9)

    ids = [link(event, f"journal.v1.run1.0.{number}", run()).headers["ce-id"] for number in (1, 1, 2)]

    assert ids[0] == ids[1] != ids[2]


def test_an_entry_that_is_written_to_a_place_again_is_another_event() -> None:
    """Else the broker took it for a repetition, and nothing behind it would be told for as long as it remembers."""
    ids = {
        link(project(StepSettled(at=AT, key="s"), run(), sequence), "journal.v1.run1.0.1", run()).id
        for sequence in (9, 10)
    }

    assert len(ids) == 2


def test_a_record_of_a_run_without_entry_0_belongs_to_nobody() -> None:
    orphaned = Run.told_by("run1", None, "/towpath/audit-sink/one")

    event = project(RunFinished(at=AT, end="completed"), orphaned, 1)

    assert (event.attribution.tenant, event.target, event.agent) == ("_", "run1", None)


def test_what_cannot_be_read_is_told_too() -> None:
    event = unreadable("journal.v1.run1.0.3", AT, run(), 4)

    assert (event.kind, event.action, event.target) == ("record", "unreadable", "journal.v1.run1.0.3")


def test_what_the_index_of_runs_is_made_of_is_told() -> None:
    started = project(run_started(parent=Parent(run_id="elder", key="child:x#0")), run(), 1)
    suspended = project(RunSuspended(at=AT, waiting_for=("a#0", "b#0")), run(), 2)
    continued = project(RunFinished(at=AT, end="continued", successor="next"), run(), 3)

    assert (started.component_kind, started.service, started.parent) == ("workflow", "hello", "elder")
    assert suspended.waiting_for == ("a#0", "b#0")
    assert (continued.successor, continued.parent, continued.waiting_for) == ("next", None, None)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("requests.v1.acme.decide.run-1-x2e7", ("run-1.7", "decide")),
        ("requests.v1.acme.start.nobody", ("nobody", "start")),
        ("requests.v1.nonsense", ("requests.v1.nonsense", None)),
    ],
)
def test_a_refusal_is_told_with_what_was_asked_of_what(
    subject: str, expected: tuple[str, str | None]
) -> None:
    refused = REFUSED.model_copy(update={"subject": subject})

    event = project(refused, Run.told_by("run1", refused, "/towpath/audit-sink/one"), 1)

    assert (event.target, event.key) == expected


def test_a_redrive_is_told_with_its_place_and_who_asked_for_it() -> None:
    of = Run.told_by("run1", REDRIVEN, "/towpath/audit-sink/one")

    event = project(REDRIVEN, of, 1)

    assert (event.key, event.attribution, event.correlation_id) == ("17", REDRIVEN.attribution, "c-3")


def test_a_change_of_a_schedule_is_told_with_its_name_what_it_is_to_do_and_who_asked_for_it() -> None:
    of = Run.told_by("change1", SCHEDULED, "/towpath/audit-sink/one")

    event = project(SCHEDULED, of, 1)

    assert (event.kind, event.action, event.target) == ("schedule", "set", "nightly")
    assert (event.attribution, event.correlation_id) == (SCHEDULED.attribution, "c-4")
    assert event.input_sha256 is not None


def test_an_erasure_is_told_as_that_of_whoever_asked_for_it() -> None:
    of = Run.told_by("erasures1", ERASED, "/towpath/audit-sink/one")

    event = project(ERASED, of, 1)

    assert (event.attribution, event.correlation_id, event.run_id) == (OTHER, "c-5", "erasures1")
    assert event.input_sha256 == digest({"items": 3, "records": 0, "points": 0})


@given(st.floats())
def test_an_event_of_any_time_can_be_told(at: float) -> None:
    told = link(project(StepSettled(at=at, key="s"), run(), 1), "journal.v1.run1.0.1", run())

    assert datetime.fromisoformat(told.headers["ce-time"]).tzinfo is not None


@pytest.mark.parametrize(
    "record",
    [
        StepSettled(at=AT, key="s", session_id="chat"),
        CallIntended(at=AT, key="c", act="model", target="m", session_id="chat"),
        CallSettled(at=AT, key="c", act="tool", target="t", session_id="chat"),
    ],
)
def test_what_an_agent_does_in_a_session_is_attributed_to_it(record: JournalRecord) -> None:
    acting = run().by(author(record, run()), "/towpath/audit-sink/one")

    told = project(record, acting, 1)

    assert told.attribution == run().attribution.model_copy(update={"session_id": "chat"})


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("signal received", OTHER),
        ("run cancelling", OTHER),
        ("run paused", OTHER),
        ("memories erased", OTHER),
        ("approval given", Attribution(tenant="acme", user_id="u-2")),
        ("approval expired", run().attribution),
        ("step completed", run().attribution),
    ],
)
def test_what_somebody_wanted_of_a_run_is_told_as_theirs(name: str, who: Attribution) -> None:
    record, _ = RECORDS[name]
    acting = run().by(author(record, run()), "/towpath/audit-sink/one")

    told = link(project(record, acting, 1), "journal.v1.run1.0.1", acting)

    assert AuditEvent.from_body(told.body).attribution == who
    assert (told.headers["ce-userref"], told.headers.get("ce-userrole")) == (who.user_id, who.user_role)


def test_a_run_that_starts_as_a_fork_says_who_asked_for_it() -> None:
    grace = Attribution(tenant="acme", user_id="grace")

    event = project(run_started(forked_from="elder", forked_by=grace), run(), 1)

    assert event.forked_by == grace
    assert event.attribution == run().attribution
