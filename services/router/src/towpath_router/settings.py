"""What the router can be told from outside."""

from typing import Annotated

from pydantic import Field

from towpath_chassis.settings import ServiceSettings
from towpath_schemas.presence import HEARTBEAT_S, LOST_AFTER_S


class Settings(ServiceSettings):
    """Settings of the router.

    Attributes:
        workers: How many requests are admitted at the same time.
        lost_after_s: Seconds of silence after which a process counts as lost.
    """

    workers: Annotated[int, Field(ge=1, le=1_000)] = 64
    lost_after_s: Annotated[float, Field(gt=HEARTBEAT_S)] = LOST_AFTER_S
