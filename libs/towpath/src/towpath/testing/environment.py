"""What all runs of one platform in a test have in common."""

from towpath.components import Registry
from towpath.testing.disturbance import Disturbance
from towpath.testing.timeline import Timeline


class Environment:
    """The surroundings of runs.

    Attributes:
        registry: Their code.
        timeline: Their time.
        seed: What their random numbers follow from.
        suspend_after_s: Seconds of nothing but waiting that a run is kept in memory for.
        disturbance: What befalls them.
        without_limits: Whether those begin that would have to pass limits.
        moves: How much has happened.
    """

    def __init__(
        self,
        registry: Registry,
        timeline: Timeline,
        *,
        seed: int,
        suspend_after_s: float,
        disturbance: Disturbance,
        without_limits: bool = False,
    ) -> None:
        self.registry = registry
        self.timeline = timeline
        self.seed = seed
        self.suspend_after_s = suspend_after_s
        self.disturbance = disturbance
        self.without_limits = without_limits
        self.moves = 0

    def happened(self) -> None:
        """Note that something has happened."""
        self.moves += 1
