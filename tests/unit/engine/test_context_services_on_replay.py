"""The services of a context on a run that is journaled: what is recorded, what replay repeats, what stays silent."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest

from towpath import Context, ModelReply, ModelRequest, script
from towpath.engine.live_run import LiveRun
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    JournalRecord,
    RunFinished,
    StepSettled,
    ValueDrawn,
)
from towpath_testkit.held import Notebook, held
from towpath_testkit.journals import run_started
from towpath_testkit.recorded import Recorded, recorded_telemetry
from towpath_testkit.settled import until_so

Started = Callable[[LiveRun, Any], "asyncio.Task[RunFinished]"]


@pytest.fixture
def recorded() -> Generator[Recorded]:
    with recorded_telemetry() as telemetry:
        yield telemetry


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the default model repeat what it is asked, and keep that."""
    asked: list[str] = []

    def echo(request: ModelRequest) -> str:
        asked.append(request.messages[-1].content)
        return asked[-1]

    script("repeats", echo)
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/repeats")
    return asked


async def done(started: Started, code: Any, *past: JournalRecord) -> tuple[Any, list[JournalRecord]]:
    """Run code on what is written, and return its result and what it wrote; a failure of it fails the test."""
    notebook = Notebook()
    finished = await asyncio.wait_for(started(held(*past, entries=notebook), code), 5)
    assert finished.failure is None, finished.failure
    return finished.result, notebook.records


# --- Models -----------------------------------------------------------------------------------------


async def ask(ctx: Context) -> Any:
    return (await ctx.llm.generate("Where is it?")).text


async def hear(ctx: Context) -> Any:
    return [chunk.text async for chunk in ctx.llm.stream("Where is it?")]


async def test_a_model_call_is_one_act_that_is_never_paid_for_twice(
    started: Started, calls: list[str]
) -> None:
    first, written = await done(started, ask)
    again, more = await done(started, ask, *written)

    assert (first, again, calls, more) == ("Where is it?", "Where is it?", ["Where is it?"], [])
    assert [record.kind for record in written] == ["value.drawn", "call.intended", "call.settled"]


async def test_a_streamed_call_is_one_act_and_replay_tells_it_in_the_same_pieces(
    started: Started, calls: list[str]
) -> None:
    first, written = await done(started, hear)
    again, more = await done(started, hear, *written)

    assert first == again == ["Where ", "is ", "it?", ""]
    assert (calls, more) == (["Where is it?"], [])
    assert [record.kind for record in written] == ["value.drawn", "call.intended", "call.settled"]


@pytest.mark.usefixtures("calls")
async def test_a_streamed_call_whose_pieces_nobody_wrote_down_is_told_in_one(started: Started) -> None:
    _, (drawn, intended, settled) = await done(started, hear)
    assert isinstance(settled, CallSettled)
    assert settled.result.pop("pieces") == [6, 3, 3]

    again, _ = await done(started, hear, drawn, intended, settled)

    assert again == ["Where is it?"]


