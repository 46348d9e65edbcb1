"""Heartbeats: they make recovery fast, and nothing is decided by them alone."""

from typing import Literal

from towpath_schemas.shape import Shape

HEARTBEAT_S = 1.0
LOST_AFTER_S = 3.0


class Heartbeat(Shape):
    """A process says that it lives, or that it leaves and needs no recovery.

    Attributes:
        role: The kind of service: `agent-runner`, `router`, ...
        instance: Unique for each start of a process.
        service: The user's service that a runner serves.
    """

    role: str
    instance: str
    state: Literal["alive", "leaving"]
    service: str | None = None
