"""What a run does on the platform, from request to end."""

import asyncio
import threading
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from towpath import (
    Agent,
    ComponentError,
    Context,
    NonRetryableError,
    RetryPolicy,
    function,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath_schemas.journal import CallIntended, CallSettled, RunStarted, StepSettled
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_testkit.hosting import Platform

pytestmark = pytest.mark.live

QUICK = RetryPolicy(max_attempts=3, initial_interval_s=0.01)


async def test_steps_run_in_order_and_their_results_come_back_as_their_types(towpath: Platform) -> None:
    def today() -> datetime:
        return datetime.fromisoformat("2024-02-29T12:00:00+00:00")

    async def double(number: int) -> int:
        return 2 * number

    @workflow
    async def count(ctx: Context, number: int) -> list[Any]:
        day = await ctx.step("today", today)
        doubled = await ctx.step("double", double, number)
        return [day.year, doubled, await ctx.step("double", double(doubled))]

    await towpath.all()

    finished = await towpath.run("count", {"number": 5})

    assert (finished.end, finished.result) == ("completed", [2024, 10, 20])


async def test_a_task_is_executed_by_a_tool_runner_and_journaled_before_and_after(towpath: Platform) -> None:
    @function
    def add(a: int, b: int) -> int:
        return a + b

    @workflow
    async def sums(ctx: Context) -> list[int]:
        return list(
            await asyncio.gather(ctx.task(add, input={"a": 1, "b": 2}), ctx.task("hello", "add", [3, 4]))
        )

    await towpath.all()

    run_id = await towpath.start("sums")
    finished = await towpath.finished(run_id)

    assert finished.result == [3, 7]
    kinds = [type(record) for record in await towpath.journal(run_id)]
    assert kinds.count(CallIntended) == kinds.count(CallSettled) == 2


async def test_an_agent_calls_its_tools_and_answers(towpath: Platform) -> None:
    @tool
    async def look_up(order: str) -> dict[str, str]:
        """Look up an order."""
        return {"order": order, "state": "shipped"}

    @tool
    def broken() -> str:
        """Fail."""
        raise RuntimeError("no connection to the shop")

    script("desk", [[tool_call("look_up", order="o-1"), tool_call("broken")], "It is shipped."])
    Agent("test/desk", name="desk", tools=[look_up, broken])
    await towpath.all()

    run_id = await towpath.start("desk", "Where is o-1?")
    finished = await towpath.finished(run_id)

    assert finished.failure is None
    assert finished.result["output"] == "It is shipped."
    settled = [record for record in await towpath.journal(run_id) if isinstance(record, CallSettled)]
    assert [record.act for record in settled].count("model") == 2
    failures = [record.failure for record in settled if record.failure]
    assert [(failure.code, failure.message) for failure in failures] == [
        ("user_error", "no connection to the shop")
    ]


async def test_a_failing_step_is_tried_again_and_its_last_failure_is_raised_in_the_workflow(
    towpath: Platform,
) -> None:
    attempts: list[str] = []

    def fail() -> None:
        attempts.append("fail")
        raise ValueError(f"attempt {len(attempts)}")

    def hopeless() -> None:
        attempts.append("hopeless")
        raise NonRetryableError("never")

    @workflow
    async def failing(ctx: Context) -> list[str]:
        said: list[str] = []
        for name, work in (("fail", fail), ("hopeless", hopeless)):
            try:
                await ctx.step(name, work, retry=QUICK)
            except ComponentError as error:
                said.append(error.failure.message)
        return said

    await towpath.all()

    finished = await towpath.run("failing")

    assert finished.result == ["attempt 3", "never"]
    assert attempts == ["fail", "fail", "fail", "hopeless"]


async def test_a_step_that_fails_for_good_fails_the_run(towpath: Platform) -> None:
    def fail() -> None:
        raise KeyError("price")

    @workflow
    async def failing(ctx: Context) -> None:
        await ctx.step("fail", fail, retry=RetryPolicy(max_attempts=1))

    await towpath.all()

    finished = await towpath.run("failing")

    assert finished.end == "failed"
    assert finished.failure is not None
    assert (finished.failure.code, finished.failure.error_type) == ("user_error", "KeyError")


async def test_input_that_does_not_fit_fails_the_run_and_names_the_field(towpath: Platform) -> None:
    @workflow
    async def greet(ctx: Context, name: str, times: int) -> str:
        return name * times

    await towpath.all()

    finished = await towpath.run("greet", {"name": "Ada", "times": "often"})

    assert finished.failure is not None
    assert finished.failure.code == "invalid_input"
    assert "times" in finished.failure.message


@pytest.mark.parametrize("kind", ["workflow", "step", "task"])
async def test_a_result_that_json_cannot_carry_fails_with_the_reason(towpath: Platform, kind: str) -> None:
    @function
    def raw() -> Any:
        return {"picture": b"\x89PNG"}

    @workflow
    async def binary(ctx: Context) -> Any:
        match kind:
            case "workflow":
                return raw()
            case "step":
                return await ctx.step("raw", raw)
            case _:
                return await ctx.task(raw)

    await towpath.all()

    finished = await towpath.run("binary")

    assert finished.failure is not None
    assert finished.failure.code == "not_serialisable"
    assert "picture" in finished.failure.message


@pytest.mark.parametrize("kind", ["workflow", "step", "task", "arguments"])
async def test_what_is_too_large_to_travel_fails_with_the_limit(towpath: Platform, kind: str) -> None:
    large = "x" * MAX_PAYLOAD_BYTES

    @function
    def much() -> str:
        return large

    @function
    def take(text: str) -> int:
        return len(text)

    @workflow
    async def grow(ctx: Context) -> Any:
        match kind:
            case "workflow":
                return large
            case "step":
                return await ctx.step("much", much)
            case "task":
                return await ctx.task(much)
            case _:
                return await ctx.task(take, input={"text": large})

    await towpath.all()

    finished = await towpath.run("grow")

    assert finished.failure is not None
    assert finished.failure.code == "payload_too_large"
    assert f"{MAX_PAYLOAD_BYTES:,}" in finished.failure.message


async def test_a_large_request_is_run_however_its_text_is_escaped(towpath: Platform) -> None:
    @workflow
    async def measure(ctx: Context, text: str) -> int:
        return len(text)

    await towpath.all()
    text = '"' * 2_000_000

    finished = await towpath.run("measure", {"text": text})

    assert finished.result == len(text)


async def test_a_tool_that_hangs_is_stopped_at_its_time_limit(towpath: Platform) -> None:
    @function(timeout_ms=50, retries=1)
    async def hang() -> None:
        await asyncio.Event().wait()

    @workflow
    async def patient(ctx: Context) -> None:
        await ctx.task(hang)

    await towpath.all()

    finished = await towpath.run("patient")

    assert finished.failure is not None
    assert (finished.failure.code, finished.failure.message) == ("timeout", "hang did not end within 0.05 s")


async def test_a_function_that_is_run_itself_is_stopped_at_its_time_limit(towpath: Platform) -> None:
    @function(timeout_ms=50, retries=1)
    async def hang() -> None:
        await asyncio.Event().wait()

    await towpath.all()

    finished = await towpath.run("hang", deadline_s=5)

    assert finished.failure is not None
    assert finished.failure.code == "timeout"


async def test_a_function_that_is_run_itself_is_tried_as_often_as_it_declares(towpath: Platform) -> None:
    attempts: list[int] = []

    @function(retries=RetryPolicy(max_attempts=3, initial_interval_s=0.01))
    def flaky() -> str:
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise ConnectionError
        return "done"

    await towpath.all()

    assert (await towpath.run("flaky")).result == "done"


async def test_a_sync_tool_that_blocks_holds_up_nobody_else(towpath: Platform) -> None:
    other_is_done = threading.Event()

    @function(timeout_ms=5_000)
    def block() -> bool:
        return other_is_done.wait(4)

    @function
    async def quick() -> None:
        other_is_done.set()

    @workflow
    async def both(ctx: Context) -> bool:
        blocked, _ = await asyncio.gather(ctx.task(block), ctx.task(quick))
        return blocked

    await towpath.all()

    assert (await towpath.run("both")).result is True


async def test_clock_and_chance_are_journaled_so_that_replay_repeats_them(towpath: Platform) -> None:
    seen: list[Any] = []

    @workflow
    async def draw(ctx: Context) -> int:
        drawn = [ctx.now().isoformat(), str(ctx.uuid()), ctx.random(), ctx.random()]
        seen.append(drawn)
        if len(seen) == 1:
            await ctx.step("stay", stay)
        return len(seen)

    async def stay() -> None:
        began.set()
        await asyncio.Event().wait()

    began = asyncio.Event()
    await towpath.router()
    first = await towpath.agent_runner()
    run_id = await towpath.start("draw")
    await began.wait()

    await first.stop()
    await towpath.agent_runner()
    finished = await towpath.finished(run_id)

    assert finished.result == 2
    assert seen[0] == seen[1]
    assert UUID(seen[0][1]).version == 4


async def test_the_same_idempotency_key_is_one_run_with_the_first_input(towpath: Platform) -> None:
    executed: list[int] = []

    @workflow
    async def order(ctx: Context, number: int) -> int:
        executed.append(number)
        return number

    await towpath.router()
    ids = [await towpath.start("order", {"number": number}, key="order-1") for number in range(3)]
    await towpath.agent_runner()
    ids += [await towpath.start("order", {"number": number}, key="order-1") for number in range(3, 6)]

    finished = await towpath.finished(ids[0])
    other = await towpath.run("order", {"number": 7})

    assert len(set(ids)) == 1
    assert other.result == 7
    started = next(one for one in await towpath.journal(ids[0]) if isinstance(one, RunStarted))
    assert executed == [finished.result, 7] == [started.input["number"], 7]


@pytest.mark.parametrize("how", [StopIteration, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("is_async", [True, False])
async def test_whatever_user_code_raises_ends_the_run_and_not_the_process(
    towpath: Platform, how: type[BaseException], *, is_async: bool
) -> None:
    def sync_raise() -> None:
        raise how

    async def async_raise() -> None:
        raise how

    act = function("act", timeout_ms=2_000, retries=1)(async_raise if is_async else sync_raise)

    @workflow
    async def odd(ctx: Context, where: str) -> None:
        match where:
            case "step":
                await ctx.step("act", act)
            case "task":
                await ctx.task(act)
            case _:
                raise how

    await towpath.all()

    for where in ("workflow", "step", "task"):
        finished = await towpath.run("odd", {"where": where}, deadline_s=5)
        assert finished.end == "failed"
        assert finished.failure is not None
        assert finished.failure.code == "user_error", where


async def test_a_step_may_be_given_a_partial_function(towpath: Platform) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    @workflow
    async def sums(ctx: Context) -> int:
        return await ctx.step("add", partial(add, 1), 2)

    await towpath.all()

    assert (await towpath.run("sums")).result == 3


async def test_an_error_that_cannot_be_written_down_as_it_is_still_ends_the_run(towpath: Platform) -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("cannot say")

    @function(retries=1)
    def silent() -> None:
        raise SilentError

    @function(retries=1)
    def half() -> None:
        raise ValueError("th\udce9")

    @workflow
    async def odd(ctx: Context) -> list[str]:
        codes: list[str] = []
        for act in (silent, half):
            try:
                await ctx.task(act)
            except ComponentError as error:
                codes.append(error.failure.code)
        return codes

    await towpath.all()

    assert (await towpath.run("odd", deadline_s=5)).result == ["user_error", "user_error"]


async def test_keyed_steps_and_numbered_ones_do_not_mix(towpath: Platform) -> None:
    def name(text: str) -> str:
        return text

    @workflow
    async def mixed(ctx: Context) -> list[str]:
        keyed = await ctx.step("name", name, "keyed", key="1")
        return [keyed, await ctx.step("name", name, "first"), await ctx.step("name", name, "second")]

    await towpath.all()
    run_id = await towpath.start("mixed")

    assert (await towpath.finished(run_id)).result == ["keyed", "first", "second"]
    keys = [record.key for record in await towpath.journal(run_id) if isinstance(record, StepSettled)]
    assert len(set(keys)) == 3
