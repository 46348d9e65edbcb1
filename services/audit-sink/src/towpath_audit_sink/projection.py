"""Tells a journal record as an audit event; a pure function, so the audit stream can be told again from the journal."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from towpath_audit_sink.bounding import told_failure
from towpath_audit_sink.runs import Run
from towpath_chassis.digests import digest
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent, AuditKind, AuditOutcome
from towpath_schemas.failure import Failure
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
    LetterRedriven,
    MemoriesErased,
    Parent,
    PauseReceived,
    RunFinished,
    RunPurged,
    RunResumed,
    RunStarted,
    RunSuspended,
    ScheduleChanged,
    SignalReceived,
    SignalReturned,
    StartRefused,
    StepSettled,
    ValueDrawn,
)
from towpath_schemas.payloads import LeftOut
from towpath_schemas.streams import JOURNAL

UNREADABLE = "unreadable"
_NOTHING: Mapping[str, LeftOut] = MappingProxyType({})
_DECISIONS = frozenset({"approved", "rejected"})


class _Told(NamedTuple):
    """What is particular to one kind of record; the rest is the run's."""

    kind: AuditKind
    action: str
    target: str
    input: Any = None
    result: Any = None
    key: str | None = None


def project(
    record: JournalRecord, run: Run, sequence: int, left_out: Mapping[str, LeftOut] = _NOTHING
) -> AuditEvent:
    """Tell what `record`, at `sequence` of the journal, says about `run`.

    Args:
        record: The record; large values may be left out.
        run: Whose it is.
        sequence: Its place.
        left_out: Which values that are, by the names of their fields.
    """
    told = _told(record, run)
    says = vars(record)  # what a kind of record does not have is None in its event
    failure: Failure | None = says.get("failure")
    return AuditEvent(
        at=record.at,
        run_id=run.run_id,
        kind=told.kind,
        action=told.action,
        target=told.target,
        key=told.key or says.get("key"),
        agent=says.get("agent") or run.agent,
        outcome=_outcome(told, failure),
        failure=told_failure(failure),
        usage=says.get("usage"),
        attempts=says.get("attempts") or says.get("attempt"),
        attribution=run.attribution,
        correlation_id=run.correlation_id,
        input_sha256=digest(told.input) or _digest_of(left_out, "input", "payload"),
        output_sha256=digest(told.result) or _digest_of(left_out, "result", "value"),
        component_kind=says.get("component_kind"),
        service=says.get("service"),
        parent=_parent(says.get("parent")),
        forked_by=says.get("forked_by"),
        successor=says.get("successor"),
        recalled=_recalled(record),
        next_at=says.get("next_at"),
        letter_id=_letter(record, run),
        waiting_for=says.get("waiting_for"),
        source_stream=JOURNAL.name,
        source_sequence=sequence,
    )


def _letter(record: JournalRecord, run: Run) -> str | None:
    left = isinstance(record, RunFinished) and record.leaves_letter(run.component_kind)
    return identity.letter_of_run_id(run.run_id) if left else None


def _parent(parent: Parent | None) -> str | None:
    return parent.run_id if parent else None


def author(record: JournalRecord, run: Run) -> Attribution:
    """Tell on whose behalf a record was written: the run's, unless somebody else wanted it of the run."""
    match record:
        case SignalReceived() | CancelReceived() | PauseReceived() | RunPurged() | MemoriesErased():
            return record.attribution
        case RunFinished(attribution=Attribution() as ended_by):
            return ended_by
        case CallSettled(act="approval", result={"approver": str() as approver}):
            return Attribution(tenant=run.attribution.tenant, user_id=approver)
        case (
            StepSettled(session_id=str() as session_id)
            | ActAttemptFailed(session_id=str() as session_id)
            | CallIntended(session_id=str() as session_id)
            | CallSettled(session_id=str() as session_id)
        ):
            return run.attribution.model_copy(update={"session_id": session_id})
        case _:
            return run.attribution


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
        case (
            CallIntended()
            | CallSettled()
            | StepSettled()
            | ActAttemptFailed()
            | ActGivenUp()
            | ValueDrawn()
            | HandedOff()
        ):
            return _act(record)
        case SignalReceived() | SignalReturned() | CancelReceived() | PauseReceived():
            return _received(record, run.component or run.run_id)
        case LetterRedriven():
            return _Told("letter", "redriven", record.subject, key=str(record.place))
        case MemoriesErased():
            whose = record.namespace or record.user_id or ""
            return _Told("memory", "erased" if record.done else "erasing", whose, input=_erased(record))
        case ScheduleChanged():
            asked = (
                record.definition.model_dump(mode="json", exclude_none=True) if record.definition else None
            )
            return _Told("schedule", record.change, record.name, input=asked)
        case (
            RunStarted()
            | RunSuspended()
            | RunResumed()
            | AttemptFailed()
            | RunFinished()
            | RunPurged()
            | StartRefused()
        ):
            return _turn(record, run.component or run.run_id)


