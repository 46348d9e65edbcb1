"""Object keys: what two steps work on is worked on by one of them at a time, in whichever runs they are."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from towpath import function
from towpath.components import REGISTRY, ComponentType, Registry
from towpath.context import Context
from towpath.engine.execution import execute
from towpath.engine.history import History
from towpath.engine.live_run import LiveRun
from towpath.errors import StepFailedError
from towpath.local import EntityStore, LocalContext, run
from towpath.local.surroundings import Surroundings
from towpath.workflows import FlowDefinition, WorkflowStep, register_workflow, task_step
from towpath_router.forking import past
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, ControlSent, SignalSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, JournalRecord, RunFinished
from towpath_testkit.builders import answered
from towpath_testkit.held import Notebook, Outbox
from towpath_testkit.journals import run_started


def task(name: str, *keys: str) -> WorkflowStep:
    return task_step(name, service_name="s", handler_name=name, object_keys=list(keys))


class Cluster:
    """Runs on the engine beside each other, with entities that are real; the test answers their calls."""

    def __init__(self) -> None:
        self.journals: dict[str, Notebook] = {}
        self._runs: dict[str, LiveRun] = {}
        self._endings: dict[str, asyncio.Task[RunFinished]] = {}
        self._entities = EntityStore()

    def start(self, name: str, *past: JournalRecord, tenant: str = "acme") -> None:
        started = run_started(name, tenant=tenant)
        outbox = ClusterOutbox(self)
        notebook = self.journals[name] = Notebook()
        live = LiveRun(
            name,
            started,
            History(enumerate([started, *past])),
            entries=notebook,
            outbox=outbox,
            clock=lambda: 0.0,
        )
        outbox.run = self._runs[name] = live
        self._endings[name] = asyncio.create_task(execute(live, REGISTRY))

    def crash(self, name: str) -> None:
        """Let a run go, and take it up again from its journal."""
        self._runs[name].let_go.set()
        self._endings[name].cancel()
        self.start(name, *self.journals[name].records)

    async def working(self) -> list[str]:
        """List the steps whose handlers work now, as `run.handler`."""
        for _ in range(400):
            await asyncio.sleep(0)
        return [
            f"{name}.{one.target}"
            for name, run in self._runs.items()
            for one in run.history.unsettled("task")
        ]

    async def answer(self, name: str, handler: str, failure: Failure | None = None) -> None:
        live = self._runs[name]
        intent = next(one for one in live.history.unsettled("task") if one.target == handler)
        await live.take(answered(intent.key, run_id=name, failure=failure))

    async def cancel(self, name: str) -> None:
        wish = ControlSent(
            event_id="c", run_id=name, control="cancel", attribution=Attribution(tenant="acme")
        )
        await self._runs[name].take(wish)

    async def ended(self, name: str) -> str:
        return (await asyncio.wait_for(self._endings[name], 5)).end

    async def invoke(self, name: str, intent: CallIntended) -> None:
        live = self._runs[name]
        around = Surroundings(entities=self._entities)
        context = LocalContext(run_id=name, attribution=live.started.attribution, surroundings=around)
        entity_type, _, method = intent.target.rpartition(".")
        handle = context.entity(entity_type, intent.input["key"])
        result = await getattr(handle, method)(**intent.input["arguments"])
        await live.take(answered(intent.key, result, run_id=name))

    async def tell(self, run_id: str, signal_id: str, name: str) -> None:
        said = SignalSent(
            signal_id=signal_id, run_id=run_id, name=name, attribution=Attribution(tenant="acme")
        )
        await self._runs[run_id].take(said)

    def lines(self) -> list[Any]:
        return [self._entities.committed(place) for place in list(self._entities._committed)]

    def stop(self) -> None:
        for ending in self._endings.values():
            ending.cancel()


class ClusterOutbox(Outbox):
    """Brings what one run says to the others."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self._said: set[asyncio.Task[None]] = set()

    async def send(self, intent: CallIntended) -> Answered | None:
        assert self.run is not None
        if intent.act == "entity":
            self._said.add(asyncio.create_task(self._cluster.invoke(self.run.run_id, intent)))
        return None

    async def emit(self, signal_id: str, name: str, payload: Any, run_id: str | None) -> None:
        assert run_id is not None
        await self._cluster.tell(run_id, signal_id, name)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.stop()


def flows(**steps: list[WorkflowStep]) -> None:
    for name, those in steps.items():
        register_workflow(name, FlowDefinition(those))


async def test_a_key_lets_one_in_after_the_other_in_order_of_arrival(cluster: Cluster) -> None:
    flows(
        a=[task("work", "cart:1")],
        b=[task("work", "cart:1")],
        c=[task("work", "cart:1")],
        d=[task("work", "cart:2")],
    )
    for name in "abcd":
        cluster.start(name)
        await cluster.working()

    assert await cluster.working() == ["a.work", "d.work"]
    await cluster.answer("a", "work")
    assert await cluster.working() == ["b.work", "d.work"]
    await cluster.answer("b", "work")
    assert await cluster.working() == ["c.work", "d.work"]
    await cluster.answer("c", "work")
    await cluster.answer("d", "work")

    assert [await cluster.ended(name) for name in "abcd"] == ["completed"] * 4
    assert cluster.lines() == [{}, {}]


