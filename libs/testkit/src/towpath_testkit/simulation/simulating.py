"""Simulates: starts the platform, asks for runs, lets things go wrong, and looks at what is left."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from towpath_schemas import subjects
from towpath_schemas.streams import (
    AUDIT,
    ENTITIES,
    INBOX,
    JOURNAL,
    REQUESTS,
    RUNS,
    RUNS_BEGUN,
    RUNS_INDEX,
    TOOLS,
)
from towpath_testkit.jetstream_model.messages import Message
from towpath_testkit.simulation.asking import Asked, Request, ask
from towpath_testkit.simulation.calling import Call, Called, call
from towpath_testkit.simulation.effects import gather_effects
from towpath_testkit.simulation.listening import overheard, unheard
from towpath_testkit.simulation.plan import CALM, Plan
from towpath_testkit.simulation.seen import Simulated, seen
from towpath_testkit.simulation.trouble import trouble
from towpath_testkit.simulation.world import ACK_WAIT_S, World, few_partitions, service_of
from towpath_testkit.virtual_time import VirtualTimeLoop, run_virtually

ROLES = 2 * ("router", "agent-runner", "tool-runner", "entity-store", "audit-sink")
_SETTINGS: dict[str, dict[str, Any]] = {
    "router": {"ack_wait_s": ACK_WAIT_S},
    "agent-runner": {"ack_wait_s": ACK_WAIT_S, "suspend_after_s": 2.0},
    "tool-runner": {"ack_wait_s": ACK_WAIT_S},
    "entity-store": {"ack_wait_s": ACK_WAIT_S, "snapshot_every": 5, "index_capacity": 64},
    "audit-sink": {},
}
_OF_THE_INDEX = ((AUDIT.name, RUNS_INDEX), (JOURNAL.name, RUNS_BEGUN))
_DRAINED = (REQUESTS.name, RUNS.name, TOOLS.name, INBOX.name)
_NOTES = subjects.handed_over("*")
"""What stays in the streams until it expires: nobody does anything about it."""
_LOOK_EVERY_S = 0.3
_ENDS = b'"kind":"run.finished"'


def simulate(
    seed: int,
    plan: Plan = CALM,
    *,
    asked: Sequence[Asked],
    calls: Sequence[Sequence[Call]] = (),
    within_s: float = 300.0,
    roles: Sequence[str] = ROLES,
) -> Simulated:
    """Simulate until all runs are over and told, and nothing is left to do.

    Args:
        seed: What happens when: all of it depends on this alone.
        plan: What goes wrong.
        asked: What is asked for, in this order; the components are those that are registered.
        calls: The calls of entities that other clients make, each in this order.
        within_s: Virtual seconds in which all must be over.
        roles: The services that run, a process each.

    Raises:
        TimeoutError: If it is not; the message says what is not, and what went wrong before.
    """

    async def main(loop: VirtualTimeLoop) -> Simulated:
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        effects = gather_effects()
        world = World(loop, chance, plan.delays, down_s=plan.down_s)
        with overheard(world):
            called = await _until_over(world, plan, asked, calls, within_s=within_s, roles=roles)
            return seen(seed, world, effects, called)

    for role in roles:
        service_of(role)
    with unheard(), few_partitions():
        return run_virtually(main, seed=seed)


async def _until_over(
    world: World,
    plan: Plan,
    asked: Sequence[Asked],
    calls: Sequence[Sequence[Call]],
    *,
    within_s: float,
    roles: Sequence[str],
) -> list[Called]:
    try:
        async with asyncio.timeout(within_s):
            return await _play(world, plan, asked, calls, roles)
    except TimeoutError as error:
        told = "\n".join([*world.log, *_left(world, asked)])
        raise TimeoutError(f"not over within {within_s:g} virtual seconds\n{told}") from error


async def _play(
    world: World, plan: Plan, asked: Sequence[Asked], calls: Sequence[Sequence[Call]], roles: Sequence[str]
) -> list[Called]:
    world.broker.start()
    world.redis.start()
    await asyncio.gather(*(world.keep(role, **_SETTINGS[role]) for role in roles))
    pause_s = plan.asking_pause_s
    asking = world.loop.spawn("client", ask(world, asked, pause_s=pause_s))
    calling = [world.loop.spawn("caller", call(world, each, pause_s=pause_s)) for each in calls]
    async with trouble(world, plan):
        await asking
        called = await asyncio.gather(*calling)
        while _left(world, asked):  # noqa: ASYNC110 - virtual time costs nothing
            await asyncio.sleep(_LOOK_EVERY_S)
    return [one for each in called for one in each]


def _left(world: World, asked: Sequence[Asked]) -> list[str]:
    """List what is not over: messages to be handled, runs that have not ended, entries that are not told."""
    stored = [message.subject for name in _DRAINED for message in world.broker.streams[name].store]
    waiting = [subject for subject in stored if not subjects.matches(_NOTES, subject)]
    waiting += [f"messages for {name}" for name in _unhandled(world)]
    if waiting:
        return waiting
    entries = world.broker.streams[JOURNAL.name].store.matching(subjects.EVERY_JOURNAL_ENTRY)
    begun = {one.run_id for one in asked if isinstance(one, Request)} | {_run_of(entry) for entry in entries}
    ended = {_run_of(entry) for entry in entries if _ENDS in entry.body}  # to read them all takes too long
    untold = len(entries) - len(world.broker.streams[AUDIT.name].store)
    return sorted(begun - ended) + ["entries that are not told"] * (untold > 0) + _not_standing(world)


def _run_of(entry: Message) -> str:
    run_id, _ = subjects.read_journal_entry(entry.subject)
    return run_id


def _unhandled(world: World) -> list[str]:
    """Name the consumers of lasting streams that have not handled everything."""
    return [
        name
        for stream in (ENTITIES, AUDIT, JOURNAL)
        for name, consumer in world.broker.streams[stream.name].consumers.items()
        if consumer.config.durable_name and (consumer.waiting or consumer.flight.pending)
    ]


def _not_standing(world: World) -> list[str]:
    """Say what is missing of the index of runs: its mark, or a consumer that is just being set back."""
    marks = [standing for name, standing in world.redis.store.items() if name.endswith(b":standing")]
    gone = [name for stream, name in _OF_THE_INDEX if name not in world.broker.streams[stream].consumers]
    return [f"the index of runs is not there: {marks}, without {gone}"] * (marks != [b"ready"] or bool(gone))
