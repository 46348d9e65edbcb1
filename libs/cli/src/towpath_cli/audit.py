"""`towpath tail audit` and `towpath audit verify`: follow the audit stream; prove a ledger."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

from towpath.client import Client
from towpath_cli.lines import audit_line
from towpath_cli.options import DEFAULT_URL, Tenant, Url
from towpath_cli.speech import carry_out, err, fail, out, spoken
from towpath_schemas.audit import AuditEvent, AuditKind
from towpath_schemas.ledger import Head, verify

_HEAD = re.compile(r"(\d+):([0-9a-f]{64})")
_LEDGER = "audit.jsonl"

tail = typer.Typer(help="Follow a stream.", no_args_is_help=True)
audit = typer.Typer(help="Prove what was audited.", no_args_is_help=True)


@tail.callback()
def follow() -> None:
    """Follow a stream."""


@audit.callback()
def prove() -> None:
    """Prove what was audited."""


@tail.command("audit")
def tail_audit(
    *,
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None,
    kind: Annotated[
        str | None, typer.Option(help=f"Only of this kind: {', '.join(get_args(AuditKind))}.")
    ] = None,
    tenant: Tenant = None,
    since: Annotated[
        datetime | None, typer.Option(help="From then on, by your clock; else from now.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Print audit events as they are told, until Ctrl-C."""
    if kind is not None and kind not in get_args(AuditKind):
        fail(f"--kind {kind} is none; there are {', '.join(get_args(AuditKind))}")
    carry_out(_tail(url, tenant=tenant, agent=agent, kind=kind, since=since, as_json=as_json))


@audit.command("verify")
def verify_ledger(
    path: Annotated[Path, typer.Argument(help="A ledger, or the directory it is in.")],
    *,
    expect: Annotated[
        str | None,
        typer.Option(help="SEQUENCE:HASH that an earlier check printed; only so a cut-off end is noticed."),
    ] = None,
) -> None:
    """Prove that no line of a ledger was altered, removed or moved; else name the first that was."""
    with spoken():
        verdict = verify(path / _LEDGER if path.is_dir() else path, _expected(expect))
    if verdict.finding is not None:
        fail(f"{verdict.finding.defect}: {verdict.finding.sentence}")
    err.print(f"{verdict.lines:,} lines are as they were written; keep this head to compare with later:")
    out.print(f"{verdict.head.sequence}:{verdict.head.seal}", highlight=False)


async def _tail(
    url: str,
    *,
    tenant: str | None,
    agent: str | None,
    kind: str | None,
    since: datetime | None,
    as_json: bool,
) -> None:
    begin = since.astimezone(UTC) if since else None
    async with Client(url) as client:
        async for event in client.audit(tenant=tenant, agent=agent, kind=kind, since=begin):
            _print(event, as_json=as_json)


def _print(event: AuditEvent, *, as_json: bool) -> None:
    if as_json:
        typer.echo(event.to_body())
    else:
        out.print(audit_line(event))


def _expected(written: str | None) -> Head | None:
    if written is None:
        return None
    read = _HEAD.fullmatch(written)
    if read is None:
        fail(f"--expect {written} is no head; write SEQUENCE:HASH as `towpath audit verify` prints it")
    return Head(int(read[1]), read[2])
