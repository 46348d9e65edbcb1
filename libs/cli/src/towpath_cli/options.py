"""The options that several commands share."""

from typing import Annotated

import typer

from towpath.client.client import DEFAULT_URL

Url = Annotated[str, typer.Option(envvar="TOWPATH_NATS_URL", help="The platform's broker.")]
Tenant = Annotated[str | None, typer.Option(help="Only of this tenant.")]
DefaultTenant = Annotated[str, typer.Option(help="For whom the run works.")]

__all__ = ["DEFAULT_URL", "DefaultTenant", "Tenant", "Url"]