async def test_a_new_default_model_does_not_change_a_run_that_has_begun(
    started: Started, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, written = await done(started, ask)
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/another")

    assert await done(started, ask, *written) == ("Where is it?", [])


async def test_a_correction_is_an_act_of_its_own(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    async def count(ctx: Context) -> Any:
        return (await ctx.llm.generate("Count.", model="test/counts", schema=list[int])).object

    script("counts", ["one, two", "[1, 2]"])
    first, written = await done(started, count)
    script("counts", [])

    assert (first, await done(started, count, *written)) == ([1, 2], ([1, 2], []))
    assert [record.key for record in written if isinstance(record, CallSettled)] == ["model#0", "model#1"]


class Endless:
    """A model that says more and more, and counts how often it was asked."""

    name = "endless"

    def __init__(self) -> None:
        self.asked = 0

    async def generate(self, request: ModelRequest) -> ModelReply:
        raise AssertionError("it is to be heard while it answers")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        self.asked += 1
        while True:
            yield "more "
            await asyncio.sleep(0)


async def test_whoever_stops_early_has_what_was_said_until_then_recorded(started: Started) -> None:
    model, notebook = Endless(), Notebook()

    async def hear_some(ctx: Context) -> Any:
        text = ""
        async for chunk in ctx.llm.stream("Go on.", model=model):
            text += chunk.text
            if len(text) > 20:
                break
        await until_so(lambda: any(isinstance(record, CallSettled) for record in notebook.records))
        return len(text) > 20

    finished = await started(held(entries=notebook), hear_some)
    again, more = await done(started, hear_some, *notebook.records[:2])

    assert (finished.result, again, more, model.asked) == (True, True, [], 1)


async def test_a_call_that_was_begun_is_made_again_after_a_crash(started: Started, calls: list[str]) -> None:
    _, written = await done(started, hear)

    again, more = await done(started, hear, *written[:-1])

    assert (again, len(calls)) == (["Where ", "is ", "it?", ""], 2)
    assert [record.kind for record in more] == ["call.settled"]


# --- Tools ------------------------------------------------------------------------------------------


async def test_what_a_tool_has_done_is_not_done_again(started: Started) -> None:
    done_with: list[int] = []

    def charge(amount: int) -> int:
        done_with.append(amount)
        return amount

    async def pay(ctx: Context) -> Any:
        ctx.tools.register("charge", handler=charge)
        return await ctx.tools.handler("charge")(amount=5)

    _, written = await done(started, pay)

    assert await done(started, pay, *written) == (5, [])
    assert done_with == [5]
    assert [record.key for record in written if isinstance(record, StepSettled)] == ["tool:charge#0"]


# --- Configuration ----------------------------------------------------------------------------------


async def test_a_run_keeps_the_configuration_that_it_has_seen(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(ctx: Context) -> Any:
        config = ctx.config()
        before = [config.get("limit", 1), config.get("none", "default"), config.variant("colour", "grey")]
        monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "9")
        return [*before, config.get("limit", 1), await ctx.step("inside", lambda: config.get("limit", 1))]

    monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "5")
    monkeypatch.setenv("TOWPATH_CONFIG_COLOUR", '{"red": 1, "blue": 1}')
    first, written = await done(started, read)
    monkeypatch.setenv("TOWPATH_CONFIG_COLOUR", "green")

    assert first[:2] == [5, "default"]
    assert first[2] in {"red", "blue"}
    assert first[3:] == [5, 5]
    assert await done(started, read, *written) == (first, [])
    assert [record.key for record in written if isinstance(record, ValueDrawn)] == [
        "config:limit",
        "config:none",
        "config:variant:colour",
        "inside#0/config:limit",
    ]


async def test_branches_that_read_one_setting_replay_in_any_order(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def branch(ctx: Context, rounds: int) -> Any:
        for _ in range(rounds):
            await asyncio.sleep(0)
        return ctx.config().get("limit", 1)

    def code(*rounds: int) -> Any:
        async def both(ctx: Context) -> Any:
            values = await asyncio.gather(*(branch(ctx, one) for one in rounds))
            return [*values, await ctx.step("after", lambda: 1)]

        return both

    monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "5")
    _, written = await done(started, code(0, 0))
    monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "9")

    assert await done(started, code(0, 3), *written) == ([5, 5, 1], [])


async def test_a_function_in_a_thread_reads_configuration_clock_and_chance(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(ctx: Context) -> Any:
        drawn = [ctx.now().isoformat(), str(ctx.uuid()), ctx.random()]
        return [ctx.config().get("limit", 1), ctx.patched("insure"), *drawn]

    async def code(ctx: Context) -> Any:
        return [await asyncio.to_thread(work, ctx), await ctx.step("inside", work, ctx)]

    monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "5")
    first, written = await done(started, code)
    monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "9")

    assert (first[0][:2], await done(started, code, *written)) == ([5, True], (first, []))
    assert [one.key for one in written if isinstance(one, ValueDrawn)].count("patched:insure") == 1


# --- Secrets ----------------------------------------------------------------------------------------


