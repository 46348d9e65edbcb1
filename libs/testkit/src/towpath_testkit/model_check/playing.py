"""Plays a sequence of operations on the model, then on a server at the same moments, and compares."""

import asyncio
import random
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from towpath_testkit.jetstream_model import Broker
from towpath_testkit.jetstream_model.clock import SECOND, Clock
from towpath_testkit.model_check.asking import asker
from towpath_testkit.model_check.operations import Operation, operations
from towpath_testkit.model_check.player import Outcome, Player
from towpath_testkit.model_check.pulse import Pulse, pulse
from towpath_testkit.model_check.settings import STREAMS
from towpath_testkit.simulated_network import SimulatedNetwork
from towpath_testkit.virtual_time import VirtualTimeLoop, run_virtually

_CALM_S = 0.08
_SHORTEST_S = 0.01
_PATIENCE_NS = 3 * SECOND
_IN_STEP_S = 2.0
_AT_ONCE = (60, 8, *[4] * 6)
"""How many sequences are played at a time: the first time, and each time again of those that differed.

What a server does beside something else it may do before or after that: forget a message that was removed while it was
pending, and deliver the one that replaced it. So the model is right where the server does the same in one of these.
"""


class Score(NamedTuple):
    """What the model said, and when each operation was performed, in seconds since the beginning."""

    outcomes: list[Outcome]
    moments: list[float]


def play_on_model(prefix: str, chosen: list[Operation], *, seed: int) -> Score:
    """Perform operations on the model, at moments when nothing is about to happen of itself."""
    moments: list[float] = []

    async def main(loop: VirtualTimeLoop) -> list[Outcome]:
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        broker = Broker(SimulatedNetwork(loop, chance))
        broker.start()
        await asyncio.sleep(_IN_STEP_S)
        began = loop.time()

        async def pace() -> None:
            await asyncio.sleep(chance.uniform(_SHORTEST_S, 3 * _CALM_S))
            await _calm(broker.clock)
            moments.append(loop.time() - began)

        async with asker(broker.url, prefix) as asking:
            return await Player(asking, prefix, pace).play(chosen)

    return Score(run_virtually(main, seed=seed), moments)


async def _calm(clock: Clock) -> None:
    """Wait until no timer fires within a moment, and none has; a shorter moment, where several timers leave no other."""
    span_ns, until_ns = round(_CALM_S * SECOND), clock.now_ns() + _PATIENCE_NS
    while (left_ns := clock.calm_from_ns(span_ns) - clock.now_ns()) > 0:
        await asyncio.sleep(left_ns / SECOND + 0.001)
        if clock.now_ns() > until_ns:
            span_ns, until_ns = span_ns // 2, clock.now_ns() + _PATIENCE_NS


async def play_on_server(
    prefix: str, chosen: list[Operation], moments: list[float], url: str
) -> list[Outcome]:
    """Perform operations on a server, at given moments."""
    due = iter(moments)
    await _remove_streams(prefix, url)
    await asyncio.sleep(_IN_STEP_S - time.time() % _IN_STEP_S)
    began = time.time()

    async def pace() -> None:
        await asyncio.sleep(began + next(due) - time.time())

    async with asker(url, prefix) as asking:
        return await Player(asking, prefix, pace).play(chosen)


async def _remove_streams(prefix: str, url: str) -> None:
    """Remove what an earlier attempt may have left."""
    async with asker(url, prefix) as asking:
        for kind in STREAMS:
            await asking.ask(f"$JS.API.STREAM.DELETE.{prefix}-{kind}", b"")


class Difference(NamedTuple):
    """The first operation of which the two did not see the same."""

    seed: int
    number: int
    model: Outcome
    server: Outcome
    before: list[Operation]

    def __str__(self) -> str:
        told = "\n".join(f"  {number:3} {operation}" for number, operation in enumerate(self.before))
        return (
            f"seed {self.seed}: operation {self.number}, {self.model.operation}\n"
            f"  the model:  {self.model.seen}\n"
            f"  the server: {self.server.seen}\n"
            f"after\n{told}"
        )


def first_difference(seed: int, model: list[Outcome], server: list[Outcome]) -> Difference | None:
    """Compare what was seen."""
    for number, (ours, theirs) in enumerate(zip(model, server, strict=True)):
        if (ours.succeeded, ours.seen) != (theirs.succeeded, theirs.seen):
            before = [outcome.operation for outcome in model[:number]]
            return Difference(seed, number, ours, theirs, before)
    return None


def scores(seeds: Iterable[int], *, length: int) -> dict[int, Score]:
    """Play sequences on the model."""
    return {seed: play_on_model(_prefix(seed), operations(seed, length), seed=seed) for seed in seeds}


class Verdict(NamedTuple):
    """What came of playing sequences on a server.

    Attributes:
        differences: Where the server, in good time, did something else than the model each time.
        undecided: The sequences in which it did so only when it was late.
    """

    differences: list[Difference]
    undecided: list[int]


async def compare(scored: Mapping[int, Score], url: str) -> Verdict:
    """Play sequences on a server as well: all at the same time, then again those that differ, few at a time; see `_AT_ONCE`."""
    found: dict[int, _Difference] = {}
    async with pulse(url) as felt:
        differing = list(scored)
        for at_once in _AT_ONCE:
            for some in batched(differing, at_once):
                played = await asyncio.gather(*(_compare_one(seed, scored[seed], url, felt) for seed in some))
                found |= dict(zip(some, played, strict=True))
            differing = [seed for seed in differing if found[seed] is not None]
    late = [seed for seed in differing if isinstance(found[seed], _Late)]
    return Verdict([one for one in found.values() if isinstance(one, Difference)], late)


class _Late(NamedTuple):
    """A difference that says nothing."""


_Difference = Difference | _Late | None


async def _compare_one(seed: int, score: Score, url: str, felt: Pulse) -> _Difference:
    began = asyncio.get_running_loop().time()
    chosen = [outcome.operation for outcome in score.outcomes[:-1]]
    seen = await play_on_server(_prefix(seed), chosen, score.moments, url)
    difference = first_difference(seed, score.outcomes, seen)
    if difference is not None and not felt.was_steady(began, asyncio.get_running_loop().time()):
        return _Late()
    return difference


def batched(seeds: list[int], size: int) -> list[list[int]]:
    """Divide seeds.

    >>> batched([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [seeds[start : start + size] for start in range(0, len(seeds), size)]


def _prefix(seed: int) -> str:
    return f"t{seed:06d}"
