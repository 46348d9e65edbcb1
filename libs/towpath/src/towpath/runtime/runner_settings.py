"""What both kinds of runner are told: which user code they host, and under which name."""

from typing import Annotated

from pydantic import Field

from towpath.runtime.loading import service_name
from towpath_chassis.settings import ServiceSettings


class RunnerSettings(ServiceSettings):
    """Settings that the runners share.

    Attributes:
        app: The user code: `package.module`, or a file that ends in `.py`.
        service_name: The service it is; the module's name if not given.
        service_version: Its version.
        max_losses: How often a call or a run is begun, if its process ends each time before anything came of it.
    """

    app: Annotated[str, Field(min_length=1)]
    service_name: Annotated[str, Field(min_length=1)] | None = None
    service_version: str = "0"
    max_losses: Annotated[int, Field(ge=1, le=1_000)] = 10

    @property
    def service(self) -> str:
        """The name under which the runners of this code are addressed."""
        return self.service_name or service_name(self.app)