async def test_nothing_of_a_secret_is_ever_journaled(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_GATE", "open-sesame")
    script("leaks", lambda request: f"You said {request.messages[0].content}")

    async def leak(ctx: Context) -> Any:
        gate = ctx.secrets().get("gate")
        told: list[str] = [(await ctx.llm.generate(f"The word is {gate}.", model="test/leaks")).text]
        attempts: list[Callable[[], Any]] = [
            lambda: ctx.step("returned", lambda: f"-{gate}-"),
            lambda: ctx.step("raised", fails, gate),
            lambda: ctx.task("service", "call", input={"word": gate}),
            lambda: ctx.entity("Gate", "a").open(gate),
            lambda: ctx.set("word", gate),
            lambda: ctx.signal.emit("opened", gate),
            lambda: ctx.human.approval("open", payload=gate),
            lambda: ctx.continue_as_new(gate),
            lambda: ctx.step(f"open with {gate}", lambda: 1),
            lambda: ctx.step("open", lambda: 1, key=gate),
            lambda: ctx.task("service", f"open {gate}"),
            lambda: ctx.spawn("opens", key=gate).result(),
            lambda: ctx.spawn("opens", key="k").cancel(gate),
            lambda: ctx.entity("Gate", gate).open(),
            lambda: ctx.sleep(1, key=gate),
            lambda: ctx.signal(gate),
            lambda: ctx.signal.emit(gate),
            lambda: ctx.human.approval(f"open with {gate}?"),
            lambda: ctx.patched(gate),
            lambda: ctx.remember(gate, lambda: 1),
        ]
        for attempt in attempts:
            try:
                await attempt()
            except Exception as error:  # noqa: BLE001 - each says why
                told.append(str(error))
        raise ValueError(f"{gate} was said {sum('gate' in one for one in told)} times")

    async def fails(word: str) -> None:
        raise ValueError(f"{word} is wrong")

    notebook = Notebook()
    finished = await started(held(entries=notebook), leak)

    assert finished.failure is not None
    assert finished.failure.message == "[secret gate] was said 21 times"
    bodies = [record.to_body() for record in (*notebook.records, finished)]
    assert not [body for body in bodies if b"open-sesame" in body]


# --- Request headers --------------------------------------------------------------------------------


async def test_a_run_has_the_headers_of_its_request(started: Started) -> None:
    async def whose(ctx: Context) -> Any:
        return ctx.headers().get("User-Agent")

    begun = run_started().model_copy(update={"headers": {"user-agent": "curl"}})
    run = held(history=[(0, begun)])

    assert (await started(run, whose)).result == "curl"


# --- Telemetry --------------------------------------------------------------------------------------


async def observed(ctx: Context) -> Any:
    for part in range(3):
        with ctx.trace_span().start(f"part-{part}"):
            ctx.metrics().increment("parts", part=part)
            await ctx.step("work", lambda: None)
    ctx.metrics().observe("seconds", 1)
    ctx.metrics().gauge("level", 2)


def counted(recorded: Recorded) -> dict[str, float]:
    return {str(attributes["part"]): value for value, attributes in recorded.measured("parts")}


async def test_what_was_told_before_a_crash_is_not_told_again(started: Started, recorded: Recorded) -> None:
    notebook = Notebook()
    await started(held(entries=notebook), observed)
    assert counted(recorded) == {"0": 1, "1": 1, "2": 1}
    recorded.forget()

    await done(started, observed, *notebook.records[:2])

    assert counted(recorded) == {"2": 1}
    assert [span.name for span in recorded.spans] == ["part-1", "part-2"]


async def test_a_run_that_is_dropped_from_memory_leaves_its_open_spans_to_whoever_goes_on(
    started: Started, recorded: Recorded
) -> None:
    async def waits(ctx: Context) -> Any:
        with ctx.trace_span().start("whole"):
            with ctx.trace_span().start("first"):
                await ctx.step("work", lambda: None)
            await ctx.signal("go", default=None, timeout_ms=60_000)

    notebook = Notebook()
    run = held(entries=notebook)
    code = started(run, waits)
    await until_so(lambda: any(isinstance(record, CallIntended) for record in notebook.records))
    run.let_go.set()
    code.cancel()
    await asyncio.gather(code, return_exceptions=True)

    assert [span.name for span in recorded.spans] == ["first"]
