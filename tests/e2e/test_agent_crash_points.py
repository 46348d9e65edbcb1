"""The agent-runner is killed before and after each write of a conversation, and nothing but the time changes.

The conversation has ten tool calls: some at once, one that a person approves, some by another agent that is asked as a
tool, and two after a handoff. In the suite, some of the writes are chosen by a seed; `just soak` takes every one.
"""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client as PlainClient

from towpath import Client
from towpath_cli.embedded.processes import ServerStartError
from towpath_schemas.approvals import ApprovalView
from towpath_testkit.expedition import ANSWER, MODEL_CALLS, PROMPT, TOOL_CALLS
from towpath_testkit.settled import until, until_so
from towpath_testkit.stage import Stage
from towpath_testkit.trail import Trail

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
KILLED = "agent-runner"
CHOSEN = 4
WRITES = 70
"""About how many writes the agent-runner makes in one conversation; those beyond are never reached."""
FEWEST_WRITES = 50
IN_A_ROW = 3
"""So many writes that nobody came to end the search: one that was given up has no moment after it."""
_OF_HOLDING = frozenset({"resumed", "suspended", "claimed"})
"""What the audit stream tells of who holds a run: a kill changes that, and nothing else."""


@pytest.fixture(scope="module")
def stage(doomed_stage: Callable[..., Stage]) -> Stage:
    return doomed_stage(HERE / "ridge.py")


@pytest.fixture
async def client(stage: Stage) -> AsyncGenerator[Client]:
    async with Client(stage.nats_url) as connected:
        yield connected


class World(NamedTuple):
    """What a conversation is had in, and what one leaves that nobody disturbs."""

    stage: Stage
    plain: PlainClient
    client: Client
    undisturbed: "Told"


class Told(NamedTuple):
    """What a conversation has left: its result, what was done outside, and what was audited."""

    result: dict[str, Any]
    attempts: Counter[str]
    trail: Counter[tuple[Any, ...]]


async def conversation(stage: Stage, plain: PlainClient, client: Client) -> Told:
    """Have the conversation, starting the agent-runner again where it dies."""
    tenant = f"t{uuid4().hex[:8]}"
    trail = Trail(tenant)
    await trail.follow(plain)
    before = attempts(stage)
    watching = asyncio.create_task(watch(stage))
    run = await client.start("leader", f"{PROMPT} of {tenant}", tenant=tenant)
    approval = await until(lambda: waiting(client, run), bool, deadline_s=60)
    await client.decide(approval[0], "approved", approver="ada")
    await trail.until(lambda: run in trail.ended)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    last = await plain.jetstream().get_last_msg("JOURNAL", f"journal.v1.{run}.>")
    return Told(
        json.loads(last.data or b"")["result"], attempts(stage) - before, comparable(trail.events[run])
    )


async def waiting(client: Client, run: str) -> list[ApprovalView]:
    return [approval async for approval in client.approvals(run_id=run)]


async def watch(stage: Stage) -> None:
    await until_so(lambda: not stage.platform.services[KILLED].running, deadline_s=120)
    await stage.platform.restart(KILLED)


def attempts(stage: Stage) -> Counter[str]:
    lines = (stage.directory / "world" / "attempts").read_text().splitlines()
    return Counter(line.split(" ", 1)[0] for line in lines)


def comparable(events: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    """Say what was audited, without what differs by the clock, the run and who held it."""
    told = [event["source_sequence"] for event in events]
    assert told == sorted(set(told))
    names = ("kind", "action", "target", "key", "agent", "outcome")
    acts = [event for event in events if event["action"] not in _OF_HOLDING]
    return Counter(tuple(event.get(name) for name in names) for event in acts)


async def killed_at(world: World, when: str, write: int) -> bool:
    """Kill the agent-runner at one of its writes of a conversation, and tell whether it came to that."""
    stage = world.stage
    order = stage.directory / "doom" / KILLED
    order.write_text(f"{when} {write}")
    told = await conversation(stage, world.plain, world.client)
    died = not order.exists()  # it may have come to that only behind the conversation's end
    order.unlink(missing_ok=True)
    with suppress(ServerStartError):  # it dies in this very moment
        await stage.start(KILLED)
    await stage.start(KILLED)
    it_is_as_if_nothing_had_happened(told, world.undisturbed)
    return died


def it_is_as_if_nothing_had_happened(told: Told, undisturbed: Told) -> None:
    assert answered(told) == answered(undisturbed)
    models = Counter({key: count for key, count in told.attempts.items() if key.startswith("model-")})
    tools = told.attempts - models
    assert len(models) == MODEL_CALLS
    assert models.total() - len(models) <= 1, "only the model call under way may be made again"
    assert tools.total() == len(tools) == TOOL_CALLS, "a tool call was made again"
    assert told.trail == undisturbed.trail


def answered(told: Told) -> list[Any]:
    names = ("output", "status", "stop_reason", "agent", "handoff_to", "iterations", "usage")
    return [told.result.get(name) for name in names]


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Told:
    async def converse() -> Told:
        plain = await nats.connect(stage.nats_url)
        async with Client(stage.nats_url) as client:
            told = await conversation(stage, plain, client)
        await plain.close()
        return told

    return asyncio.run(converse())


@pytest.fixture
def world(stage: Stage, plain: PlainClient, client: Client, undisturbed: Told) -> World:
    return World(stage, plain, client, undisturbed)


def test_undisturbed_it_comes_to_its_answer(undisturbed: Told) -> None:
    it_is_as_if_nothing_had_happened(undisturbed, undisturbed)
    assert undisturbed.result["output"] == ANSWER
    assert undisturbed.attempts.total() == MODEL_CALLS + TOOL_CALLS


def chosen() -> list[int]:
    return sorted(random.Random(KILLED).sample(range(1, FEWEST_WRITES), CHOSEN))  # noqa: S311


@pytest.mark.parametrize(
    ("when", "write"),
    [("after" if number % 2 else "before", write) for number, write in enumerate(chosen())],
)
async def test_killing_the_agent_runner_at_a_write_changes_nothing_but_the_time(
    world: World, when: str, write: int
) -> None:
    assert await killed_at(world, when, write)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_killing_the_agent_runner_at_every_write_changes_nothing_but_the_time(
    world: World, when: str
) -> None:
    write = missed = 0
    while missed < IN_A_ROW:
        write += 1
        missed = 0 if await killed_at(world, when, write) else missed + 1
    assert write >= FEWEST_WRITES, "the search ended before it had begun"
