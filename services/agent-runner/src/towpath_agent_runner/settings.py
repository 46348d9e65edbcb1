"""What an agent-runner can be told from outside."""

from typing import Annotated

from pydantic import Field

from towpath.runtime.runner_settings import RunnerSettings


class Settings(RunnerSettings):
    """Settings of an agent-runner.

    Attributes:
        capacity: How many runs are held in memory at the same time.
        suspend_after_s: Seconds of nothing but waiting after which a run is dropped from memory.
    """

    capacity: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    suspend_after_s: Annotated[float, Field(ge=0.1)] = 10.0
