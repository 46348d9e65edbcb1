"""`towpath run`: start a run, show what it does, print its result."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Unpack

import typer

from towpath.client import Client
from towpath.client.starting import StartOptions
from towpath.errors import ComponentError, RunStoppedError, TowpathError
from towpath_cli.lines import progress_line
from towpath_cli.options import DEFAULT_URL, DefaultTenant, Timeout, Url, parsed
from towpath_cli.speech import carry_out, err, fail, out

_LAST_EVENTS_WITHIN_S = 0.5


def run(
    name: Annotated[str, typer.Argument(help="A workflow, agent or function.")],
    *,
    given: Annotated[str, typer.Option("--input", help="Its input, as JSON.", metavar="JSON")] = "null",
    url: Url = DEFAULT_URL,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key is the same run.")] = None,
    priority: Annotated[
        int, typer.Option(help="Where runs wait for their turn, higher ones go first.", min=-100, max=100)
    ] = 0,
    tenant: DefaultTenant = "default",
    timeout: Timeout = None,
    quiet: Annotated[bool, typer.Option(help="Print the result only.")] = False,
) -> None:
    """Start a run, show what it does, print its result."""
    asked: StartOptions = {"idempotency_key": key, "priority": priority, "tenant": tenant}
    carry_out(_run(name, parsed(given, "--input"), url, timeout_s=timeout, quiet=quiet, **asked))


async def _run(
    name: str, given: Any, url: str, *, timeout_s: float | None, quiet: bool, **asked: Unpack[StartOptions]
) -> None:
    async with Client(url) as client:
        run_id = await client.start(name, given, **asked)
        showing = asyncio.create_task(_show(client, run_id, quiet=quiet), name="progress")
        with failing_with_the_reason(run_id):
            try:
                result = await client.result(run_id, timeout_s)
            finally:
                await _finish(showing)
    out.print_json(json.dumps(result))


@contextmanager
def failing_with_the_reason(run_id: str) -> Generator[None]:
    """End the command where the run has no result."""
    try:
        yield
    except RunStoppedError as error:
        fail(f"run {run_id} has no result: {error}")
    except ComponentError as error:
        fail(f"run {run_id} failed: {error}")


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
