"""`towpath replay`: hold stored runs against code before it is deployed; nothing is done."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from towpath.client import Client
from towpath.components import REGISTRY
from towpath.engine.execution import component_of
from towpath.errors import ConfigurationError, NonDeterminismError, UnknownRunError
from towpath.runtime.loading import load_app, service_name
from towpath.testing.journals import Entries, read_journal
from towpath.testing.replaying import Replayed, check_replay
from towpath_cli.options import DEFAULT_URL, AsJson, Limit, Statuses, Tenant, Url
from towpath_cli.speech import carry_out, err, fail, out
from towpath_schemas.journal import RunStarted

Verdict = Literal["ok", "diverged", "missing"]

_NOT_ENDED = ("accepted", "running", "suspended", "paused")
_COLOURS: dict[Verdict, str] = {"ok": "green", "diverged": "red", "missing": "yellow"}


def replay(
    app: Annotated[str, typer.Argument(help="The code: a file such as app.py, or a module.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Journals, as `towpath runs export` writes them; no platform is asked then."),
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="End with 1 if any run could not go on with this code.")
    ] = False,
    run_ids: Annotated[
        list[str] | None, typer.Option("--run", metavar="RUN", help="Only this run; may be repeated.")
    ] = None,
    component: Annotated[str | None, typer.Option(help="Only of this component.")] = None,
    status: Statuses = None,
    tenant: Tenant = None,
    service: Annotated[
        str | None, typer.Option(help="The service that the code is; its module's name if not given.")
    ] = None,
    limit: Limit = 1_000,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Replay stored runs with code, and say which could not go on with it; nothing is done beyond their journals.

    Of a platform's runs, those of the service that have not ended are replayed, newest first, unless others are chosen.
    Secrets are in no journal: have those that the code reads in the environment.
    """
    chosen = {"component": component, "status": status, "tenant": tenant}
    asked = {name: said for name, said in chosen.items() if said}
    if files and (run_ids or asked or service):
        fail("give files, or choose runs of a platform with options; not both")
    if run_ids and (asked or service):
        fail("name runs with --run, or choose them with the other options; not both")
    if files:
        journals = _of_files(files)
    elif run_ids:
        journals = _of_runs(url, run_ids)
    else:
        journals = _of_service(url, service or service_name(app), limit, {"status": _NOT_ENDED, **asked})
    carry_out(_replay(app, journals, check=check, as_json=as_json))


# --- Where journals come from -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Journal:
    """A journal, by which name people know it, the run's id or the file, and which run it is of, where that is known."""

    name: str
    entries: Entries
    run_id: str = "replayed"


_Journals = AsyncGenerator[_Journal]


async def _of_files(files: Sequence[Path]) -> _Journals:
    for file in files:
        try:
            yield _Journal(str(file), read_journal(file.read_text("utf-8")))
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{file} is no journal: it is not UTF-8 text") from error
        except ConfigurationError as error:
            raise ConfigurationError(f"{file}: {error}") from error


async def _of_runs(url: str, run_ids: Sequence[str]) -> _Journals:
    async with Client(url) as client:
        for run_id in run_ids:
            yield _Journal(run_id, await client.journal(run_id), run_id)


async def _of_service(url: str, service: str, limit: int, asked: dict[str, Any]) -> _Journals:
    async with Client(url) as client:
        async for run in client.list(**asked):
            if run.service != service or not (entries := await _entries(client, run.run_id)):
                continue
            yield _Journal(run.run_id, entries, run.run_id)
            limit -= 1
            if not limit:
                return


async def _entries(client: Client, run_id: str) -> Entries:
    try:
        return await client.journal(run_id)
    except UnknownRunError:
        return []  # it was purged meanwhile


# --- Holding the code against them ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of one journal.

    Attributes:
        acts: How many acts the journal has that the code repeats; None if it does not.
        stopped_at: What the code would do next.
        entry: Number of the first entry that the code does not repeat.
        journal: What the journal has there.
        code: What the code asks for in its place.
    """

    run: str
    component: str
    version: str | None
    verdict: Verdict
    acts: int | None = None
    stopped_at: tuple[str, ...] = ()
    entry: int | None = None
    journal: str | None = None
    code: str | None = None


async def _replay(app: str, journals: _Journals, *, check: bool, as_json: bool) -> None:
    with redirect_stdout(sys.stderr):  # what the code prints is none of our results
        load_app(app)
    verdicts = Counter[Verdict]()
    async for journal in journals:
        with redirect_stdout(sys.stderr):
            checked = await asyncio.to_thread(_checked, journal)
        verdicts[checked.verdict] += 1
        _print(checked, as_json=as_json)
    counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in _COLOURS)
    err.print(f"{verdicts.total()} runs: {counts}", highlight=False)
    if check and (verdicts["diverged"] or verdicts["missing"]):
        raise typer.Exit(1)


def _checked(journal: _Journal) -> _Checked:
    started = next((record for _, record in journal.entries if isinstance(record, RunStarted)), None)
    if started is None:
        raise ConfigurationError(f"{journal.name} has no run.started record: it is no journal of a run")
    if component_of(started, REGISTRY) is None:
        return _Checked(journal.name, started.component, started.version, "missing")
    try:
        replayed = check_replay(started.component, journal.entries, run_id=journal.run_id)
    except NonDeterminismError as error:
        return _diverged(journal, started, error)
    return _ok(journal, started, replayed)


def _ok(journal: _Journal, started: RunStarted, replayed: Replayed) -> _Checked:
    return _Checked(
        journal.name,
        started.component,
        started.version,
        "ok",
        acts=replayed.acts,
        stopped_at=replayed.stopped_at,
    )


def _diverged(journal: _Journal, started: RunStarted, error: NonDeterminismError) -> _Checked:
    return _Checked(
        journal.name,
        started.component,
        started.version,
        "diverged",
        entry=error.entry,
        journal=error.expected,
        code=error.found,
    )


# --- Saying it --------------------------------------------------------------------------------------


def _print(checked: _Checked, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(checked)))
        return
    line = Text(f"{checked.verdict:<9}", style=_COLOURS[checked.verdict])
    out.print(line.append(f"{checked.run}  {_what(checked)}  {_because(checked)}", style="none"))


def _what(checked: _Checked) -> str:
    return checked.component + (f" of version {checked.version}" if checked.version else "")


def _because(checked: _Checked) -> str:
    match checked.verdict:
        case "ok":
            after = f", then {', '.join(checked.stopped_at)}" if checked.stopped_at else ""
            return f"{checked.acts} acts{after}"
        case "diverged":
            return (
                f"entry {checked.entry}: the journal has {checked.journal}, the code asks for {checked.code}"
            )
        case "missing":
            return "the code has no such component, or not of this version"
