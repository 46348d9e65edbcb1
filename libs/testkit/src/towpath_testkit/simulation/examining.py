"""Simulates the workload, and says what is wrong with it, and how to see that again."""

from functools import lru_cache

from towpath_testkit.simulation.checking import wrongs
from towpath_testkit.simulation.plan import CALM, STORMY, Plan
from towpath_testkit.simulation.seen import Simulated
from towpath_testkit.simulation.simulating import simulate
from towpath_testkit.simulation.workload import ONCE_AT_MOST, ONE_OF_THEM, WORKLOADS, kind_of, workload


def play(seed: int, plan: Plan = STORMY) -> Simulated:
    """Simulate the workload.

    Raises:
        TimeoutError: If it does not come to its end.
    """
    wishes = WORKLOADS[kind_of(seed)]
    with workload():
        return simulate(seed, plan, asked=wishes.asked, calls=wishes.calls)


def examine(seed: int, plan: Plan = STORMY) -> str | None:
    """Simulate the workload; report what is wrong with it, and all that happened; None if nothing is wrong."""
    try:
        simulated = play(seed, plan)
    except TimeoutError as error:
        return _report(seed, [str(error)])
    found = wrongs(simulated, undisturbed(kind_of(seed)), once_at_most=ONCE_AT_MOST, one_of_them=ONE_OF_THEM)
    return _report(seed, [*simulated.log, *found]) if found else None


@lru_cache
def undisturbed(kind: int) -> Simulated:
    """Simulate a workload, by its number, when nothing goes wrong, once."""
    return play(kind, CALM)


def _report(seed: int, lines: list[str]) -> str:
    return "\n".join([f"seed {seed}; repeat it with: just simulate --seed {seed}", *lines])
