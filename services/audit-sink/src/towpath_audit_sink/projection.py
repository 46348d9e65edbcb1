"""Tells a journal record as an audit event; a pure function, so the audit stream can be told again from the journal."""

import hashlib
import json
from typing import Any, NamedTuple

import orjson

from towpath_audit_sink.runs import Run
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent, AuditKind, AuditOutcome
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    HandedOff,
    JournalRecord,
    RunFinished,
    RunResumed,
    RunStarted,
    RunSuspended,
    StartRefused,
    StepSettled,
    ValueDrawn,
)
from towpath_schemas.streams import JOURNAL

UNREADABLE = "unreadable"


class _Told(NamedTuple):
    """What is particular to one kind of record; the rest is the run's."""

    kind: AuditKind
    action: str
    target: str
    input: Any = None
    result: Any = None


def project(record: JournalRecord, run: Run, sequence: int) -> AuditEvent:
    """Tell what `record`, at `sequence` of the journal, says about `run`."""
    told = _told(record, run)
    says = vars(record)  # what a kind of record does not have is None in its event
    failure: Failure | None = says.get("failure")
    return AuditEvent(
        at=record.at,
        run_id=run.run_id,
        kind=told.kind,
        action=told.action,
        target=told.target,
        key=says.get("key"),
        agent=says.get("agent") or run.agent,
        outcome=_outcome(told, failure),
        failure=failure,
        usage=says.get("usage"),
        attempts=says.get("attempts"),
        attribution=run.attribution,
        correlation_id=run.correlation_id,
        input_sha256=digest(told.input),
        output_sha256=digest(told.result),
        source_stream=JOURNAL.name,
        source_sequence=sequence,
    )


def unreadable(subject: str, at: float, run: Run, sequence: int) -> AuditEvent:
    """Tell that the entry at `subject` cannot be read: it takes a place in the audit stream like any other."""
    return AuditEvent(
        at=at,
        run_id=run.run_id,
        kind="record",
        action=UNREADABLE,
        target=subject,
        agent=run.agent,
        outcome="unknown",
        attribution=run.attribution,
        correlation_id=run.correlation_id,
        source_stream=JOURNAL.name,
        source_sequence=sequence,
    )


def _told(record: JournalRecord, run: Run) -> _Told:
    match record:
        case CallIntended() | CallSettled() | StepSettled() | ValueDrawn() | HandedOff():
            return _act(record)
        case RunStarted() | RunSuspended() | RunResumed() | RunFinished() | StartRefused():
            return _turn(record, run.component or run.run_id)


def _act(record: CallIntended | CallSettled | StepSettled | ValueDrawn | HandedOff) -> _Told:
    match record:
        case CallIntended():
            return _Told(record.act, "intended", record.target, input=record.input)
        case CallSettled():
            return _Told(record.act, _ended(record.failure), record.target, result=record.result)
        case StepSettled():
            return _Told("step", _ended(record.failure), record.key, result=record.result)
        case ValueDrawn():
            return _Told("value", "drawn", record.source, result=record.value)
        case HandedOff():
            return _Told("agent", "handed_off", record.to)


def _turn(
    record: RunStarted | RunSuspended | RunResumed | RunFinished | StartRefused, component: str
) -> _Told:
    match record:
        case RunStarted():
            return _Told("run", "started", component, input=record.input)
        case RunSuspended():
            return _Told("run", "suspended", component)
        case RunResumed():
            return _Told("run", "resumed", component)
        case RunFinished():
            return _Told("run", record.end, component, result=record.result)
        case StartRefused():
            return _Told("request", "refused", _asked_for(record.subject))


def _asked_for(subject: str) -> str:
    try:
        return subjects.read_request(subject).target
    except ValueError:
        return subject


def _ended(failure: Failure | None) -> str:
    return "completed" if failure is None else "failed"


def _outcome(told: _Told, failure: Failure | None) -> AuditOutcome | None:
    if failure is not None:
        return "unknown" if failure.code == "unknown_outcome" else "error"
    match told.action:
        case "completed":
            return "ok"
        case "failed" | "cancelled":
            return "error"
        case _:
            return None


def digest(value: Any) -> str | None:
    """Compute SHA-256 over the value as JSON with sorted keys and no spaces; None for None."""
    return None if value is None else hashlib.sha256(_canonical(value)).hexdigest()


def _canonical(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
            errors="surrogatepass"
        )
