"""The options that several commands share."""

from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import orjson
import typer

from towpath.client.connection import DEFAULT_URL
from towpath_cli.speech import fail
from towpath_schemas.runs import RunStatus


def _status(said: str) -> str:
    known = get_args(RunStatus)
    if said not in known:
        raise typer.BadParameter(f"{said!r} is no status; those there are: {', '.join(known)}")
    return said


Url = Annotated[str, typer.Option(envvar="TOWPATH_NATS_URL", help="The platform's broker.")]
Tenant = Annotated[str | None, typer.Option(help="Only of this tenant.")]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", parser=_status, metavar="STATUS", help="Only of this status; may be repeated."),
]
Since = Annotated[datetime | None, typer.Option(help="From then on, by your clock.")]
DefaultTenant = Annotated[str, typer.Option(help="For whom the run works.")]
User = Annotated[str | None, typer.Option(help="Who asks; it is audited.", envvar="USER")]
Timeout = Annotated[float | None, typer.Option(help="Seconds to wait for the result.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

__all__ = [
    "DEFAULT_URL",
    "AsJson",
    "DefaultTenant",
    "Limit",
    "Since",
    "Statuses",
    "Tenant",
    "Timeout",
    "Url",
    "User",
    "moment",
    "parsed",
]


def parsed(given: str, option: str) -> Any:
    """Read an option that is JSON; end the command where it is none."""
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        fail(f'{option} is not JSON ({error}); write it like {option} \'{{"name": "Ada"}}\'')


def moment(said: datetime | None) -> datetime | None:
    """Read a time by the clock on the wall."""
    return said.astimezone(UTC) if said else None
