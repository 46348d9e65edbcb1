"""Whatever a workflow does and wherever it is cut off: replayed from what is written, it comes to the same end."""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings, strategies as st

from towpath.components import Registry
from towpath.context import Context, running_in
from towpath.errors import ComponentError
from towpath.retry import RetryPolicy
from towpath.runtime import live_run
from towpath.runtime.durable_context import DurableContext
from towpath.runtime.live_run import LiveRun
from towpath.runtime.replay import History
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Stored
from towpath_schemas.calls import CallRequested
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    JournalRecord,
    RunFinished,
    StepSettled,
    ValueDrawn,
    read_record,
)
from towpath_testkit.builders import answered
from towpath_testkit.journals import AT, run_started


@pytest.fixture(autouse=True, scope="module")
def soon_diverged() -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_run, "_DIVERGED_AFTER_S", 0.1)
        yield


# --- Programs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """A step that does `inside` on the context, and fails if it is told to."""

    name: str
    inside: "tuple[Act, ...]" = ()
    fails: bool = False


@dataclass(frozen=True)
class Task:
    name: str
    fails: bool = False


@dataclass(frozen=True)
class Draw:
    source: str


@dataclass(frozen=True)
class Scope:
    inside: "tuple[Act, ...]"


@dataclass(frozen=True)
class Together:
    """Branches at the same time, each in a scope of its own."""

    branches: "tuple[tuple[Act, ...], ...]"


@dataclass(frozen=True)
class Burst:
    """Calls that begin at the same time, without a scope."""

    names: tuple[str, ...]


Act = Step | Task | Draw | Scope | Together | Burst

NAMES = st.sampled_from(["a", "b", "c/d"])
LEAVES: st.SearchStrategy[Act] = st.one_of(
    st.builds(Step, NAMES, fails=st.booleans()),
    st.builds(Task, NAMES, fails=st.booleans()),
    st.builds(Draw, st.sampled_from(["now", "uuid", "random"])),
    st.builds(Burst, st.lists(NAMES, min_size=2, max_size=3).map(tuple)),
)


def nested(acts: st.SearchStrategy[Act]) -> st.SearchStrategy[Act]:
    several = st.lists(acts, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Step, NAMES, several),
        st.builds(Scope, several),
        st.builds(Together, st.lists(several, min_size=2, max_size=3).map(tuple)),
    )


PROGRAMS = st.lists(st.recursive(LEAVES, nested, max_leaves=8), max_size=5).map(tuple)


async def play(ctx: Context, program: tuple[Act, ...]) -> list[Any]:
    return [await _play(ctx, act) for act in program]


async def _play(ctx: Context, act: Act) -> Any:
    match act:
        case Step(name):
            return await _caught(ctx.step(name, lambda: _inside(ctx, act), retry=RetryPolicy(max_attempts=1)))
        case Task(name, fails):
            return await _caught(ctx.task("hello", name, {"fails": fails}))
        case Draw(source):
            drawn = {"now": ctx.now, "uuid": ctx.uuid, "random": ctx.random}[source]()
            return {"drawn": str(drawn)}
        case Scope(inside):
            with ctx.scope("scope"):
                return await play(ctx, inside)
        case Together(branches):
            return list(await asyncio.gather(*(_branch(ctx, branch) for branch in branches)))
        case Burst(names):
            return list(await asyncio.gather(*(ctx.task("hello", name, {"fails": False}) for name in names)))


async def _branch(ctx: Context, branch: tuple[Act, ...]) -> list[Any]:
    with ctx.scope("branch"):
        return await play(ctx, branch)


async def _inside(ctx: Context, act: Step) -> list[Any]:
    done = await play(ctx, act.inside)
    if act.fails:
        raise ValueError(f"{act.name} fails")
    return done


async def _caught(work: Any) -> Any:
    try:
        return await work
    except ComponentError as error:
        return {"error": str(error)}


# --- The world, without a broker ----------------------------------------------------------------------


