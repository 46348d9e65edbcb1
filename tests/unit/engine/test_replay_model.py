"""Whatever a workflow does and wherever it is cut off: replayed from what is written, it comes to the same end."""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings, strategies as st

from towpath.components import Registry
from towpath.context import Context
from towpath.current import running_in
from towpath.engine import holding_back
from towpath.engine.alarms import alarm
from towpath.engine.durable_context import DurableContext
from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import counted
from towpath.errors import ComponentError
from towpath.retry import RetryPolicy
from towpath_schemas.calls import Answered, SignalSent
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    JournalRecord,
    RunFinished,
    SignalReceived,
    StepSettled,
    ValueDrawn,
    read_record,
)
from towpath_testkit.builders import answered
from towpath_testkit.held import Outbox, held
from towpath_testkit.journals import AT, run_started


@pytest.fixture(autouse=True, scope="module")
def soon_diverged() -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding_back, "_DIVERGED_AFTER_S", 0.1)
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


@dataclass(frozen=True)
class Free:
    """Branches at the same time, in plain tasks without a scope, that write down in which order they went on."""

    branches: "tuple[tuple[Act, ...], ...]"


@dataclass(frozen=True)
class Wait:
    """A wait for a signal, or for a moment."""

    what: str


@dataclass(frozen=True)
class Race:
    """A signal against a moment: whichever is first."""


Act = Step | Task | Draw | Scope | Together | Burst | Free | Wait | Race

NAMES = st.sampled_from(["a", "b", "c/d"])
LEAVES: st.SearchStrategy[Act] = st.one_of(
    st.builds(Step, NAMES, fails=st.booleans()),
    st.builds(Task, NAMES, fails=st.booleans()),
    st.builds(Draw, st.sampled_from(["now", "uuid", "random"])),
    st.builds(Wait, st.sampled_from(["signal", "moment"])),
    st.just(Race()),
    st.builds(Burst, st.lists(NAMES, min_size=2, max_size=3).map(tuple)),
)


def nested(acts: st.SearchStrategy[Act]) -> st.SearchStrategy[Act]:
    several = st.lists(acts, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Step, NAMES, several),
        st.builds(Scope, several),
        st.builds(Together, st.lists(several, min_size=2, max_size=3).map(tuple)),
        st.builds(Free, st.lists(several, min_size=2, max_size=3).map(tuple)),
    )


PROGRAMS = st.lists(st.recursive(LEAVES, nested, max_leaves=8), max_size=5).map(tuple)


async def play(ctx: Context, program: tuple[Act, ...]) -> list[Any]:
    return [await _play(ctx, act) for act in program]


async def _play(ctx: Context, act: Act) -> Any:  # noqa: C901, PLR0911 - one case for each kind of act
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
        case Free(branches):
            return await _free(ctx, branches)
        case Wait("signal"):
            return await ctx.signal("go")
        case Wait():
            return await ctx.sleep(60)
        case Race():
            return {"drawn": await _race(ctx)}
        case Burst(names):
            return list(await asyncio.gather(*(ctx.task("hello", name, {"fails": False}) for name in names)))


async def _free(ctx: Context, branches: tuple[tuple[Act, ...], ...]) -> Any:
    order: list[int] = []

    async def branch(number: int, acts: tuple[Act, ...]) -> list[Any]:
        done: list[Any] = []
        for act in acts:
            done.append(await _play(ctx, act))
            order.append(number)
        return done

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(branch(*numbered)) for numbered in enumerate(branches)]
    return [{"drawn": order}, *(task.result() for task in tasks)]


async def _race(ctx: Context) -> str:
    waits = [asyncio.ensure_future(ctx.signal("go")), asyncio.ensure_future(ctx.sleep(60))]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in pending:
        one.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return "signal" if waits[0] in done else "moment"


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

    async def are_ours(self) -> bool:
        return True


async def pause(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def signal_for(call: CallIntended, run: LiveRun) -> SignalSent:
    """Send a signal because of a wait; the earliest wait of its name gets it."""
    return SignalSent(
        signal_id=call.key,
        run_id=run.run_id,
        name=call.target,
        payload={"drawn": call.key},
        attribution=run.started.attribution,
    )


def on_the_way(past: list[tuple[int, JournalRecord]]) -> list[CallIntended]:
    """List the waits that got the signal for another, while their own was on its way: it still will come."""
    records = [record for _, record in past]
    settled = {record.key for record in records if isinstance(record, CallSettled)}
    came = {record.source for record in records if isinstance(record, CallSettled)}
    came |= {record.signal_id for record in records if isinstance(record, SignalReceived)}
    waits = [record for record in records if isinstance(record, CallIntended) and record.target == "go"]
    return [wait for wait in waits if wait.key in settled and wait.key not in came]


async def execute(
    program: tuple[Act, ...], past: list[tuple[int, JournalRecord]], latency: Callable[[], int]
) -> tuple[list[Any], list[tuple[int, JournalRecord]]]:
    """Run a program on what is written; return its result and all that is written then, but for its end."""

    async def answer(call: CallIntended) -> Answered | SignalSent:
        await pause(latency())
        match call.act:
            case "signal":
                return signal_for(call, run)
            case "timer":
                return alarm(run.run_id, call)
            case _:
                return answered(call.key, {"of": call.key, **call.input}, run_id=run.run_id)

    entries = Entries(latency, [*past])
    run = held(history=past, entries=entries, outbox=Outbox(answer))
    context = DurableContext(run, Registry())
    for call in on_the_way(past):
        await run.take(signal_for(call, run))

    async def code() -> list[Any]:
        with counted(run.tasks), running_in(context):
            return await play(context, program)

    result = await asyncio.wait_for(asyncio.create_task(code()), 5)
    assert not run.history.replaying
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
