"""What a tool-runner can be told from outside."""

from typing import Annotated

from pydantic import Field

from towpath.runtime.runner_settings import RunnerSettings


class Settings(RunnerSettings):
    """Settings of a tool-runner.

    Attributes:
        capacity: How many calls are executed at the same time.
        timeout_s: Seconds an attempt may take where the component does not say.
    """

    capacity: Annotated[int, Field(ge=1, le=10_000)] = 100
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
