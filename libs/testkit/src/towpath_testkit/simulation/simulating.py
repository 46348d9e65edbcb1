"""Simulates: starts the platform, asks for runs, lets things go wrong, and looks at what is left."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from towpath_schemas.journal import RunFinished
from towpath_schemas.streams import AUDIT, INBOX, REQUESTS, RUNS, TOOLS
from towpath_testkit.simulation.asking import Asked, Request, ask
from towpath_testkit.simulation.effects import gather_effects
from towpath_testkit.simulation.listening import overheard, unheard
from towpath_testkit.simulation.plan import CALM, Plan
from towpath_testkit.simulation.seen import Entry, Simulated, journals, seen
from towpath_testkit.simulation.trouble import trouble
from towpath_testkit.simulation.world import World
from towpath_testkit.virtual_time import VirtualTimeLoop, run_virtually

ROLES = ("router", "agent-runner", "tool-runner", "audit-sink")
_SETTINGS: dict[str, dict[str, Any]] = {
    "router": {"ack_wait_s": 3.0},
    "agent-runner": {"ack_wait_s": 3.0, "suspend_after_s": 2.0},
    "tool-runner": {"ack_wait_s": 3.0},
    "audit-sink": {},
}
_DRAINED = (REQUESTS.name, RUNS.name, TOOLS.name, INBOX.name)
_LOOK_EVERY_S = 0.2


def simulate(seed: int, plan: Plan = CALM, *, asked: Sequence[Asked], within_s: float = 600.0) -> Simulated:
    """Simulate until all runs are over and told, and nothing is left to do.

    Args:
        seed: What happens when: all of it depends on this alone.
        plan: What goes wrong.
        asked: What is asked for, in this order; the components are those that are registered.
        within_s: Virtual seconds in which all must be over.

    Raises:
        TimeoutError: If it is not; the message says what is not, and what went wrong before.
    """

    async def main(loop: VirtualTimeLoop) -> Simulated:
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        effects = gather_effects()
        world = World(loop, chance, plan.delays, down_s=plan.down_s)
        with overheard(world):
            await _until_over(world, plan, asked, within_s=within_s)
            return seen(seed, world, effects)

    with unheard():
        return run_virtually(main, seed=seed)


async def _until_over(world: World, plan: Plan, asked: Sequence[Asked], *, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await _play(world, plan, asked)
    except TimeoutError as error:
        told = "\n".join([*world.log, *_left(world, asked)])
        raise TimeoutError(f"not over within {within_s:g} virtual seconds\n{told}") from error


async def _play(world: World, plan: Plan, asked: Sequence[Asked]) -> None:
    world.broker.start()
    await asyncio.gather(*(world.keep(role, **_SETTINGS[role]) for role in ROLES))
    asking = world.loop.spawn("client", ask(world, asked, pause_s=plan.asking_pause_s))
    async with trouble(world, plan):
        await asking
        while _left(world, asked):  # noqa: ASYNC110 - virtual time costs nothing
            await asyncio.sleep(_LOOK_EVERY_S)


def _left(world: World, asked: Sequence[Asked]) -> list[str]:
    """List what is not over: messages to be handled, runs that have not ended, entries that are not told."""
    waiting = [message.subject for name in _DRAINED for message in world.broker.streams[name].store]
    if waiting:
        return waiting
    written = journals(world)
    wanted = {one.run_id for one in asked if isinstance(one, Request)} | written.keys()
    going_on = [run_id for run_id in sorted(wanted) if not _has_ended(written.get(run_id, []))]
    untold = sum(map(len, written.values())) - len(world.broker.streams[AUDIT.name].store)
    return going_on + ["entries that are not told"] * (untold > 0)


def _has_ended(entries: list[Entry]) -> bool:
    return any(isinstance(entry.record, RunFinished) for entry in entries)
