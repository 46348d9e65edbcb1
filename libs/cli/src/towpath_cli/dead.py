"""`towpath dead`: look at what could not be handled, and have it done again."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from towpath.client import Client
from towpath_cli.lines import letter_line, letter_text
from towpath_cli.options import DEFAULT_URL, Since, Tenant, Url
from towpath_cli.speech import carry_out, err, fail, out
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.dead import LetterView

Stream = Annotated[str | None, typer.Option(help="Only about messages of this stream, such as REQUESTS.")]
Subject = Annotated[
    str | None, typer.Option(help="Only about messages published there; a pattern may have * and >.")
]
Reason = Annotated[str | None, typer.Option(help="Only with this text in their reason.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

dead = typer.Typer(help="What could not be handled: look at it, have it done again.", no_args_is_help=True)


@dead.command("list")
def list_letters(
    *,
    stream: Stream = None,
    subject: Subject = None,
    reason: Reason = None,
    since: Since = None,
    tenant: Tenant = None,
    with_redriven: Annotated[
        bool, typer.Option("--with-redriven", help="Also those that were redriven.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List dead letters, newest first."""
    carry_out(
        _list(
            url,
            as_json=as_json,
            stream=stream,
            subject=subject,
            reason=reason,
            since=_utc(since),
            tenant=tenant,
            with_redriven=with_redriven,
            limit=limit,
        )
    )


@dead.command("show")
def show_letter(
    place: Annotated[int, typer.Argument(help="Its place, as the list shows it.")],
    *,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show one dead letter with the message that it is about."""
    carry_out(_show(url, place, as_json=as_json))


@dead.command("redrive")
def redrive_letters(
    places: Annotated[list[int] | None, typer.Argument(help="Places, as the list shows them.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that the other options mean.")] = False,
    stream: Stream = None,
    subject: Subject = None,
    reason: Reason = None,
    since: Since = None,
    tenant: Tenant = None,
    user: Annotated[str | None, typer.Option(help="Who asks; it is audited.", envvar="USER")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Publish the messages of dead letters again, each once: after what broke them was mended."""
    chosen: dict[str, Any] = {
        "stream": stream,
        "subject": subject,
        "reason": reason,
        "since": _utc(since),
        "tenant": tenant,
    }
    claim = AttributionClaim(user_id=user) if user else None
    if every and not places:
        carry_out(_redrive_all(url, claim, chosen))
    elif places and not every and not any(chosen.values()):
        carry_out(_redrive(url, claim, places))
    else:
        fail("name the places of letters, or say --all with the options that choose among them")


async def _list(url: str, *, as_json: bool, **asked: Any) -> None:
    async with Client(url) as client:
        found = await client.dead.letters(**asked)
    for view in found:
        _print(view, as_json=as_json)
    if not found:
        err.print("no such letters")


def _print(view: LetterView, *, as_json: bool) -> None:
    if as_json:
        typer.echo(view.to_body())
    else:
        out.print(letter_line(view))


async def _show(url: str, place: int, *, as_json: bool) -> None:
    async with Client(url) as client:
        view = await client.dead.letter(place)
    if as_json:
        typer.echo(view.to_body())
    else:
        out.print(letter_text(view))


async def _redrive(url: str, claim: AttributionClaim | None, places: list[int]) -> None:
    async with Client(url) as client:
        for place in places:
            done = await client.dead.redrive(place, attribution=claim)
            err.print(f"{place} was redriven" if done else f"{place} had been redriven before")


async def _redrive_all(url: str, claim: AttributionClaim | None, chosen: dict[str, Any]) -> None:
    async with Client(url) as client:
        places = await client.dead.redrive_all(attribution=claim, **chosen)
    for place in places:
        out.print(place, highlight=False)
    err.print(f"{len(places):,} were redriven")


def _utc(since: datetime | None) -> datetime | None:
    return since.astimezone(UTC) if since else None
