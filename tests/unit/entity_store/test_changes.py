"""What an audit event changes in the index of runs."""

from typing import Any, get_args

import orjson
import pytest

from towpath_audit_sink.projection import project
from towpath_audit_sink.runs import Run
from towpath_entity_store.runs.changes import Change, begun, changes, in_
from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    AttemptFailed,
    CallIntended,
    CallSettled,
    CancelReceived,
    JournalRecord,
    LetterRedriven,
    PauseReceived,
    RunEnd,
    RunFinished,
    RunResumed,
    RunSuspended,
    SignalReceived,
    StartRefused,
    StepSettled,
    ValueDrawn,
)
from towpath_testkit.journals import AT, run_started

WHO = Attribution(tenant="acme", user_id="ada")
NO = Failure(code="forbidden", message="no")


def told(record: JournalRecord) -> list[Change]:
    """Tell a record as the audit-sink does, and what the index makes of that."""
    run = Run.told_by("run-1", run_started(), "/towpath/audit-sink/one")
    return changes(project(record, run, 7))


def fields(change: Change) -> dict[str, Any]:
    return dict(zip(change.told[::2], change.told[1::2], strict=True))  # type: ignore[arg-type]


def refused(verb: str) -> StartRefused:
    return StartRefused(
        at=AT, subject=f"requests.v1.acme.{verb}.desk", failure=NO, attribution=WHO, correlation_id="c"
    )


def test_a_start_says_what_the_run_is() -> None:
    (origin,) = told(run_started(attribution=WHO))

    assert (origin.run_id, origin.sequence, origin.part) == ("run-1", 7, "origin")
    assert fields(origin)["component"] == "greet"
    assert in_("tenant", "acme") in orjson.loads(origin.sets)


@pytest.mark.parametrize(
    ("record", "part", "wanted"),
    [
        (
            RunSuspended(at=AT, waiting_for=("a#0",)),
            "state",
            {"status": "suspended", "waiting_for": b'["a#0"]'},
        ),
        (RunResumed(at=AT, runner="r", epoch=2), "state", {"status": "running", "waiting_for": b""}),
        (PauseReceived(at=AT, event_id="e", paused=True, attribution=WHO), "pause", {"paused": "1"}),
        (PauseReceived(at=AT, event_id="e", paused=False, attribution=WHO), "pause", {"paused": ""}),
    ],
)
def test_what_becomes_of_a_run_changes_a_part_of_it(
    record: JournalRecord, part: str, wanted: dict[str, Any]
) -> None:
    (change,) = told(record)

    assert (change.part, fields(change)) == (part, wanted)


@pytest.mark.parametrize("end", get_args(RunEnd))
def test_every_end_is_one(end: RunEnd) -> None:
    (change,) = told(RunFinished(at=AT, end=end, successor="next"))

    assert change.part == "state"
    assert (fields(change)["status"], fields(change)["successor"]) == (end, "next")
    assert float(fields(change)["finished_at"]) == AT


def test_how_often_a_function_was_tried_is_known_from_each_attempt_that_failed_and_from_its_end() -> None:
    (failed,) = told(AttemptFailed(at=AT, attempt=2, failure=NO, next_at=AT + 1))
    _, ended = told(RunFinished(at=AT, end="failed", attempts=3))

    assert [(one.part, fields(one)) for one in (failed, ended)] == [
        ("attempts", {"attempts": "2"}),
        ("attempts", {"attempts": "3"}),
    ]


def test_a_wait_opens_and_whatever_ends_it_closes_it() -> None:
    waits = CallIntended(at=AT, key="signal:go#0", act="signal", target="go")
    came = CallSettled(at=AT, key="signal:go#0", act="signal", target="go")
    late = came.model_copy(update={"failure": Failure(code="timeout", message="late")})

    opened, *closed = [change for record in (waits, came, late) for change in told(record)]

    assert (opened.part, opened.place) == ("open", "signal:go#0")
    assert orjson.loads(opened.sets) == {"sets": [in_("signal", "go"), in_("signal", "go", "acme")]}
    assert [(change.part, change.place) for change in closed] == [("closed", "signal:go#0")] * 2


@pytest.mark.parametrize(
    "result", [None, {"decision": "approved", "approver": "ada"}, {"decision": "rejected"}]
)
def test_an_approval_is_listed_until_it_is_settled(result: Any) -> None:
    (asked,) = told(CallIntended(at=AT, key="approval:pay#0", act="approval", target="pay"))
    (settled,) = told(CallSettled(at=AT, key="approval:pay#0", act="approval", target="pay", result=result))

    standing = orjson.loads(asked.sets)
    assert (standing["sets"], standing["member"]) == (["approvals", in_("approvals", "acme")], "7")
    assert (settled.part, settled.place) == ("closed", "approval:pay#0")


def test_a_refused_start_is_a_run_that_has_ended() -> None:
    origin, end = told(refused("start"))

    assert fields(origin)["component"] == "desk"
    assert fields(end)["status"] == "refused"


@pytest.mark.parametrize(
    "record",
    [
        refused("decide"),
        StepSettled(at=AT, key="s"),
        ValueDrawn(at=AT, key="k", source="now"),
        CallIntended(at=AT, key="k", act="run", target="trip"),
        CallSettled(at=AT, key="k", act="run", target="trip"),
        CallSettled(at=AT, key="k", act="timer", target="timer"),
        SignalReceived(at=AT, signal_id="s", name="go", attribution=WHO),
        CancelReceived(at=AT, event_id="e", attribution=WHO),
        LetterRedriven(
            at=AT, letter_id="l", place=1, stream="TOOLS", subject="t", attribution=WHO, correlation_id="c"
        ),
    ],
    ids=lambda record: f"{record.kind} {getattr(record, 'act', '')}",
)
def test_what_lists_do_not_show_changes_nothing(record: JournalRecord) -> None:
    assert told(record) == []


def test_a_claim_says_that_the_run_works() -> None:
    assert fields(begun("run-1", 5)) == {"status": "running"}


def test_names_of_lists_cannot_be_mixed_up() -> None:
    assert in_("signal", "go", "acme") != in_("signal", 'go","acme')
