"""Simulates the workload, and says what is wrong with it, and how to see that again."""

from functools import lru_cache

from towpath_testkit.simulation.checking import wrongs
from towpath_testkit.simulation.plan import CALM, STORMY, Plan
from towpath_testkit.simulation.seen import Simulated
from towpath_testkit.simulation.simulating import simulate
from towpath_testkit.simulation.workload import ASKED, ONCE_AT_MOST, workload


def play(seed: int, plan: Plan = STORMY) -> Simulated:
    """Simulate the workload.

    Raises:
        TimeoutError: If it does not come to its end.
    """
    with workload():
        return simulate(seed, plan, asked=ASKED)


def examine(seed: int, plan: Plan = STORMY) -> str | None:
    """Simulate the workload; report what is wrong with it, and all that happened; None if nothing is wrong."""
    try:
        simulated = play(seed, plan)
    except TimeoutError as error:
        return _report(seed, [str(error)])
    found = wrongs(simulated, undisturbed(), once_at_most=ONCE_AT_MOST)
    return _report(seed, [*simulated.log, *found]) if found else None


@lru_cache(maxsize=1)
def undisturbed() -> Simulated:
    """Simulate the workload when nothing goes wrong, once."""
    return play(0, CALM)


def _report(seed: int, lines: list[str]) -> str:
    return "\n".join([f"seed {seed}; repeat it with: just simulate --seed {seed}", *lines])
