"""What every service can be told from outside: read once from `TOWPATH_*`, typed, bounded, frozen."""

import os
import socket
import sys
from typing import Annotated, Literal, Self
from uuid import uuid4

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "TOWPATH_"


class ServiceSettings(BaseSettings):
    """The settings that all services share; each service adds its own.

    Attributes:
        nats_url: The broker.
        instance: Unique for each start of a process; made up unless given.
        ack_wait_s: Seconds after which the broker gives an unfinished message to another process; whoever
            works on it says so three times in that span.
        drain_s: Seconds a stopping process may use to finish what it holds.
        blocked_after_s: Seconds for which code may keep the event loop to itself before it is complained of.
        health_port: Port of /healthz and /readyz; 0 for any free one, None for none.
        otlp_endpoint: Where traces are sent (OTLP over HTTP); None for nowhere.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    nats_url: Annotated[str, Field(pattern=r"^(nats|tls|ws|wss)://")] = "nats://127.0.0.1:4222"
    instance: Annotated[str, Field(min_length=1)] = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}",
    )
    ack_wait_s: Annotated[float, Field(ge=0.5, le=3600)] = 30.0
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    blocked_after_s: Annotated[float, Field(ge=0.1, le=3600)] = 2.0
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://")] | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings; a wrong value ends the process with its variable's name and the reason."""
        try:
            return cls()
        except ValidationError as error:
            sys.exit("\n".join(complaints(error)))


def complaints(error: ValidationError) -> list[str]:
    """Say of each wrong setting which variable it is, what it was, and what it must be."""
    return [_complaint(problem) for problem in error.errors()]


def _complaint(problem: ErrorDetails) -> str:
    variable = f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}"
    if problem["type"] == "missing":
        return f"{variable} is not set: {problem['msg']}"
    return f"{variable}={problem['input']!r}: {problem['msg']}"
