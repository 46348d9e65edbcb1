"""`towpath schedules`: what starts runs again and again; look at it, make it, stop it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from towpath.client import Client
from towpath_cli.lines import schedule_text, schedules_table
from towpath_cli.options import DEFAULT_URL, AsJson, DefaultTenant, Tenant, Url, User, moment, parsed
from towpath_cli.speech import carry_out, err, fail, out
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.schedules import ScheduleRecord

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, as the list shows it.")]
Reason = Annotated[str | None, typer.Option(help="Why, for people.")]

schedules = typer.Typer(
    help="Schedules: make them, look at them, pause and delete them.", no_args_is_help=True
)


@schedules.command("list")
def list_schedules(
    *,
    tenant: Tenant = None,
    component: Annotated[str | None, typer.Option(help="Only those that start this component.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List schedules by their names, with the next time and the last run."""
    carry_out(_list(url, as_json=as_json, tenant=tenant, component=component))


@schedules.command("show")
def show_schedule(
    name: Name, *, tenant: DefaultTenant = "default", as_json: AsJson = False, url: Url = DEFAULT_URL
) -> None:
    """Show one schedule as it is now."""
    carry_out(_show(url, name, tenant, as_json=as_json))


@schedules.command("put")
def put_schedule(
    name: Name,
    component: Annotated[str, typer.Argument(help="What to run: a workflow, agent or function.")],
    *,
    cron: Annotated[
        str | None, typer.Option(help='Such as "0 2 * * *": minute, hour, day, month, weekday.')
    ] = None,
    every: Annotated[float | None, typer.Option(help="Seconds between two runs.")] = None,
    tz: Annotated[str, typer.Option(help="Time zone of --cron.")] = "UTC",
    given: Annotated[str, typer.Option("--input", help="The input of each run.", metavar="JSON")] = "null",
    misfire: Annotated[str, typer.Option(help="What becomes of missed times: skip, once or all.")] = "once",
    grace: Annotated[float, typer.Option(help="Seconds by which a run may be late and is not missed.")] = 60,
    catch_up_limit: Annotated[int, typer.Option(help="How many runs are started at once at the most.")] = 100,
    overlap: Annotated[
        str, typer.Option(help="While the run before goes on: allow, skip or cancel.")
    ] = "allow",
    jitter: Annotated[float, typer.Option(help="Each run begins up to so many seconds later.")] = 0,
    start_at: Annotated[datetime | None, typer.Option(help="No run before, by your clock.")] = None,
    end_at: Annotated[datetime | None, typer.Option(help="No run after, by your clock.")] = None,
    max_runs: Annotated[int | None, typer.Option(help="How many runs.")] = None,
    tenant: DefaultTenant = "default",
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Make a schedule, or change the one of this name."""
    said: dict[str, Any] = {
        "cron": cron,
        "every_s": every,
        "tz": tz,
        "input": parsed(given, "--input"),
        "misfire": misfire,
        "grace_s": grace,
        "catch_up_limit": catch_up_limit,
        "overlap": overlap,
        "jitter_s": jitter,
        "start_at": moment(start_at),
        "end_at": moment(end_at),
        "max_runs": max_runs,
    }
    _do(
        url,
        lambda client: client.schedule(name, component, tenant=tenant, attribution=_by(user), **said),
        f"schedule {name} is set",
    )


@schedules.command("pause")
def pause_schedule(
    name: Name,
    *,
    reason: Reason = None,
    tenant: DefaultTenant = "default",
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Have a schedule start nothing until it is resumed."""
    _do(
        url,
        lambda client: client.pause_schedule(name, reason, tenant=tenant, attribution=_by(user)),
        f"schedule {name} is paused",
    )


@schedules.command("resume")
def resume_schedule(
    name: Name,
    *,
    reason: Reason = None,
    tenant: DefaultTenant = "default",
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Have a paused schedule go on with its next time; what it missed is left out."""
    _do(
        url,
        lambda client: client.resume_schedule(name, reason, tenant=tenant, attribution=_by(user)),
        f"schedule {name} goes on",
    )


@schedules.command("trigger")
def trigger_schedule(
    name: Name,
    *,
    reason: Reason = None,
    tenant: DefaultTenant = "default",
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Start a run of a schedule now, and print its id."""
    carry_out(_trigger(url, name, reason, tenant, user))


@schedules.command("delete")
def delete_schedule(
    name: Name,
    *,
    reason: Reason = None,
    tenant: DefaultTenant = "default",
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Delete a schedule; the runs that it has started go on."""
    _do(
        url,
        lambda client: client.unschedule(name, reason, tenant=tenant, attribution=_by(user)),
        f"schedule {name} is deleted",
    )


def _do(url: str, work: Callable[[Client], Awaitable[None]], done: str) -> None:
    """Do something with a platform, and say that it is done."""

    async def with_client() -> None:
        async with Client(url) as client:
            await work(client)
        err.print(done)

    carry_out(with_client())


async def _list(url: str, *, as_json: bool, **asked: str | None) -> None:
    async with Client(url) as client:
        found = [record async for record in client.schedules(**asked)]
    found.sort(key=lambda record: (record.tenant, record.name))
    if as_json:
        _print_as_json(*found)
    elif found:
        out.print(schedules_table(found))
    else:
        err.print("no such schedules")


async def _show(url: str, name: str, tenant: str, *, as_json: bool) -> None:
    async with Client(url) as client:
        record = await client.schedule_status(name, tenant=tenant)
    if record is None:
        fail(f"there is no schedule {name!r} of {tenant!r}; see towpath schedules list")
    if as_json:
        _print_as_json(record)
    else:
        out.print(schedule_text(record))


async def _trigger(url: str, name: str, reason: str | None, tenant: str, user: str | None) -> None:
    async with Client(url) as client:
        out.print(await client.trigger_schedule(name, reason, tenant=tenant, attribution=_by(user)))


def _print_as_json(*found: ScheduleRecord) -> None:
    for record in found:
        typer.echo(record.to_body())


def _by(user: str | None) -> AttributionClaim | None:
    return AttributionClaim(user_id=user) if user else None
