"""A crash of a runner, at any moment of a flow, changes neither what is done nor the result."""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from towpath.components import REGISTRY
from towpath.engine.alarms import alarm
from towpath.engine.execution import execute
from towpath.workflows import (
    FlowDefinition,
    WorkflowStep,
    register_workflow,
    task_step,
    wait_signal_step,
    wait_timer_step,
)
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, SignalSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, JournalRecord, RunFinished
from towpath_testkit.builders import answered
from towpath_testkit.held import Notebook, Outbox, held

ADA = Attribution(tenant="acme", user_id="ada")
TWO_AM = datetime(2025, 3, 1, 2, tzinfo=UTC)
FAILED = Failure(code="user_error", message="no paper")


def task(name: str, *dependencies: str, **said: Any) -> WorkflowStep:
    return task_step(
        name, service_name="printing", handler_name=f"do_{name}", dependencies=list(dependencies), **said
    )


def signal(name: str) -> SignalSent:
    return SignalSent(
        signal_id=f"sent-{name}", run_id="run-1", name=name, payload=f"{name}!", attribution=ADA
    )


RICH = (
    task("fetch_a", input_data={"size": 1}),
    task("fetch_b"),
    task("merge", "fetch_a", "fetch_b"),
    wait_timer_step("window", timer_key="k", delay_ms=3_600_000, dependencies=["fetch_a"]),
    wait_signal_step(
        "ask", signal_name="yes", dependencies=["merge"], timeout_ms=60_000, on_timeout="escalate"
    ),
    task("escalate", "merge"),
    wait_signal_step("ask_again", signal_name="really", dependencies=["escalate"], timeout_ms=60_000),
    task("print", "ask", "ask_again", "window"),
    task("log", "fetch_b"),
)


class World(Outbox):
    """Answers everything by itself, in an order that chance decides; the signals `missing` never come."""

    def __init__(self, seed: int, missing: frozenset[str] = frozenset(), failing: str = "") -> None:
        super().__init__()
        self._failing = failing
        self._chance = Random(seed)  # noqa: S311 - repeatable, not secret
        self._missing = missing
        self._acts: set[asyncio.Task[None]] = set()

    async def send(self, intent: CallIntended) -> Answered | None:
        self.sent.append(intent)
        self._acts.add(asyncio.create_task(self._act(intent)))
        return None

    async def _act(self, intent: CallIntended) -> None:
        assert self.run is not None
        for _ in range(self._chance.randrange(100)):
            await asyncio.sleep(0)
        if intent.act == "timer" or intent.target in self._missing:
            await self.run.take(alarm("run-1", intent))
        elif intent.act == "signal":
            await self.run.take(signal(intent.target))
        else:
            failure = FAILED if intent.target == self._failing else None
            await self.run.take(answered(intent.key, f"{intent.target}!", failure=failure))

    def stop(self) -> None:
        for act in self._acts:
            act.cancel()


async def lived(world: World, *past: JournalRecord) -> tuple[RunFinished, list[JournalRecord]]:
    """Run the flow from what was journaled to its end; return it with all that is journaled then."""
    notebook = Notebook()
    hosted = held(*past, entries=notebook, outbox=world, clock=TWO_AM.timestamp)
    try:
        return await asyncio.wait_for(execute(hosted, REGISTRY), 10), [*past, *notebook.records]
    finally:
        world.stop()


def begun(records: list[JournalRecord]) -> list[str]:
    return [one.key for one in records if isinstance(one, CallIntended)]


def known(records: list[JournalRecord]) -> dict[str, Any]:
    return {one.key: one.input for one in records if isinstance(one, CallIntended)}


@pytest.mark.parametrize("missing", [frozenset[str](), frozenset({"yes"})], ids=["in time", "in vain"])
@pytest.mark.parametrize("seed", range(5))
async def test_a_crash_at_any_moment_changes_neither_what_is_done_nor_the_result(
    seed: int, missing: frozenset[str]
) -> None:
    register_workflow("greet", FlowDefinition(RICH))
    undisturbed, journal = await lived(World(seed, missing))
    assert undisturbed.end == "completed"
    assert ("escalate" in undisturbed.result) == bool(missing)

    for moment in range(len(journal) + 1):
        ended, records = await lived(World(seed + moment, missing), *journal[:moment])

        assert ended.result == undisturbed.result
        assert known(records) == known(journal)
        assert len(begun(records)) == len(set(begun(records)))


@pytest.mark.parametrize("seed", range(5))
async def test_a_crash_around_a_failure_changes_nothing_about_it(seed: int) -> None:
    register_workflow("greet", FlowDefinition(RICH))
    undisturbed, journal = await lived(World(seed, failing="do_merge"))
    assert undisturbed.failure == Failure(code="user_error", message="step 'merge' failed: no paper")

    for moment in range(len(journal) + 1):
        ended, records = await lived(World(seed + moment, failing="do_merge"), *journal[:moment])

        assert ended.failure == undisturbed.failure
        assert len(begun(records)) == len(set(begun(records)))