@dataclass
class Entries:
    """The journal as the broker would keep it: written once, in the order of arrival."""

    latency: Callable[[], int]
    stored: list[tuple[int, JournalRecord]] = field(default_factory=list[tuple[int, JournalRecord]])

    async def append(self, number: int, body: bytes) -> None:
        assert number not in {taken for taken, _ in self.stored}, "an entry is written once"
        await pause(self.latency())
        self.stored.append((number, read_record(body)))
        await pause(self.latency())


class ToolRunner:
    """Answers calls after a while, in whatever order; knows a call that it has seen, as the broker does."""

    def __init__(self, latency: Callable[[], int]) -> None:
        self._latency = latency
        self._seen: set[str] = set()
        self._answering: set[asyncio.Task[Any]] = set()
        self.run: LiveRun | None = None

    async def publish(
        self, _subject: str, body: bytes, *, headers: dict[str, str] | None, message_id: str
    ) -> Stored:
        if message_id not in self._seen:
            self._seen.add(message_id)
            task = asyncio.create_task(self._answer(CallRequested.from_body(body)))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        await pause(self._latency())
        return Stored(1)

    async def _answer(self, call: CallRequested) -> None:
        await pause(self._latency())
        assert self.run is not None
        said = {"of": call.key, **call.arguments}
        await self.run.take(answered(call.key, said, run_id=call.run_id))


async def pause(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def execute(
    program: tuple[Act, ...], past: list[tuple[int, JournalRecord]], latency: Callable[[], int]
) -> tuple[list[Any], list[tuple[int, JournalRecord]]]:
    """Run a program on what is written; return its result and all that is written then, but for its end."""
    entries, tools = Entries(latency, [*past]), ToolRunner(latency)
    history = History(past)
    assert history.started is not None
    run = tools.run = LiveRun(cast("JetStream", tools), "run-1", history.started, history, entries)
    context = DurableContext(run, Registry())
    with running_in(context):
        result = await asyncio.wait_for(play(context, program), 5)
    assert not history.replaying
    await run.append(RunFinished(at=AT, end="completed"))
    return result, entries.stored[:-1]


LATENCIES = st.lists(st.integers(0, 4), min_size=1, max_size=12)


def cycled(numbers: list[int]) -> Callable[[], int]:
    """Return the numbers one by one, again and again."""
    place = Counter[str]()

    def take() -> int:
        place["next"] += 1
        return numbers[place["next"] % len(numbers)]

    return take


def settled_keys(records: list[tuple[int, JournalRecord]]) -> list[str]:
    return [record.key for _, record in records if isinstance(record, StepSettled | CallSettled | ValueDrawn)]


def without_draws(result: Any) -> Any:
    """Replace what chance said by its place, so that results can be compared."""
    match result:
        case {"drawn": _}:
            return "drawn"
        case list():
            return [without_draws(one) for one in cast("list[Any]", result)]
        case _:
            return result


@settings(max_examples=150, deadline=None)
@given(PROGRAMS, LATENCIES, LATENCIES, st.data())
def test_any_prefix_of_any_journal_leads_to_the_same_end(
    program: tuple[Act, ...], first: list[int], again: list[int], data: st.DataObject
) -> None:
    begin: list[tuple[int, JournalRecord]] = [(0, run_started())]
    result, written = asyncio.run(execute(program, begin, cycled(first)))
    cut = data.draw(st.integers(1, len(written)), label="cut")

    replayed, after = asyncio.run(execute(program, written[:cut], cycled(again)))

    assert without_draws(replayed) == without_draws(result)
    assert after[:cut] == written[:cut]
    keys = settled_keys(after)
    assert len(keys) == len(set(keys)), "no act is settled twice"
    intents = [record.key for _, record in after if isinstance(record, CallIntended)]
    assert len(intents) == len(set(intents))


@settings(max_examples=100, deadline=None)
@given(PROGRAMS, LATENCIES, LATENCIES)
def test_a_whole_journal_is_replayed_to_the_very_same_result_and_writes_nothing(
    program: tuple[Act, ...], first: list[int], again: list[int]
) -> None:
    result, written = asyncio.run(execute(program, [(0, run_started())], cycled(first)))

    replayed, after = asyncio.run(execute(program, written, cycled(again)))

    assert replayed == result
    assert after == written
