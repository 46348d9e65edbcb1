"""`towpath rebuild`: have what is derived from the log built anew, while work goes on."""

from typing import Annotated

import typer

from towpath.client import Client
from towpath_cli.options import DEFAULT_URL, Url
from towpath_cli.speech import carry_out, err
from towpath_schemas.projections import ProjectionName, RebuildProgress


def rebuild(
    projection: Annotated[
        ProjectionName,
        typer.Argument(
            metavar="redis|qdrant|index",
            help="redis: the copies of entities; qdrant: the index of memories; index: the index of runs.",
        ),
    ],
    *,
    url: Url = DEFAULT_URL,
) -> None:
    """Build a projection anew from the log, and return once it is; nothing is lost, and nothing has to stop."""
    carry_out(_rebuild(url, projection))


async def _rebuild(url: str, projection: ProjectionName) -> None:
    progress = RebuildProgress()
    with err.status(f"building {projection}") as shown:
        async with Client(url) as client:
            async for progress in client.rebuild(projection):
                if progress.looked_at:
                    shown.update(f"building {projection}: {progress.looked_at:,} entities")
    if projection == "redis":
        err.print(f"{progress.looked_at:,} entities were compared, {progress.written:,} written anew")
    else:
        err.print(f"{projection} is built anew")
