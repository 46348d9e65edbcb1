"""What the gateway can be told from outside."""

from typing import Annotated

from pydantic import Field

from towpath_chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the gateway.

    Attributes:
        http_host: The address it listens on.
        http_port: The port; 0 for any free one.
        tenant: For whom the runs work that are started here; no HTTP client may choose.
        patience_s: Seconds to wait for the router's word on a request.
    """

    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    tenant: Annotated[str, Field(min_length=1, max_length=256)] = "default"
    patience_s: Annotated[float, Field(gt=0, le=300)] = 10.0
