"""`towpath run` and `towpath runs`: start a run and wait for it; list runs."""

import asyncio
import json
from contextlib import suppress
from typing import Annotated, Any

import orjson
import typer

from towpath.client import Client
from towpath.errors import TowpathError
from towpath_cli.lines import progress_line, runs_table
from towpath_cli.options import DEFAULT_URL, DefaultTenant, Tenant, Url
from towpath_cli.speech import carry_out, err, fail, out
from towpath_schemas.runs import RunStatus

_ENDS = {"failed": "failed", "cancelled": "was cancelled", "refused": "was refused"}
_LAST_EVENTS_WITHIN_S = 0.5


def run(
    name: Annotated[str, typer.Argument(help="A workflow, agent or function.")],
    *,
    given: Annotated[str, typer.Option("--input", help="Its input, as JSON.", metavar="JSON")] = "null",
    url: Url = DEFAULT_URL,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key is the same run.")] = None,
    tenant: DefaultTenant = "default",
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for the result.")] = None,
    quiet: Annotated[bool, typer.Option(help="Print the result only.")] = False,
) -> None:
    """Start a run, show what it does, print its result."""
    carry_out(_run(name, _parsed(given), url, key=key, tenant=tenant, timeout_s=timeout, quiet=quiet))


def runs(
    *,
    status: Annotated[RunStatus | None, typer.Option(help="Only of this status.")] = None,
    component: Annotated[str | None, typer.Option(help="Only of this component.")] = None,
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many at the most.")] = 50,
    url: Url = DEFAULT_URL,
) -> None:
    """List runs, newest first."""
    carry_out(_list(url, component=component, status=status, tenant=tenant, limit=limit))


async def _run(
    name: str,
    given: Any,
    url: str,
    *,
    key: str | None,
    tenant: str,
    timeout_s: float | None,
    quiet: bool,
) -> None:
    async with Client(url) as client:
        run_id = await client.start(name, given, idempotency_key=key, tenant=tenant)
        showing = asyncio.create_task(_show(client, run_id, quiet=quiet), name="progress")
        try:
            ended = await client.ended(run_id, timeout_s)
        finally:
            await _finish(showing)
    if ended.status != "completed":
        reason = f": {ended.failure.message}" if ended.failure else ""
        fail(f"run {run_id} {_ENDS[ended.status]}{reason}")
    out.print_json(json.dumps(ended.result))


async def _show(client: Client, run_id: str, *, quiet: bool) -> None:
    if quiet:
        return
    err.print(f"run {run_id}", style="bold")
    with suppress(TowpathError):  # the result matters; what leads there is only shown
        async for event in client.watch(run_id):
            err.print(progress_line(event))


async def _finish(showing: asyncio.Task[None]) -> None:
    """Let the last events be shown, which may come a moment after the result."""
    await asyncio.wait({showing}, timeout=_LAST_EVENTS_WITHIN_S)
    showing.cancel()
    with suppress(asyncio.CancelledError):
        await showing


async def _list(url: str, **asked: Any) -> None:
    async with Client(url) as client:
        found = await client.runs(**asked)
    if found:
        out.print(runs_table(found))
    else:
        err.print("no such runs")


def _parsed(given: str) -> Any:
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        fail(f'--input is not JSON ({error}); write it like --input \'{{"name": "Ada"}}\'')
