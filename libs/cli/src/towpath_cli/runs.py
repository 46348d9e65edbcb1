"""`towpath runs`: find runs, look at them, tell them what to do."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from towpath.client import Client
from towpath.errors import UnknownRunError
from towpath.testing.journals import journal_line
from towpath_cli.lines import run_text, runs_table
from towpath_cli.options import (
    DEFAULT_URL,
    AsJson,
    Limit,
    Since,
    Statuses,
    Tenant,
    Timeout,
    Url,
    User,
    moment,
    parsed,
)
from towpath_cli.run import failing_with_the_reason
from towpath_cli.speech import carry_out, err, out
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.runs import RunView

Run = Annotated[str, typer.Argument(metavar="RUN", help="Its id, as the list shows it.")]
Reason = Annotated[str | None, typer.Option(help="Why, for people.")]


runs = typer.Typer(help="Runs: find them, look at them, tell them what to do.", no_args_is_help=True)


@runs.command("list")
def list_runs(
    *,
    status: Statuses = None,
    component: Annotated[str | None, typer.Option(help="Only of this component.")] = None,
    tenant: Tenant = None,
    user: Annotated[str | None, typer.Option(help="Only for this user.")] = None,
    user_role: Annotated[str | None, typer.Option(help="Only for users of this role.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only for this agent.")] = None,
    agent_id: Annotated[str | None, typer.Option(help="Only for the agent with this id.")] = None,
    session: Annotated[str | None, typer.Option(help="Only for this session.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only for this workflow.")] = None,
    parent: Annotated[str | None, typer.Option(help="Only those that this run has started.")] = None,
    waiting_for: Annotated[str | None, typer.Option(help="Only those that wait for this signal.")] = None,
    since: Since = None,
    before: Annotated[datetime | None, typer.Option(help="Until then, by your clock.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List runs, newest first."""
    asked = {
        "status": status,
        "component": component,
        "tenant": tenant,
        "user_id": user,
        "user_role": user_role,
        "agent": agent,
        "agent_id": agent_id,
        "session_id": session,
        "workflow_id": workflow,
        "parent": parent,
        "waiting_for_signal": waiting_for,
        "created_after": moment(since),
        "created_before": moment(before),
        "limit": limit,
    }
    carry_out(_list(url, as_json=as_json, **{name: said for name, said in asked.items() if said}))


@runs.command("show")
def show_run(run_id: Run, *, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Show one run as it is now."""
    carry_out(_show(url, run_id, as_json=as_json))


@runs.command("export")
def export_run(run_id: Run, *, url: Url = DEFAULT_URL) -> None:
    """Write a run's journal as JSON lines, which `towpath replay` reads."""
    carry_out(_export(url, run_id))


@runs.command("result")
def result_of_run(run_id: Run, *, timeout: Timeout = None, url: Url = DEFAULT_URL) -> None:
    """Wait for a run's end and print its result; of one that continued as new, that of the last."""
    carry_out(_result(url, run_id, timeout))


@runs.command("cancel")
def cancel_run(run_id: Run, *, reason: Reason = None, user: User = None, url: Url = DEFAULT_URL) -> None:
    """Ask a run to end; its code may clean up first."""
    _do(url, lambda client: client.cancel(run_id, reason, attribution=_by(user)), f"run {run_id} is to end")


@runs.command("terminate")
def terminate_run(run_id: Run, *, reason: Reason = None, user: User = None, url: Url = DEFAULT_URL) -> None:
    """End a run at once; its code is not told, and cannot clean up."""
    _do(
        url, lambda client: client.terminate(run_id, reason, attribution=_by(user)), f"run {run_id} has ended"
    )


@runs.command("purge")
def purge_run(run_id: Run, *, reason: Reason = None, user: User = None, url: Url = DEFAULT_URL) -> None:
    """Forget a run that has ended; the audit trail keeps that it was."""
    _do(url, lambda client: client.purge(run_id, reason, attribution=_by(user)), f"run {run_id} is forgotten")


@runs.command("pause")
def pause_run(run_id: Run, *, reason: Reason = None, user: User = None, url: Url = DEFAULT_URL) -> None:
    """Have a run stand still: it begins nothing more until it is resumed."""
    _do(
        url,
        lambda client: client.pause(run_id, reason, attribution=_by(user)),
        f"run {run_id} is to stand still",
    )


@runs.command("resume")
def resume_run(run_id: Run, *, reason: Reason = None, user: User = None, url: Url = DEFAULT_URL) -> None:
    """Have a paused run go on."""
    _do(url, lambda client: client.resume(run_id, reason, attribution=_by(user)), f"run {run_id} is to go on")


@runs.command("signal")
def signal_run(
    run_id: Run,
    name: Annotated[str, typer.Argument(help="The signal's name.")],
    *,
    payload: Annotated[str, typer.Option(help="What the run gets, as JSON.", metavar="JSON")] = "null",
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a signal to a run; it is kept until the run waits for it."""
    given = parsed(payload, "--payload")
    done = f"run {run_id} has the signal, or gets it when it waits for it"
    _do(url, lambda client: client.signal(run_id, name, given, attribution=_by(user)), done)


@runs.command("fork")
def fork_run(
    run_id: Run,
    *,
    until: Annotated[str, typer.Option(help="Key of the first act to do anew, such as charge#0.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key is the same fork.")] = None,
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Start a new run that has done what a run had done up to an act; print its id."""
    carry_out(_fork(url, run_id, until, key, user))


def _do(url: str, work: Callable[[Client], Awaitable[None]], done: str) -> None:
    """Do something with a platform, and say that it is done."""

    async def with_client() -> None:
        async with Client(url) as client:
            await work(client)
        err.print(done)

    carry_out(with_client())


async def _list(url: str, *, as_json: bool, **asked: Any) -> None:
    async with Client(url) as client:
        found = [run async for run in client.list(**asked)]
    if as_json:
        _print_as_json(*found)
    elif found:
        out.print(runs_table(found))
    else:
        err.print("no such runs")


async def _show(url: str, run_id: str, *, as_json: bool) -> None:
    async with Client(url) as client:
        run = await client.status(run_id)
    if run is None:
        raise UnknownRunError(run_id)
    if as_json:
        _print_as_json(run)
    else:
        out.print(run_text(run))


async def _export(url: str, run_id: str) -> None:
    async with Client(url) as client:
        entries = await client.journal(run_id)
    for number, record in entries:
        typer.echo(journal_line(number, record))


async def _result(url: str, run_id: str, timeout_s: float | None) -> None:
    async with Client(url) as client:
        with failing_with_the_reason(run_id):
            result = await client.result(run_id, timeout_s)
    out.print_json(json.dumps(result))


def _print_as_json(*found: RunView) -> None:
    for run in found:
        typer.echo(run.to_body())


async def _fork(url: str, run_id: str, until: str, key: str | None, user: str | None) -> None:
    async with Client(url) as client:
        out.print(await client.fork(run_id, until, idempotency_key=key, attribution=_by(user)))


def _by(user: str | None) -> AttributionClaim | None:
    return AttributionClaim(user_id=user) if user else None
