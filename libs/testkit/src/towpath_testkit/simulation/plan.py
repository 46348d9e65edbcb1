"""What may go wrong in a simulation, and how much of it; what happens when, is drawn from the seed."""

from dataclasses import dataclass, field

from towpath_testkit.simulated_network import Delays


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How bad it gets.

    Attributes:
        faults: How many sudden events there are: a process is killed, stopped for a while or loses its
            connections; the broker is stopped, or killed and started again; Redis is flushed, or killed and started
            again, with or without what it has not saved.
        every_s: Seconds from one to the next, at the least and at the most.
        delays: How long messages travel.
        lost_answers: The share of the broker's answers and deliveries that never arrive.
        lost_acks: The share of acknowledgements that the broker never hears.
        down_s: Seconds that what was killed stays away, at the most.
        asking_pause_s: Seconds from one request to the next, at the most.
    """

    faults: int = 0
    every_s: tuple[float, float] = (0.05, 2.0)
    delays: Delays = field(default_factory=Delays)
    lost_answers: float = 0.0
    lost_acks: float = 0.0
    down_s: float = 2.0
    asking_pause_s: float = 0.6


CALM = Plan()
"""Nothing goes wrong."""

STORMY = Plan(
    faults=8,
    delays=Delays(usual_s=(0.0001, 0.002), longest_s=0.4, rarely=200),
    lost_answers=0.002,
    lost_acks=0.01,
)
"""Everything goes wrong, again and again."""
