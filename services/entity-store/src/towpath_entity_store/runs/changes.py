"""What an audit event says about its run, as changes of the index; pure functions, so the index can be built again.

Each change is of one part of what is known of a run. Of each part the newest record of the journal counts, in
whatever order events come, and however often.
"""

from typing import Literal, NamedTuple

import orjson

from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent

Part = Literal["origin", "state", "attempts", "pause", "open", "closed", "purged"]
"""What a run is; what became of it; how often it was tried; whether it stands still; that it waits for something, and that it does no more;
that it is forgotten.
"""

BY_ATTRIBUTION = tuple(Attribution.model_fields)
"""What of an attribution there are lists by: all of it."""

_WORKS = {"suspended": "suspended", "resumed": "running"}
_PAUSES = {"paused": "1", "unpaused": ""}
_ENDS = frozenset({"completed", "failed", "cancelled", "terminated", "continued"})
_TRIED = "attempt_failed"
_BEGUN = "intended"
_KEPT = "received"


class Change(NamedTuple):
    """One change.

    Attributes:
        sequence: Of the record in the journal that says so.
        place: Of a wait, its key in the run.
        sets: JSON: the lists in which the run, or what it waits for, stands from now on.
        told: Fields of the part, in turns of name and value.
    """

    run_id: str
    sequence: int
    part: Part
    place: str = ""
    sets: bytes = b"[]"
    told: tuple[str | bytes, ...] = ()


def changes(event: AuditEvent) -> list[Change]:
    """Tell what an event changes."""
    match event.kind:
        case "run":
            return _of_run(event)
        case "request" if event.key == "start":  # what is refused otherwise was never to be a run
            return [_origin(event), _end(event)]
        case "signal" | "approval" if event.key is not None and event.action != _KEPT:
            return [_wait(event, event.key)]
        case _:
            return []


def _of_run(event: AuditEvent) -> list[Change]:
    action = event.action
    if action == "started":
        return [_origin(event)]
    if action in _ENDS or action == _TRIED:
        return [*([_end(event)] if action in _ENDS else []), *_attempts(event)]
    if action == "purged":
        return [Change(event.run_id, event.source_sequence, "purged")]
    if action in _PAUSES:
        return [_changed(event, "pause", "paused", _PAUSES[action])]
    if action in _WORKS:
        waits = _json(event.waiting_for) if event.waiting_for else b""
        return [_changed(event, "state", "status", _WORKS[action], "waiting_for", waits)]
    return []


def _attempts(event: AuditEvent) -> list[Change]:
    return [] if event.attempts is None else [_changed(event, "attempts", "attempts", str(event.attempts))]


def begun(run_id: str, sequence: int) -> Change:
    """Tell that a runner has taken a run for the first time, by its claim at `sequence` of the journal."""
    return Change(run_id, sequence, "state", told=("status", "running"))


def _changed(event: AuditEvent, part: Part, *told: str | bytes) -> Change:
    return Change(event.run_id, event.source_sequence, part, told=told)


def _origin(event: AuditEvent) -> Change:
    fields = {
        "created_at": repr(event.at),
        "component": event.target,
        "tenant": _json(event.attribution.tenant),
        "attribution": event.attribution.to_body(),
        "component_kind": event.component_kind,
        "service": event.service,
        "parent": event.parent,
    }
    told = tuple(one for name, value in fields.items() if value is not None for one in (name, value))
    sets = _json([*sets_of(event.attribution), in_("component", event.target), *_parents(event)])
    return Change(event.run_id, event.source_sequence, "origin", sets=sets, told=told)


def _end(event: AuditEvent) -> Change:
    status = "refused" if event.kind == "request" else event.action
    failure = event.failure.to_body() if event.failure else b""
    told = ("status", status, "finished_at", repr(event.at), "failure", failure)
    return _changed(event, "state", *told, "successor", event.successor or "")


def _wait(event: AuditEvent, key: str) -> Change:
    if event.action != _BEGUN:
        return Change(event.run_id, event.source_sequence, "closed", key)
    return Change(event.run_id, event.source_sequence, "open", key, _json(_standing(event)))


def _standing(event: AuditEvent) -> dict[str, object]:
    """Tell in which lists a wait stands: its run in those of a signal, an approval itself by its record's sequence."""
    tenant = event.attribution.tenant
    if event.kind == "signal":
        return {"sets": [in_("signal", event.target), in_("signal", event.target, tenant)]}
    sets = ["approvals", in_("approvals", tenant)]
    return {"sets": sets, "member": str(event.source_sequence), "at": repr(event.at)}


def sets_of(attribution: Attribution) -> list[str]:
    """Name the lists in which a run stands because of whom it works for."""
    said = attribution.model_dump(exclude_none=True)
    return ["all", *(in_(by, value) for by, value in said.items())]


def in_(by: str, *values: str) -> str:
    """Name a list: its runs have these values."""
    return f"{by}:{orjson.dumps(values).decode()}"


def _parents(event: AuditEvent) -> list[str]:
    return [in_("parent", event.parent)] if event.parent else []


def _json(value: object) -> bytes:
    return orjson.dumps(value)
