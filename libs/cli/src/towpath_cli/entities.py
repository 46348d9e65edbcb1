"""`towpath entity`: call an entity, show its state."""

import json
from typing import Annotated, Any, Unpack

import typer

from towpath.client import Client
from towpath.client.entities import CallOptions
from towpath.errors import ComponentError
from towpath_cli.options import DEFAULT_URL, Url, parsed
from towpath_cli.speech import carry_out, fail, out

entity = typer.Typer(help="Entities: state under a key.", no_args_is_help=True)

EntityType = Annotated[str, typer.Argument(metavar="TYPE", help="The type of entity.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Which one of them.")]
OfTenant = Annotated[str, typer.Option(help="Whose entity it is.")]
Within = Annotated[float, typer.Option(help="Seconds to wait for the outcome.", min=0.1)]


@entity.command()
def call(
    entity_type: EntityType,
    key: Key,
    method: Annotated[str, typer.Argument(help="Which of its methods.")],
    *,
    given: Annotated[str, typer.Option("--input", help="Its arguments, as JSON.", metavar="JSON")] = "null",
    url: Url = DEFAULT_URL,
    once: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same key is the same call.")
    ] = None,
    tenant: OfTenant = "default",
    timeout: Within = 60.0,
) -> None:
    """Call a method of an entity, and print its result."""
    options: CallOptions = {"tenant": tenant, "idempotency_key": once, "timeout_s": timeout}
    carry_out(_call(url, entity_type, key, method, parsed(given, "--input"), **options))


async def _call(
    url: str, entity_type: str, key: str, method: str, given: Any, **options: Unpack[CallOptions]
) -> None:
    async with Client(url) as client:
        try:
            result = await client.call_entity(entity_type, key, method, given, **options)
        except ComponentError as error:
            fail(f"{entity_type}/{key}.{method} failed: {error}")
    out.print_json(json.dumps(result))


@entity.command()
def show(
    entity_type: EntityType,
    key: Key,
    *,
    url: Url = DEFAULT_URL,
    tenant: OfTenant = "default",
    timeout: Within = 60.0,
) -> None:
    """Print the whole state that the last write of an entity has committed."""
    carry_out(_show(url, entity_type, key, tenant, timeout))


async def _show(url: str, entity_type: str, key: str, tenant: str, timeout_s: float) -> None:
    async with Client(url) as client:
        state = await client.entity_state(entity_type, key, tenant=tenant, timeout_s=timeout_s)
    out.print_json(json.dumps(state))
