"""The main job, seen by a plain NATS client: a request event in, audit events out, whatever dies in between."""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client

from towpath_schemas import identity
from towpath_testkit.stage import PARTS, Stage
from towpath_testkit.trail import Trail

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

RUNS = 4
LEGS = 4
ACTS_OF_A_RUN = 2 + LEGS * (2 + 1 + 2 + 2 + 2 + 2 + 2)
"""start and end; per leg: two clock readings, step, toll, two model calls, stamp, milestone (intended and settled)."""


@dataclass(frozen=True)
class World:
    """The outside world that the runs change."""

    folder: Path

    @property
    def effects(self) -> set[str]:
        return {file.name for file in (self.folder / "effects").iterdir()}

    def attempts(self, runs: set[str]) -> Counter[str]:
        """Count how often each effect of the runs was tried."""
        lines = (line.split(" ", 1)[0] for line in (self.folder / "attempts").read_text().splitlines())
        wanted = {key for run in runs for key in expected_effects(run)}
        return Counter(key for key in lines if key in wanted)


@pytest.fixture
def world(stage: Stage) -> World:
    return World(stage.directory / "world")


@pytest.fixture
def tenant() -> str:
    return f"t{uuid4().hex[:8]}"


def expected_effects(run: str) -> Iterator[str]:
    """Name the effects of one run: of each leg a note, a toll and a stamp."""
    for leg in range(LEGS):
        yield f"{run}-note-{leg}"
        yield identity.call_id(run, f"task:toll#{leg}")
        yield identity.call_id(run, f"agent:clerk#{leg}/tool:stamp#0")


def expected_legs() -> list[Any]:
    return [[f"note {leg}", f"toll {leg}", f"done: stamp {leg}", True] for leg in range(LEGS)]


async def request(client: Client, tenant: str, runs: int = RUNS) -> set[str]:
    """Publish request events as any program can; tell which runs they will be."""
    for number in range(runs):
        body = {"input": {"road": tenant}, "idempotency_key": str(number)}
        await client.jetstream().publish(f"requests.v1.{tenant}.start.journey", json.dumps(body).encode())
    return {identity.run_id(tenant, "journey", str(number)) for number in range(runs)}


async def ends(client: Client, runs: set[str]) -> list[dict[str, Any]]:
    """Read the last entry of each journal."""
    stream = client.jetstream()
    return [
        json.loads((await stream.get_last_msg("JOURNAL", f"journal.v1.{run}.>")).data or b"") for run in runs
    ]


async def milestones(client: Client, tenant: str) -> list[str]:
    """Read the entity's state from its log: the truth, whatever Redis says."""
    last = await client.jetstream().get_last_msg("JOURNAL", f"entity-log.v1.{tenant}.Milestones.{tenant}.*")
    return json.loads(last.data or b"")["values"]["legs"]


async def test_a_request_by_a_plain_client_becomes_a_run_and_its_audit_trail(
    stage: Stage, plain: Client, world: World, tenant: str
) -> None:
    trail = Trail(tenant)
    await trail.follow(plain)

    (run,) = await request(plain, tenant, runs=1)
    await trail.until(lambda: run in trail.ended)

    assert trail.ended[run] == "completed"
    assert len(trail.events[run]) == ACTS_OF_A_RUN
    assert world.attempts({run}) == Counter(dict.fromkeys(expected_effects(run), 1))
    clerk = [event for event in trail.events[run] if event.get("agent") == "clerk"]
    assert {event["kind"] for event in clerk} == {"model", "tool"}
    assert all(event["attribution"]["tenant"] == tenant for event in trail.events[run])


@pytest.mark.parametrize("part", PARTS)
async def test_killing_any_part_at_any_moment_changes_nothing_but_the_time(
    stage: Stage, plain: Client, world: World, tenant: str, part: str
) -> None:
    await kill_at_a_moment(stage, plain, world, tenant, part=part, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 23), ids=lambda seed: f"seed-{seed}")
@pytest.mark.parametrize("part", PARTS)
async def test_killing_any_part_at_very_many_moments_changes_nothing_either(  # noqa: PLR0917 - fixtures
    stage: Stage, plain: Client, world: World, tenant: str, part: str, seed: int
) -> None:
    await kill_at_a_moment(stage, plain, world, tenant, part=part, seed=seed)


async def kill_at_a_moment(
    stage: Stage, plain: Client, world: World, tenant: str, *, part: str, seed: int
) -> None:
    """Let runs begin, kill a part at the moment that the seed says, and see everything through."""
    trail = Trail(tenant)
    await trail.follow(plain)
    moment = random.Random(f"{part}-{seed}").randrange(RUNS * ACTS_OF_A_RUN * 3 // 4)  # noqa: S311

    runs = await request(plain, tenant)
    await trail.until(lambda: trail.told >= moment)
    await stage.kill(part)
    await stage.start(part)
    await trail.until(lambda: runs <= set(trail.ended))

    await it_is_as_if_nothing_had_happened(plain, world, trail, tenant, runs)


async def test_an_emptied_redis_loses_nothing(stage: Stage, plain: Client, world: World, tenant: str) -> None:
    trail = Trail(tenant)
    await trail.follow(plain)

    runs = await request(plain, tenant)
    await trail.until(lambda: trail.told >= ACTS_OF_A_RUN)
    await stage.empty_redis()
    await trail.until(lambda: runs <= set(trail.ended))

    await it_is_as_if_nothing_had_happened(plain, world, trail, tenant, runs)


async def it_is_as_if_nothing_had_happened(
    plain: Client, world: World, trail: Trail, tenant: str, runs: set[str]
) -> None:
    finished = await ends(plain, runs)
    assert [entry.get("end") for entry in finished] == ["completed"] * RUNS, finished
    assert [entry["result"]["legs"] for entry in finished] == [expected_legs()] * RUNS
    effects = {key for run in runs for key in expected_effects(run)}
    assert effects <= world.effects
    attempts = world.attempts(runs)
    assert set(attempts) == effects
    assert attempts.total() - len(effects) <= RUNS, (
        "only what was under way at the kill may have been tried again"
    )
    legs = await milestones(plain, tenant)
    assert sorted(legs) == sorted(f"{run}-{leg}" for run in runs for leg in range(LEGS))
    await every_record_was_told_once(plain, trail, runs)


async def every_record_was_told_once(plain: Client, trail: Trail, runs: set[str]) -> None:
    for run in runs:
        told = [event["source_sequence"] for event in trail.events[run]]
        assert told == sorted(set(told))
        recorded = await plain.jetstream().stream_info("JOURNAL", subjects_filter=f"journal.v1.{run}.>")
        assert len(told) == len(recorded.state.subjects or {})
