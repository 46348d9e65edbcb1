"""What the router can be told from outside."""

from typing import Annotated

from pydantic import Field

from towpath_chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the router.

    Attributes:
        workers: How many requests are admitted at the same time.
    """

    workers: Annotated[int, Field(ge=1, le=1_000)] = 64
