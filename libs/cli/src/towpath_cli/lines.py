"""Audit events, runs, approvals, schedules and dead letters, as lines for people."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any, cast

from rich.table import Column, Table
from rich.text import Text

from towpath.sessions.events import SessionMessage
from towpath.sessions.head import Head
from towpath_schemas.approvals import ApprovalView
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent, AuditOutcome
from towpath_schemas.dead import DeadLetter, LetterView
from towpath_schemas.runs import RunView
from towpath_schemas.schedules import ScheduleRecord

_ABOUT_CHARS = 60

_COLOURS: dict[AuditOutcome | None, str] = {"ok": "green", "error": "red", "unknown": "yellow", None: "dim"}


def audit_line(event: AuditEvent) -> Text:
    """Write one event: when, who, what, what became of it."""
    who = f"{event.attribution.tenant}/{event.agent or '-'}"
    line = Text(f"{clock(event.at)}  {who:<20} {event.kind:<8} {event.target:<28} ")
    line.append(event.action, style=_COLOURS[event.outcome])
    if event.failure is not None:
        line.append(f"  {event.failure.message}", style="red")
    return line


def progress_line(event: AuditEvent) -> Text:
    """Write one event of a run that somebody is waiting for."""
    line = Text(f"{clock(event.at)}  {event.kind:<8} {event.target:<28} ", style="dim")
    line.append(event.action, style=_COLOURS[event.outcome])
    return line


def runs_table(runs: Sequence[RunView]) -> Table:
    """Write runs as a table, in their order."""
    table = Table(
        _whole("run", [run.run_id for run in runs]),
        "component",
        "status",
        "started",
        "for",
        box=None,
        pad_edge=False,
    )
    for run in runs:
        started = day_and_clock(run.created_at)
        table.add_row(run.run_id, run.component, run.status, started, run.attribution.tenant)
    return table


def _whole(title: str, values: Sequence[str]) -> Column:
    """Make the column of what people copy: it is never cut, however narrow the terminal."""
    return Column(title, no_wrap=True, min_width=max(map(len, values), default=0))


def run_text(run: RunView) -> Text:
    """Write one run with what is known of it."""
    facts = {
        "run": run.run_id,
        "component": run.component,
        "kind": run.component_kind,
        "service": run.service,
        "status": run.status,
        "started": day_and_clock(run.created_at),
        "ended": day_and_clock(run.finished_at) if run.finished_at else None,
        "for": _who(run.attribution),
        "waits for": ", ".join(run.waiting_for),
        "parent": run.parent,
        "successor": run.successor,
        "attempts": str(run.attempts) if run.attempts else None,
        "failure": run.failure.message if run.failure else None,
        "dead letter": f"{run.letter}, which `towpath dead redrive {run.letter}` starts anew"
        if run.letter
        else None,
        "result": json.dumps(run.result) if run.status == "completed" else None,
    }
    return _facts(facts)


def approvals_table(approvals: Sequence[ApprovalView]) -> Table:
    """Write approvals as a table, in their order."""
    ids = _whole("approval", [one.approval_id for one in approvals])
    table = Table(ids, "about", "component", "asked", "until", "for", box=None, pad_edge=False)
    for one in approvals:
        until = day_and_clock(one.expires_at) if one.expires_at else "-"
        roles = ", ".join(one.asked.roles) or "anybody"
        about = Text(shorten(_proposed(one) or one.name, _ABOUT_CHARS))
        table.add_row(one.approval_id, about, one.component, day_and_clock(one.created_at), until, roles)
    return table


def _proposed(approval: ApprovalView) -> str | None:
    """Write the call that an approval is about, where it is about a call of a tool."""
    match approval.asked.payload:
        case {"tool": str() as tool, "arguments": {**arguments}}:
            given = cast("Mapping[str, Any]", arguments)
            said = ", ".join(f"{name}={json.dumps(value)}" for name, value in given.items())
            return f"{tool}({said})"
        case _:
            return None


def approval_text(approval: ApprovalView) -> Text:
    """Write one approval with what it is about."""
    facts = {
        "approval": approval.approval_id,
        "name": approval.name,
        "run": f"{approval.run_id} of {approval.component}",
        "asked": day_and_clock(approval.created_at),
        "until": day_and_clock(approval.expires_at) if approval.expires_at else None,
        "decided by": ", ".join(approval.asked.roles) or "anybody",
        "on behalf of": _who(approval.attribution),
        "digest": approval.asked.content_sha256,
        "about": json.dumps(approval.asked.payload, indent=2),
    }
    return _facts(facts)


def schedules_table(schedules: Sequence[ScheduleRecord]) -> Table:
    """Write schedules as a table, in their order."""
    names = _whole("schedule", [one.name for one in schedules])
    when = _whole("when", [_when(one) for one in schedules])
    table = Table(names, "component", when, "next", "last", "for", box=None, pad_edge=False)
    for one in schedules:
        last = day_and_clock(one.last_at) if one.last_at else "-"
        table.add_row(one.name, one.definition.component, _when(one), _next(one), last, one.tenant)
    return table


def schedule_text(schedule: ScheduleRecord) -> Text:
    """Write one schedule with what it does and how far it has come."""
    definition = schedule.definition
    facts = {
        "schedule": schedule.name,
        "component": definition.component,
        "when": _when(schedule),
        "from": day_and_clock(definition.start_at) if definition.start_at else None,
        "until": day_and_clock(definition.end_at) if definition.end_at else None,
        "next": _next(schedule),
        "last": day_and_clock(schedule.last_at) if schedule.last_at else None,
        "last run": schedule.last_run_id,
        "runs": f"{schedule.started}" + (f" of {definition.max_runs}" if definition.max_runs else ""),
        "missed": f"{schedule.missed}, by policy {definition.misfire}",
        "overlapped": f"{schedule.overlapped}, by policy {definition.overlap}",
        "input": None if definition.input is None else json.dumps(definition.input),
        "for": _who(schedule.attribution),
        "declared by": schedule.declared_by,
        "trouble": schedule.trouble.message if schedule.trouble else None,
    }
    return _facts(facts)


def _when(schedule: ScheduleRecord) -> str:
    definition = schedule.definition
    if definition.every_s is not None:
        return f"every {definition.every_s:g} s"
    return f"{definition.cron} {definition.tz}"


def _next(schedule: ScheduleRecord) -> str:
    if schedule.paused:
        return "paused"
    return "over" if schedule.next_at is None else day_and_clock(schedule.next_at)


def session_text(session_id: str, head: Head) -> Text:
    """Write what is known of a session."""
    about = head.about
    facts = {
        "session": session_id,
        "app": about.app_name,
        "user": about.user_id,
        "metadata": json.dumps(about.metadata) if about.metadata else None,
        "retention": json.dumps(about.retention.model_dump(exclude_none=True)) if about.retention else None,
        "latest": day_and_clock(head.latest.timestamp()) if head.latest else None,
        "events": f"{head.count}, {head.view.length} of them messages in its history",
    }
    return _facts(facts)


def session_message_line(message: SessionMessage) -> Text:
    """Write one message of a session: when, who, what."""
    calls = [f"{call.name}({json.dumps(call.arguments)})" for call in message.tool_calls]
    said = " ".join(filter(None, [message.content, *calls]))
    return Text(f"{day_and_clock(message.timestamp.timestamp())}  {message.role:<9} ", style="dim").append(
        said, style="default"
    )


def letter_line(view: LetterView) -> Text:
    """Write one dead letter of a list: its place, when, whose, about what, why."""
    letter = view.letter
    line = Text(f"{view.place:>6}  {day_and_clock(letter.at)}  {letter.tenant:<12} {letter.subject:<40}  ")
    line.append(letter.reason, style="red")
    return line.append("  redriven" if view.redriven_at is not None else "", style="green")


def letter_text(view: LetterView) -> Text:
    """Write one dead letter with the message that it is about; a body that is no text stands in base64."""
    letter = view.letter
    facts = {
        "place": str(view.place),
        "reason": letter.reason,
        "kept": day_and_clock(letter.at),
        "given up by": f"{letter.consumer}, after {letter.attempts} tries",
        "subject": letter.subject,
        "was": _was(letter),
        "for": _who(letter.attribution),
        "redriven": f"{day_and_clock(view.redriven_at)} for {_who(view.redriven_by)}"
        if view.redriven_at
        else None,
        **{f"header {name}": value for name, value in letter.headers.items()},
        "body": letter.body if letter.encoding == "utf-8" else f"(base64) {letter.body}",
    }
    return _facts(facts)


def _was(letter: DeadLetter) -> str:
    what = f"message {letter.sequence} of {letter.stream}"
    if letter.run_id is not None:
        what = f"what started run {letter.run_id}"
    return f"{what}, published {day_and_clock(letter.published_at)}"


def _facts(facts: Mapping[str, str | None]) -> Text:
    return Text("\n").join(
        Text.assemble((f"{name:<12} ", "dim"), said) for name, said in facts.items() if said
    )


def _who(attribution: Attribution | None) -> str:
    if attribution is None:
        return "nobody that is known"
    return " ".join(f"{name}={said}" for name, said in attribution.model_dump(exclude_none=True).items())


def day_and_clock(at: float) -> str:
    """Write a day and its time, by the clock on the wall."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock(at: float) -> str:
    """Write a time of day, by the clock on the wall."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
