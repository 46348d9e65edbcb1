"""What is simulated: the components that are offered, what a client asks for, and what it does beside that."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

from towpath.components import REGISTRY, Component
from towpath_testkit.hosting import own_registry
from towpath_testkit.simulation.asking import Asked, Cancel, Decide, Request, Signal
from towpath_testkit.simulation.calling import Call
from towpath_testkit.simulation.runs_offered import offer_runs
from towpath_testkit.simulation.shared_offered import offer_shared

MISSION = Request("mission", {"legs": 1}, "1")
CARAVAN = Request("caravan", {"carts": 2}, "1")
RELAY = Request("relay", {"left": 1}, "1")
SIEGE = Request("siege", None, "1")
ERRAND = Request("errand", {"leg": 7}, "1")
RISK = Request("risk", None, "1")
PETITION = Request("petition", None, "1")
VOYAGE = Request("voyage", None, "1")


class Wishes(NamedTuple):
    """What clients want of the platform.

    Attributes:
        asked: What one client asks for, one after the other.
        calls: What other clients call beside that, each one call after the other.
    """

    asked: tuple[Asked, ...]
    calls: tuple[tuple[Call, ...], ...] = ()


ALONE = Wishes(
    (
        MISSION,
        SIEGE,
        CARAVAN,
        Signal("food", "bread", SIEGE),
        PETITION,
        RELAY,
        RISK,
        Signal("water", "rain", SIEGE),
        Decide(PETITION, "approved", by="ann", role="mayor"),
        ERRAND,
    ),
)
"""Runs of every kind of act, that have nothing to do with each other."""

TOGETHER = Wishes(
    (
        VOYAGE,
        Request("scribe", {"name": "ada"}, "1"),
        Request("guild", {"place": 1}, "1"),
        Request("banker", {"source": "east", "target": "west"}, "1"),
        Request("guild", {"place": 2}, "2"),
        Request("herald", None, "1"),
        Request("herald", None, "2"),
        Request("guild", {"place": 3}, "3"),
        Request("dictation", {"words": "rain"}, "1"),
        Request("scribe", {"name": "bob"}, "2"),
        Request("banker", {"source": "west", "target": "east"}, "2"),
        Cancel(VOYAGE, once_done="embark"),
        Request("dictation", {"words": "sun"}, "2"),
    ),
    (
        (
            Call("Chronicle", "town", "add", "a client's first"),
            Call("Chronicle", "town", "items"),
            Call("Chronicle", "town", "add", "a client's second"),
            Call("Chronicle", "town", "items"),
        ),
        (
            Call("Purse", "east", "balance"),
            Call("Chronicle", "town", "add", "another client's"),
            Call("Purse", "west", "balance"),
            Call("Chronicle", "town", "items"),
        ),
    ),
)
"""Runs that share entities and a session, and that limit each other; and clients that call the same entities."""


WORKLOADS = (ALONE, TOGETHER)
"""What simulations are about, in turns: one is twice as fast as both together."""


def kind_of(seed: int) -> int:
    """Tell the number of the workload that a seed simulates."""
    return seed % len(WORKLOADS)


ONCE_AT_MOST = frozenset({"gamble"})
"""The tools that are never tried again."""

ONE_OF_THEM = frozenset({"herald"})
"""The components of whose runs some end in favour of another: which, depends on when they were asked for."""


@contextmanager
def workload() -> Generator[None]:
    """Offer the components of the requests, and nothing else, until the end of the block."""
    with own_registry():
        for component in _offered():
            REGISTRY.add(component)
        yield


@lru_cache(maxsize=1)
def _offered() -> tuple[Component, ...]:
    with own_registry():
        offer_runs()
        offer_shared()
        return tuple(REGISTRY)
