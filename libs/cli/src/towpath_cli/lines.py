"""Audit events and runs, as lines for people."""

from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from towpath_schemas.audit import AuditEvent, AuditOutcome
from towpath_schemas.runs import RunView

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


def runs_table(runs: tuple[RunView, ...]) -> Table:
    """Write runs as a table, in their order."""
    table = Table("run", "component", "status", "started", "for", box=None, pad_edge=False)
    for run in runs:
        started = datetime.fromtimestamp(run.created_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(run.run_id, run.component, run.status, started, run.attribution.tenant)
    return table


def clock(at: float) -> str:
    """Write a time of day, by the clock on the wall."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
