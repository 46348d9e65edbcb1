"""Flows on the real services: runners crash, signals and timeouts come through the broker, object keys are held."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from towpath import (
    FlowDefinition,
    WorkflowStep,
    function,
    register_workflow,
    task_step,
    wait_signal_step,
    wait_timer_step,
)
from towpath_chassis.service import running
from towpath_entity_store.app import app as entity_store_app
from towpath_entity_store.settings import Settings as EntityStoreSettings
from towpath_schemas import subjects
from towpath_schemas.journal import CallIntended, JournalRecord, RunResumed
from towpath_schemas.requests import ControlRequested, SignalRequested
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform, platform
from towpath_testkit.servers import servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

executed: list[str] = []


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    executed.clear()


def task(name: str, *dependencies: str, **said: Any) -> WorkflowStep:
    known: dict[str, Any] = {
        "service_name": SERVICE,
        "handler_name": name,
        "dependencies": list(dependencies),
    }
    return task_step(name, **{**known, **said})


def handler(name: str) -> None:
    @function(name)
    def handle(deps: dict[str, Any]) -> str:
        executed.append(name)
        return f"{name} after {sorted(deps)}"


def register_approval(timeout_ms: int) -> None:
    for name in ("submit", "notify", "escalate", "publish"):
        handler(name)
    flow = FlowDefinition(
        [
            task("submit"),
            task("notify", "submit"),
            wait_signal_step(
                "approval",
                signal_name="approved",
                dependencies=["notify"],
                timeout_ms=timeout_ms,
                on_timeout="escalate",
            ),
            task("escalate"),
            wait_timer_step("pause", timer_key="pause", delay_ms=1_100, dependencies=["escalate"]),
            wait_signal_step("second_approval", signal_name="approved_above", dependencies=["pause"]),
            task("publish", "approval", "second_approval"),
        ]
    )
    register_workflow("approval", flow)


async def send_signal(towpath: Platform, run_id: str, name: str, payload: Any) -> None:
    request = SignalRequested(name=name, payload=payload)
    await towpath.js.publish(subjects.request(TENANT, "signal", run_id), request.to_body())


async def begun(towpath: Platform, run_id: str, target: str) -> None:
    """Wait until the run has asked something of `target`."""
    await until(
        lambda: towpath.journal(run_id),
        lambda records: any(isinstance(one, CallIntended) and one.target == target for one in records),
    )


async def test_a_flow_goes_on_where_it_was_when_its_runner_crashes(towpath: Platform) -> None:
    register_approval(timeout_ms=3_600_000)
    await asyncio.gather(towpath.router(lost_after_s=1.5), towpath.tool_runner())
    first = await towpath.agent_runner()
    run_id = await towpath.start("approval")
    await begun(towpath, run_id, "approved")

    await first.crash()
    await send_signal(towpath, run_id, "approved", {"by": "ada"})
    await towpath.agent_runner()
    finished = await towpath.finished(run_id)

    assert finished.result == {
        "submit": "submit after []",
        "notify": "notify after ['submit']",
        "approval": {"by": "ada"},
        "publish": "publish after ['approval']",
    }
    assert executed == ["submit", "notify", "publish"]
    assert any(isinstance(record, RunResumed) for record in await towpath.journal(run_id))


async def test_a_flow_that_sleeps_is_woken_by_its_timeout_its_timer_and_its_signal(towpath: Platform) -> None:
    register_approval(timeout_ms=1_100)
    await towpath.all(suspend_after_s=0.1)

    run_id = await towpath.start("approval")
    await begun(towpath, run_id, "approved_above")
    await send_signal(towpath, run_id, "approved_above", "yes")
    finished = await towpath.finished(run_id)

    assert finished.result == {
        "submit": "submit after []",
        "notify": "notify after ['submit']",
        "escalate": "escalate after []",
        "pause": None,
        "second_approval": "yes",
        "publish": "publish after ['second_approval']",
    }
    assert executed == ["submit", "notify", "escalate", "publish"]


@asynccontextmanager
async def with_entities() -> AsyncGenerator[Platform]:
    """Start the platform with an entity store."""
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(servers())
        hosting = await stack.enter_async_context(platform(started.nats.url))
        settings = EntityStoreSettings(
            nats_url=started.nats.url, redis_url=started.redis.url, health_port=0, drain_s=0.2
        )
        await stack.enter_async_context(running("entity-store", settings, entity_store_app))
        yield hosting


async def test_runs_that_want_the_same_object_work_on_it_one_after_the_other() -> None:
    at_work: list[str] = []
    most = 0

    @function
    async def update(input: str) -> str:  # noqa: A002
        nonlocal most
        at_work.append(input)
        most = max(most, len(at_work))
        await asyncio.sleep(0.02)
        at_work.remove(input)
        executed.append(input)
        return input

    register_workflow("change", FlowDefinition([task("update", object_keys=["user:123", "cart:456"])]))
    async with with_entities() as towpath:
        await towpath.all()

        finished = await asyncio.gather(*(towpath.run("change", f"r{number}") for number in range(8)))

    assert [one.result for one in finished] == [{"update": f"r{number}"} for number in range(8)]
    assert sorted(executed) == [f"r{number}" for number in range(8)]
    assert most == 1


async def test_an_object_that_a_terminated_run_held_or_waited_for_is_free_for_the_next() -> None:
    begun = asyncio.Queue[str]()
    hold = asyncio.Event()

    @function
    async def update(input: str) -> str:  # noqa: A002
        begun.put_nowait(input)
        await hold.wait()
        return input

    register_workflow("change", FlowDefinition([task("update", object_keys=["user:123"])]))
    async with with_entities() as towpath:
        await towpath.all()
        runs: list[str] = []
        for number in range(4):
            runs.append(await towpath.start("change", f"r{number}", key=str(number)))
            if number == 0:
                assert await begun.get() == "r0"
            else:
                await until(partial(towpath.journal, runs[-1]), waits_for_its_turn)

        await ask(towpath.js, "terminate", runs[1], ControlRequested())
        await ask(towpath.js, "terminate", runs[0], ControlRequested())
        async with asyncio.timeout(15):
            assert await begun.get() == "r2"
        await ask(towpath.js, "terminate", runs[2], ControlRequested())
        async with asyncio.timeout(15):
            assert await begun.get() == "r3"
        hold.set()

        assert (await towpath.finished(runs[3])).result == {"update": "r3"}


def waits_for_its_turn(records: list[JournalRecord]) -> bool:
    return any(isinstance(record, CallIntended) and record.act == "signal" for record in records)
