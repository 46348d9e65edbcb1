"""What must hold of runs with limits in every simulation: never do more of them work at once than may."""

from collections.abc import Generator
from typing import NamedTuple

from towpath_testkit.simulation.seen import Simulated
from towpath_testkit.simulation.shared_offered import CROWD

Wrongs = Generator[str]

_AT_ONCE = {"guild": CROWD, "herald": 1}


class _Worked(NamedTuple):
    """A run that worked from one virtual second to another."""

    since_s: float
    until_s: float
    run_id: str


def wrongs_of_limits(simulated: Simulated) -> Wrongs:
    """List what is wrong with runs that have limits, in sentences."""
    for component, limit in _AT_ONCE.items():
        worked = sorted(_worked(simulated, component))
        for one in worked:
            beside = [other.run_id for other in worked if other.since_s <= one.since_s < other.until_s]
            if len(beside) > limit:
                yield f"at {one.since_s:.4f} {component} works {len(beside)} times, which may {limit}: {beside}"
    yield from _of_skipped(simulated)


def _worked(simulated: Simulated, component: str) -> Generator[_Worked]:
    for run_id, until_s in simulated.ended_s.items():
        since_s = _begun_s(simulated, run_id)
        if since_s is not None and simulated.component_of(run_id) == component:
            yield _Worked(since_s, until_s, run_id)


def _begun_s(simulated: Simulated, run_id: str) -> float | None:
    """Tell when a runner has taken a run first; a router takes one only to end it."""
    claims = simulated.claims.get(run_id, [])
    return next((taken.at_s for taken in claims if taken.runner.startswith("agent-runner")), None)


def _of_skipped(simulated: Simulated) -> Wrongs:
    """See that who ended in favour of another, did so in favour of one that worked then, and has ended well."""
    for run_id, end in simulated.ends.items():
        if simulated.component_of(run_id) != "herald" or end.end == "completed":
            continue
        successor = simulated.ends.get(end.successor or "")
        if end.end != "continued" or successor is None or successor.end != "completed":
            yield f"{run_id} of herald ended with {end}, and its successor with {successor}"
        elif _begun_s(simulated, run_id) is not None:
            yield f"{run_id} of herald ended in favour of another, and worked"