async def test_keys_are_taken_in_one_order_so_that_nobody_waits_in_a_circle(cluster: Cluster) -> None:
    flows(a=[task("work", "y", "x", "y")], b=[task("work", "x", "y")])
    for name in "ab":
        cluster.start(name)

    (first,) = await cluster.working()
    await cluster.answer(first[0], "work")
    (second,) = await cluster.working()
    await cluster.answer(second[0], "work")

    assert {first, second} == {"a.work", "b.work"}
    assert [await cluster.ended(name) for name in "ab"] == ["completed", "completed"]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_key_is_given_back_however_its_step_ends(cluster: Cluster, end: str) -> None:
    flows(a=[task("work", "x")], b=[task("work", "x")])
    for name in "ab":
        cluster.start(name)
        await cluster.working()

    if end == "cancelled":
        await cluster.cancel("a")
    else:
        await cluster.answer("a", "work", Failure(code="user_error", message="no"))

    assert await cluster.ended("a") == end
    assert "b.work" in await cluster.working()


async def test_who_gives_up_waiting_leaves_the_line(cluster: Cluster) -> None:
    flows(a=[task("work", "x")], b=[task("work", "x")], c=[task("work", "x")])
    for name in "abc":
        cluster.start(name)
        await cluster.working()

    await cluster.cancel("b")
    assert await cluster.ended("b") == "cancelled"
    await cluster.answer("a", "work")

    assert await cluster.working() == ["c.work"]


async def test_a_crash_neither_loses_the_place_in_the_line_nor_lets_two_in(cluster: Cluster) -> None:
    flows(a=[task("work", "x")], b=[task("work", "x")])
    for name in "ab":
        cluster.start(name)
        await cluster.working()

    cluster.crash("a")
    cluster.crash("b")
    assert await cluster.working() == ["a.work"]
    await cluster.answer("a", "work")
    assert await cluster.working() == ["b.work"]
    await cluster.answer("b", "work")

    assert [await cluster.ended(name) for name in "ab"] == ["completed", "completed"]


async def test_a_fork_of_a_run_that_works_under_a_key_waits_for_it(cluster: Cluster) -> None:
    steps = [task("work", "x"), task("before"), replace(task("after"), dependencies=["before"])]
    flows(a=steps, fork=steps)
    cluster.start("a")
    await cluster.working()
    await cluster.answer("a", "before")
    await cluster.working()

    cluster.start("fork", *past([*cluster.journals["a"].records], "~after"))

    assert await cluster.working() == ["a.work", "a.after", "fork.after"]
    await cluster.answer("a", "work")
    assert await cluster.working() == ["a.after", "fork.after", "fork.work"]


async def test_tenants_do_not_wait_for_each_other(cluster: Cluster) -> None:
    flows(a=[task("work", "x")], b=[task("work", "x")])
    cluster.start("a")
    cluster.start("b", tenant="other")

    assert await cluster.working() == ["a.work", "b.work"]


@pytest.mark.parametrize(("again", "kept"), [(False, 0), (True, 1)])
async def test_a_line_is_forgotten_when_nobody_has_stood_in_it_for_a_day(again: bool, kept: int) -> None:  # noqa: FBT001 - a parameter of the test
    now = 0.0
    entities = EntityStore(clock=lambda: now)
    line = LocalContext(surroundings=Surroundings(entities=entities)).entity("towpath.object-key", "x")
    await line.join(holder="first")
    await line.leave(holder="first")
    if again:
        await line.join(holder="second")

    now = 86_401.0

    for name in list(entities._committed):
        entities.committed(name)  # whoever looks finds out that it has expired
    assert len(entities._committed) == kept


async def test_steps_of_one_run_take_turns_also_in_a_plain_script() -> None:
    at_work: list[str] = []

    async def work(name: str) -> None:
        assert at_work == []
        at_work.append(name)
        await asyncio.sleep(0)
        at_work.remove(name)

    @function
    async def first() -> None:
        await work("first")

    @function
    async def second() -> None:
        await work("second")

    flows(both=[task("first", "x", "y"), task("second", "y")])

    assert await run("both") == {"first": None, "second": None}


async def test_a_plain_script_waits_for_no_other_run_and_says_so() -> None:
    release = asyncio.Event()

    @function
    async def work(ctx: Context) -> None:
        await release.wait()

    flows(flow=[task("work", "x")])
    around = Surroundings(entities=EntityStore())
    first = asyncio.create_task(run("flow", context=LocalContext(surroundings=around)))
    await asyncio.sleep(0.01)

    with pytest.raises(
        Exception, match=r"step 'work' failed: signal .*: a plain script waits for nobody"
    ) as raised:
        await run("flow", context=LocalContext(surroundings=around))

    release.set()
    await first
    assert isinstance(raised.value.__cause__, StepFailedError)


def test_every_registry_finds_the_entity_that_keeps_the_lines() -> None:
    found = Registry().find(ComponentType.ENTITY, "towpath.object-key")

    assert found is REGISTRY.find(ComponentType.ENTITY, "towpath.object-key")
    assert found is not None
    assert set(found.methods) == {"join", "leave"}
