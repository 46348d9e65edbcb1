"""`towpath session`: show, export, prune and delete conversations."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from towpath.client import Client
from towpath.client.sessions import ClientSession
from towpath_cli.lines import session_message_line, session_text
from towpath_cli.options import DEFAULT_URL, AsJson, Limit, Url, User
from towpath_cli.speech import carry_out, err, fail, out
from towpath_schemas.attribution import AttributionClaim

session = typer.Typer(help="Sessions: conversations of agents and users.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The session.")]
OfTenant = Annotated[str, typer.Option(help="Whose session it is.")]
Work = Callable[[ClientSession], Awaitable[None]]


@session.command()
def show(
    session_id: Id,
    *,
    limit: Limit = 20,
    as_json: AsJson = False,
    tenant: OfTenant = "default",
    url: Url = DEFAULT_URL,
) -> None:
    """Show what is known of a session, and the newest messages in its history."""

    async def work(found: ClientSession) -> None:
        if as_json:
            for message in await found.history(limit):
                typer.echo(message.to_body())
            return
        head = await found.head()
        if not head.count:
            fail(f"session {session_id!r} of {tenant!r} has no events")
        out.print(session_text(session_id, head))
        for message in await found.history(limit):
            out.print(session_message_line(message))

    _with(url, session_id, tenant, None, work)


@session.command()
def export(session_id: Id, *, tenant: OfTenant = "default", url: Url = DEFAULT_URL) -> None:
    """Print all messages there were, pruned ones too, as lines of JSON."""

    async def work(found: ClientSession) -> None:
        typer.echo(await found.export("jsonl"), nl=False)

    _with(url, session_id, tenant, None, work)


@session.command()
def prune(
    session_id: Id,
    strategy: Annotated[str, typer.Argument(help="keep_last_<n>, sliding_window, summarize_old, ...")],
    *,
    window_size: Annotated[int | None, typer.Option(help="Of sliding_window: how many stay.")] = None,
    threshold: Annotated[int | None, typer.Option(help="Of summarize_old: how many stay.")] = None,
    model: Annotated[str | None, typer.Option(help="Who summarizes or chooses.")] = None,
    tenant: OfTenant = "default",
    user: User = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Take messages out of the history; exports keep them."""
    options: dict[str, Any] = {"window_size": window_size, "threshold": threshold, "model": model}

    async def work(found: ClientSession) -> None:
        err.print(f"{await found.prune(strategy, **options)} messages left the history")

    _with(url, session_id, tenant, user, work)


@session.command()
def delete(
    session_id: Id, *, tenant: OfTenant = "default", user: User = None, url: Url = DEFAULT_URL
) -> None:
    """Delete a session with its own state."""

    async def work(found: ClientSession) -> None:
        err.print(f"session {session_id} is deleted, with {await found.delete()} events")

    _with(url, session_id, tenant, user, work)


def _with(url: str, session_id: str, tenant: str, user: str | None, work: Work) -> None:
    """Do something with a session."""
    attribution = AttributionClaim(user_id=user) if user else None

    async def with_client() -> None:
        async with Client(url) as client:
            await work(client.session(session_id, tenant=tenant, attribution=attribution))

    carry_out(with_client())