def _act(
    record: CallIntended | CallSettled | StepSettled | ActAttemptFailed | ActGivenUp | ValueDrawn | HandedOff,
) -> _Told:
    match record:
        case CallIntended():
            return _Told(_kind(record.act), "intended", record.target, input=record.input)
        case CallSettled():
            return _Told(_kind(record.act), _settled(record), record.target, result=record.result)
        case StepSettled():
            return _Told("step", _ended(record.failure), record.key, result=record.result)
        case ActAttemptFailed() | ActGivenUp():
            action = "given_up" if isinstance(record, ActGivenUp) else "attempt_failed"
            return _Told(_kind(record.act), action, record.target)
        case ValueDrawn():
            return _Told("value", "drawn", record.source, result=record.value)
        case HandedOff():
            return _Told("agent", "handed_off", record.to)


def _kind(act: Act | Literal["step"]) -> AuditKind:
    return "child" if act == "run" else act


def _settled(record: CallSettled) -> str:
    match record:
        case CallSettled(act="approval", result={"decision": str() as decision}) if decision in _DECISIONS:
            return decision
        case _:
            return _ended(record.failure)


def _recalled(record: JournalRecord) -> tuple[str, ...] | None:
    """Name what was found by a question about memories: its result has what was found in each namespace."""
    match record:
        case CallSettled(act="memory", target="search" | "recall" | "keys", result=dict()):
            answers: dict[str, dict[str, Any]] = record.result
            return tuple(
                f"{namespace}/{found['key']}"
                for namespace, answer in answers.items()
                for found in answer.get("found", ())
            )
        case _:
            return None


def _received(
    record: SignalReceived | SignalReturned | CancelReceived | PauseReceived, component: str
) -> _Told:
    match record:
        case SignalReceived():
            return _Told("signal", "received", record.name, input=record.payload)
        case SignalReturned():
            return _Told("signal", "returned", record.name, key=record.key)
        case CancelReceived():
            return _Told("run", "cancelling", component)
        case PauseReceived():
            return _Told("run", "paused" if record.paused else "unpaused", component)


def _turn(
    record: RunStarted | RunSuspended | RunResumed | AttemptFailed | RunFinished | RunPurged | StartRefused,
    component: str,
) -> _Told:
    match record:
        case RunStarted():
            return _Told("run", "started", component, input=record.input)
        case RunSuspended() | RunResumed():
            return _Told("run", "suspended" if isinstance(record, RunSuspended) else "resumed", component)
        case AttemptFailed():
            return _Told("run", "attempt_failed", component)
        case RunFinished():
            return _Told("run", record.end, component, result=record.result)
        case RunPurged():
            return _Told("run", "purged", component)
        case StartRefused():
            return _refused(record.subject)


def _refused(subject: str) -> _Told:
    try:
        asked = subjects.read_request(subject)
    except ValueError:
        return _Told("request", "refused", subject)
    return _Told("request", "refused", asked.target, key=asked.verb)


def _erased(record: MemoriesErased) -> dict[str, int]:
    return {"items": record.items, "records": record.records, "points": record.points}


def _ended(failure: Failure | None) -> str:
    return "completed" if failure is None else "failed"


def _outcome(told: _Told, failure: Failure | None) -> AuditOutcome | None:
    if failure is not None:
        return "unknown" if failure.code == "unknown_outcome" else "error"
    match told.action:
        case "completed" | "continued" | "approved" | "rejected" | "erased":
            return "ok"
        case "failed" | "cancelled" | "terminated":
            return "error"
        case _:
            return None


def _digest_of(left_out: Mapping[str, LeftOut], *names: str) -> str | None:
    return next((left_out[name].sha256 for name in names if name in left_out), None)
