"""Every service is killed before and after each of its writes to the broker, and nothing but the time changes.

The run is a voyage of forty acts of every kind, a step that fails, a timer, a signal and an approval among them. In
the suite, some of the writes are chosen by a seed; `just soak` takes every one.
"""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client

from towpath_cli.embedded.processes import ServerStartError
from towpath_schemas import identity
from towpath_schemas.approvals import approval_id
from towpath_testkit.settled import until_so
from towpath_testkit.stage import SERVICES, Stage
from towpath_testkit.trail import Trail

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
LEGS = 5
CHOSEN = {"agent-runner": 4, "tool-runner": 2, "router": 2, "entity-store": 2, "audit-sink": 2}
"""How many writes of each service are chosen in the suite."""
WRITES = {"agent-runner": 117, "tool-runner": 11, "router": 10, "entity-store": 7, "audit-sink": 63}
"""About how many writes each service makes for one voyage; those beyond are never reached, and end the search."""
FEWEST_WRITES = {"agent-runner": 90, "tool-runner": 10, "router": 4, "entity-store": 4, "audit-sink": 20}
KILLED = [role for role in SERVICES if role in WRITES]


@pytest.fixture(scope="module")
def stage(doomed_stage: Callable[..., Stage]) -> Stage:
    return doomed_stage(HERE / "voyage.py", roles=KILLED)


@dataclass(frozen=True)
class Voyage:
    """One run, from the outside."""

    stage: Stage
    client: Client
    trail: Trail
    run: str

    @classmethod
    async def begin(cls, stage: Stage, client: Client) -> "Voyage":
        tenant = f"t{uuid4().hex[:8]}"
        trail = Trail(tenant)
        await trail.follow(client)
        body = {"input": {"road": tenant}, "idempotency_key": "1"}
        await client.jetstream().publish(f"requests.v1.{tenant}.start.voyage", json.dumps(body).encode())
        return cls(stage, client, trail, identity.run_id(tenant, "voyage", "1"))

    async def ask(self, verb: str, target: str, body: dict[str, Any]) -> None:
        subject = f"requests.v1.{self.trail.tenant}.{verb}.{target}"
        await self.client.jetstream().publish(subject, json.dumps(body).encode())

    async def through(self, role: str) -> None:
        """See the voyage through, starting again what dies."""
        watching = asyncio.create_task(self._watch(role))
        await self.trail.until(lambda: bool(self.trail.events[self.run]))  # a signal is for a run that exists
        await self.ask("signal", self.run, {"name": "cargo", "payload": "tea", "signal_id": "only-one"})
        approval = await self._approval()
        decision = {"decision": "approved", "attribution": {"user_id": "ada", "user_role": "harbour"}}
        await self.ask("decide", approval, decision)
        await self.trail.until(lambda: self.run in self.trail.ended)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    async def _approval(self) -> str:
        """Wait until an approval is asked for, and return its id: the run, and the place in its journal."""
        await self.trail.until(lambda: bool(self._of_approval()))
        sequence = self._of_approval()[0]["source_sequence"]
        intended = await self.client.jetstream().get_msg("JOURNAL", sequence)
        return approval_id(self.run, int((intended.subject or "").rpartition(".")[2]))

    def _of_approval(self) -> list[dict[str, Any]]:
        return [event for event in self.trail.events[self.run] if event["kind"] == "approval"]

    async def _watch(self, role: str) -> None:
        await until_so(lambda: not self.stage.platform.services[role].running, deadline_s=120)
        await self.stage.platform.restart(role)

    async def it_is_as_if_nothing_had_happened(self) -> None:
        last = await self.client.jetstream().get_last_msg("JOURNAL", f"journal.v1.{self.run}.>")
        finished = json.loads(last.data or b"")
        legs = [[f"note {leg}", f"toll {leg}", f"done: stamp {leg}"] for leg in range(LEGS)]
        landed = ["approved", "ada"]
        result = {"legs": legs, "searched": "search 3", "cargo": "tea", "landed": landed}
        assert finished["result"] == result
        effects = set(expected_effects(self.run))
        world = self.stage.directory / "world"
        assert effects <= {file.name for file in (world / "effects").iterdir()}
        tried = (line.split(" ", 1)[0] for line in (world / "attempts").read_text().splitlines())
        attempts = Counter(key for key in tried if key in effects)
        assert attempts.total() - len(effects) <= 1, "only the act under way may have been tried again"
        told = [event["source_sequence"] for event in self.trail.events[self.run]]
        assert told == sorted(set(told))


def expected_effects(run: str) -> list[str]:
    searches = [f"{run}-search-{attempt}" for attempt in (1, 2, 3)]
    return searches + [
        key
        for leg in range(LEGS)
        for key in (
            f"{run}-note-{leg}",
            identity.call_id(run, f"task:toll#{leg}"),
            identity.call_id(run, f"agent:clerk#{leg}/tool:stamp#0"),
        )
    ]


async def killed_at(stage: Stage, plain: Client, role: str, when: str, write: int) -> bool:
    """Kill a service at one of its writes of a voyage, and tell whether it came to that."""
    order = stage.directory / "doom" / role
    order.write_text(f"{when} {write}")
    voyage = await Voyage.begin(stage, plain)
    await voyage.through(role)
    died = not order.exists()  # it may have come to that only behind the voyage's end
    order.unlink(missing_ok=True)
    with suppress(ServerStartError):  # it dies in this very moment
        await stage.start(role)
    await stage.start(role)
    await voyage.it_is_as_if_nothing_had_happened()
    return died


def chosen(role: str) -> list[int]:
    return sorted(random.Random(role).sample(range(1, WRITES[role]), CHOSEN[role]))  # noqa: S311


@pytest.mark.parametrize(
    ("role", "when", "write"),
    [
        (role, "after" if number % 2 else "before", write)
        for role in KILLED
        for number, write in enumerate(chosen(role))
    ],
)
async def test_killing_a_service_at_a_write_changes_nothing_but_the_time(
    stage: Stage, plain: Client, role: str, when: str, write: int
) -> None:
    await killed_at(stage, plain, role, when, write)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("role", KILLED)
async def test_killing_a_service_at_every_write_changes_nothing_but_the_time(
    stage: Stage, plain: Client, role: str, when: str
) -> None:
    write = 1
    while await killed_at(stage, plain, role, when, write):
        write += 1
    assert write >= FEWEST_WRITES[role], "the search ended before it had begun"
