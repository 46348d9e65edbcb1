"""`towpath stream replay`: publish again what a stream has, on a subject of somebody's choice."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from towpath.client import Client
from towpath_cli.options import DEFAULT_URL, Since, Url
from towpath_cli.speech import carry_out, err

stream = typer.Typer(help="The platform's streams.", no_args_is_help=True)


@stream.callback()
def streams() -> None:
    """The platform's streams."""


@stream.command("replay")
def replay_stream(
    name: Annotated[str, typer.Argument(metavar="STREAM", help="Such as AUDIT.")],
    *,
    into: Annotated[str, typer.Option(help="The subject to publish on; not one of the platform's own.")],
    from_seq: Annotated[int, typer.Option(min=1, help="The first sequence.")] = 1,
    since: Since = None,
    subject: Annotated[str, typer.Option(help="Only what was published there; * and > are possible.")] = ">",
    limit: Annotated[int | None, typer.Option(min=1, help="How many at the most.")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Publish what a stream has again, in its order, up to what it has now; it stays as it is."""
    begin = since.astimezone(UTC) if since else None
    carry_out(_replay(url, name, into, from_seq=from_seq, since=begin, subject=subject, limit=limit))


async def _replay(
    url: str,
    name: str,
    into: str,
    *,
    from_seq: int,
    since: datetime | None,
    subject: str,
    limit: int | None,
) -> None:
    async with Client(url) as client:
        done = await client.streams.replay(
            name, into=into, from_sequence=from_seq, since=since, subject=subject, limit=limit
        )
    if done.count:
        err.print(f"{done.count:,} messages of {name} were replayed, {done.first} through {done.last}")
    else:
        err.print(f"{name} has no such messages")
