"""A platform in the test's own process: runs are made, called, shown and ended as on the real one."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from towpath import Context, NonRetryableError, entity, function, workflow
from towpath.components import Registry
from towpath.errors import (
    ComponentError,
    ConfigurationError,
    RequestRefusedError,
    StuckError,
    UnknownRunError,
)
from towpath.testing import VirtualPlatform, crash_everywhere
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.journal import CallSettled, RunFinished, RunStarted, StepSettled
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES

# --- Starting and ending ----------------------------------------------------------------------------


async def test_a_run_does_what_its_code_says_and_is_journaled() -> None:
    @function
    def add(a: int, b: int) -> int:
        return a + b

    @workflow
    async def sum_up(ctx: Context, numbers: list[int]) -> int:
        first = await ctx.step("first", lambda: numbers[0])
        return await ctx.task(add, input={"a": first, "b": numbers[1]})

    async with VirtualPlatform() as platform:
        run = await platform.start(sum_up, {"numbers": [1, 2]})

        assert await run.result() == 3
        assert run.status == "completed"
        kinds = [record.kind for record in run.journal]
        assert kinds == ["run.started", "step.settled", "call.intended", "call.settled", "run.finished"]


async def test_a_component_is_named_by_itself_or_by_its_name() -> None:
    @workflow("greeting")
    async def greet(ctx: Context, name: str) -> str:
        return f"Hello {name}"

    async with VirtualPlatform() as platform:
        assert await platform.run(greet, "Ada") == "Hello Ada"
        assert await platform.run("greeting", {"name": "Bob"}) == "Hello Bob"


async def test_a_function_runs_as_a_run_of_its_own_and_streams() -> None:
    @function
    async def count(up_to: int) -> Any:
        for number in range(up_to):
            yield number

    async with VirtualPlatform() as platform:
        run = await platform.start(count, 3)

        assert await run.result() == [0, 1, 2]
        assert run.chunks == [0, 1, 2]


async def test_a_sync_function_does_not_block_the_loop() -> None:
    main = threading.get_ident()

    @function
    def where() -> bool:
        return threading.get_ident() != main

    async with VirtualPlatform() as platform:
        assert await platform.run(where) is True


async def test_a_component_that_is_not_registered_is_refused_with_the_remedy() -> None:
    @workflow
    async def greet(ctx: Context) -> None: ...

    async with VirtualPlatform(registry=Registry()) as platform:
        with pytest.raises(ConfigurationError, match="import the module that defines it"):
            await platform.start(greet)
        with pytest.raises(ConfigurationError, match="'gret' is no workflow"):
            await platform.start("gret")


async def test_a_request_with_the_same_idempotency_key_finds_the_same_run() -> None:
    @workflow
    async def greet(ctx: Context, name: str) -> str:
        return f"Hello {name}"

    async with VirtualPlatform() as platform:
        first = await platform.start(greet, "Ada", idempotency_key="order-1")
        again = await platform.start(greet, "Bob", idempotency_key="order-1")
        other = await platform.start(greet, "Bob")

        assert first.run_id == again.run_id != other.run_id
        assert await again.result() == "Hello Ada"
        assert [run.run_id for run in platform.runs] == [first.run_id, other.run_id]


async def test_headers_and_attribution_reach_the_code() -> None:
    @workflow
    async def who(ctx: Context) -> Any:
        return [ctx.attribution.user_id, ctx.attribution.tenant, ctx.headers().get("x-order")]

    async with VirtualPlatform(tenant="acme") as platform:
        claim = AttributionClaim(user_id="ada")
        assert await platform.run(who, headers={"x-order": "7"}, attribution=claim) == ["ada", "acme", "7"]


async def test_input_that_does_not_fit_the_types_fails_the_run_before_its_code() -> None:
    @workflow
    async def greet(ctx: Context, age: int) -> None:
        raise AssertionError

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="age"):
            await platform.run(greet, {"age": "old"})


async def test_a_request_that_is_too_large_is_refused() -> None:
    @workflow
    async def greet(ctx: Context, name: str) -> None: ...

    async with VirtualPlatform() as platform:
        with pytest.raises(
            RequestRefusedError, match=r"input has 67,\d{3},\d{3} bytes; the limit is 67,108,864"
        ):
            await platform.start(greet, "a" * MAX_PAYLOAD_BYTES)


async def test_a_run_that_does_not_exist_is_not_found() -> None:
    async with VirtualPlatform() as platform:
        with pytest.raises(UnknownRunError):
            platform.find("nowhere")


async def test_a_platform_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with VirtualPlatform"):
        await VirtualPlatform().rest()


async def test_a_failed_run_raises_its_failure() -> None:
    @workflow
    async def breaks(ctx: Context) -> None:
        raise ValueError("out of paper")

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="out of paper") as caught:
            await platform.run(breaks)
        assert caught.value.failure.error_type == "ValueError"


async def test_waiting_for_what_cannot_come_says_what_is_waited_for() -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        return await ctx.signal("paid")

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)

        with pytest.raises(StuckError, match=r"\(waits\) waits for signal 'paid'"):
            await run.result()
        await run.signal("paid", 1)
        assert await run.result() == 1


async def test_a_run_that_takes_longer_than_it_may_is_given_up() -> None:
    @workflow
    async def sleeps(ctx: Context) -> None:
        await ctx.sleep(3600)

    async with VirtualPlatform() as platform:
        run = await platform.start(sleeps)

        with pytest.raises(TimeoutError, match="waits for timer"):
            await run.result(timeout_s=60)


# --- Calls ------------------------------------------------------------------------------------------


async def test_a_failing_function_is_tried_again_and_the_waits_take_no_time() -> None:
    attempts: list[int] = []

    @function(retries=3, backoff="constant")
    async def flaky(ctx: Context) -> str:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ValueError("not yet")
        return "done"

    @workflow
    async def calls(ctx: Context) -> str:
        return await ctx.task(flaky)

    async with VirtualPlatform() as platform:
        begun = platform.now
        assert await platform.run(calls) == "done"
        assert attempts == [1, 2, 3]
        assert 0.8 <= (platform.now - begun).total_seconds() <= 1.0


async def test_a_failing_step_is_tried_again_and_the_waits_take_no_time() -> None:
    attempts: list[int] = []

    def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError("not yet")
        return len(attempts)

    @workflow
    async def steps(ctx: Context) -> int:
        return await ctx.step("work", flaky)

    async with VirtualPlatform() as platform:
        run = await platform.start(steps)
        assert await run.result() == 3
        assert [one.attempts for one in run.journal if isinstance(one, StepSettled)] == [3]


async def test_a_failure_that_will_not_mend_is_not_tried_again() -> None:
    @function(retries=5)
    async def refused() -> None:
        raise NonRetryableError("never")

    @workflow
    async def calls(ctx: Context) -> None:
        await ctx.task(refused)

    async with VirtualPlatform() as platform:
        run = await platform.start(calls)
        with pytest.raises(ComponentError, match="never"):
            await run.result()
        assert [one.attempts for one in run.journal if isinstance(one, CallSettled)] == [1]


async def test_a_call_of_a_function_that_nobody_has_fails_with_the_remedy() -> None:
    @workflow
    async def calls(ctx: Context) -> None:
        await ctx.task("billing", "charge")

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="has no task 'charge'; register it"):
            await platform.run(calls)


async def test_what_a_function_does_to_its_arguments_nobody_sees() -> None:
    @function
    async def greedy(basket: Any) -> int:
        basket.append("more")
        return len(basket)

    @workflow
    async def calls(ctx: Context) -> Any:
        basket = ["bread"]
        return [await ctx.task(greedy, input={"basket": basket}), basket]

    async with VirtualPlatform() as platform:
        assert await platform.run(calls) == [2, ["bread"]]


async def test_a_call_that_takes_too_long_has_failed_whatever_becomes_of_it() -> None:
    release = asyncio.Event()

    @function
    async def slow() -> str:
        await release.wait()
        return "late"

    @workflow
    async def calls(ctx: Context) -> str:
        try:
            return await ctx.task(slow, timeout_ms=5_000)
        except ComponentError as error:
            return error.failure.code

    async with VirtualPlatform(patience_s=0.01) as platform:
        run = await platform.start(calls)
        await platform.advance(seconds=5)
        release.set()

        assert await run.result() == "timeout"


# --- Entities ---------------------------------------------------------------------------------------


async def test_an_entity_is_written_by_one_at_a_time_and_read_by_anybody() -> None:
    counter = entity("Counter")

    @counter.write
    async def add(ctx: Context, by: int) -> int:
        value = await ctx.get("value", 0)
        await asyncio.sleep(0)
        ctx.set("value", value + by)
        return value + by

    @counter.shared
    async def value(ctx: Context) -> int:
        return await ctx.get("value", 0)

    @workflow
    async def counts(ctx: Context) -> Any:
        one = ctx.entity("Counter", "c-1")
        sums = await asyncio.gather(*(one.add(by=1) for _ in range(5)))
        return [sorted(sums), await one.value()]

    async with VirtualPlatform() as platform:
        assert await platform.run(counts) == [[1, 2, 3, 4, 5], 5]
        assert platform.entity_state("Counter", "c-1") == {"value": 5}


async def test_a_write_that_fails_changes_nothing() -> None:
    account = entity("Account")

    @account.write
    async def withdraw(ctx: Context, amount: int) -> None:
        ctx.set("balance", -amount)
        raise ValueError("not covered")

    @workflow
    async def withdraws(ctx: Context) -> None:
        await ctx.entity("Account", "a").withdraw(amount=5)

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="not covered"):
            await platform.run(withdraws)
        assert platform.entity_state("Account", "a") == {}


async def test_each_platform_has_entities_of_its_own() -> None:
    counter = entity("Counter")

    @counter.write
    async def add(ctx: Context) -> int:
        ctx.set("value", await ctx.get("value", 0) + 1)
        return await ctx.get("value")

    @workflow
    async def counts(ctx: Context) -> Any:
        return await ctx.entity("Counter", "c").add()

    for _ in range(2):
        async with VirtualPlatform() as platform:
            assert await platform.run(counts) == 1


# --- Ending and standing still ------------------------------------------------------------------------


async def test_a_cancelled_run_cleans_up_and_tells_whoever_waits() -> None:
    refunds: list[int] = []

    @workflow
    async def pays(ctx: Context) -> None:
        async with ctx.saga() as saga:
            charge = await ctx.step("charge", lambda: 42)
            saga.on_failure("refund", refunds.append, charge)
            await ctx.signal("never")

    async with VirtualPlatform() as platform:
        run = await platform.start(pays)
        await run.cancel("changed my mind")

        with pytest.raises(ComponentError, match="the run was cancelled: changed my mind") as caught:
            await run.result()
        assert caught.value.failure.code == "cancelled"
        assert run.status == "cancelled"
        assert refunds == [42]


async def test_a_terminated_run_ends_at_once_and_its_code_hears_nothing() -> None:
    undone: list[str] = []

    @workflow
    async def pays(ctx: Context) -> None:
        async with ctx.saga() as saga:
            saga.on_failure("undo", undone.append, "all")
            await ctx.signal("never")

    async with VirtualPlatform() as platform:
        run = await platform.start(pays)
        await run.terminate("enough")

        with pytest.raises(ComponentError, match="the run was terminated: enough"):
            await run.result()
        assert (run.status, undone) == ("terminated", [])


async def test_a_paused_run_begins_nothing_new_until_it_is_told_to_go_on() -> None:
    begun: list[str] = []

    @workflow
    async def two(ctx: Context) -> None:
        await ctx.sleep(60)
        await ctx.step("work", begun.append, "work")

    async with VirtualPlatform() as platform:
        run = await platform.start(two)
        await run.pause()
        await platform.advance(hours=1)
        assert (run.status, begun, run.in_memory) == ("paused", [], False)

        await run.unpause()

        assert (run.status, begun) == ("completed", ["work"])


async def test_nothing_can_be_asked_of_a_run_that_has_ended() -> None:
    @workflow
    async def ends(ctx: Context) -> None: ...

    async with VirtualPlatform() as platform:
        run = await platform.start(ends)

        for asking in (run.cancel(), run.signal("paid"), run.pause(), run.terminate()):
            with pytest.raises(RequestRefusedError, match="has ended"):
                await asking


# --- Being repeatable ---------------------------------------------------------------------------------


async def test_the_same_seed_draws_the_same_numbers() -> None:
    @workflow
    async def draws(ctx: Context) -> Any:
        return [ctx.random(), ctx.random(), str(ctx.uuid())]

    async def drawn(seed: int) -> Any:
        async with VirtualPlatform(seed=seed) as platform:
            return await platform.run(draws)

    first = await drawn(1)
    assert first == await drawn(1) != await drawn(2)
    assert first[0] != first[1]


async def test_what_a_call_draws_follows_from_the_seed_the_call_and_the_attempt() -> None:
    counter = entity("Counter")

    @counter.write
    async def count(ctx: Context) -> str:
        return str(ctx.uuid())

    @function
    async def inner(ctx: Context) -> float:
        return ctx.random()

    @function(retries={"max_attempts": 2, "initial_interval_ms": 1})
    async def draws(ctx: Context) -> Any:
        drawn.append(ctx.random())
        if ctx.attempt == 1:
            raise ValueError("again")
        return [*drawn, await ctx.task(inner), str(ctx.uuid())]

    @workflow
    async def calls(ctx: Context) -> Any:
        return [*await ctx.task(draws), await ctx.entity("Counter", "a").count()]

    async def with_seed(seed: int) -> Any:
        drawn.clear()
        async with VirtualPlatform(seed=seed) as platform:
            return await platform.run(calls)

    drawn: list[float] = []
    first = await with_seed(1)
    assert first == await with_seed(1) != await with_seed(2)
    assert len(set(first)) == 5


async def test_a_call_that_a_crash_repeats_draws_the_same() -> None:
    @function
    async def draws(ctx: Context) -> list[Any]:
        return [str(ctx.uuid()), ctx.random(), ctx.now()]

    @workflow
    async def calls(ctx: Context) -> Any:
        return await ctx.task(draws)

    await crash_everywhere(calls)


async def test_a_run_that_is_replayed_after_every_record_does_the_same_once() -> None:
    done: list[str] = []

    @function
    async def add(a: int, b: int) -> int:
        done.append("add")
        return a + b

    def both_of(number: int) -> int:
        done.append("both")
        return number

    @workflow
    async def works(ctx: Context) -> Any:
        moment = ctx.now()
        first = await ctx.step("first", lambda: done.append("first") or 1)
        both = await asyncio.gather(
            *(ctx.step("both", both_of, number) for number in range(2)),
            ctx.task(add, input={"a": first, "b": 1}),
        )
        await ctx.sleep(86_400)
        return [both, (ctx.now() - moment).days]

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(works)

        assert await run.result() == [[0, 1, 2], 1]
        assert sorted(done) == ["add", "both", "both", "first"]
        assert sum(record.kind == "run.resumed" for record in run.journal) >= 5


async def test_the_journal_is_exported_as_json_lines() -> None:
    @workflow
    async def greet(ctx: Context) -> str:
        return "Hello"

    async with VirtualPlatform() as platform:
        run = await platform.start(greet)

        lines = run.export().splitlines()
        assert len(lines) == len(run.journal) == 2
        assert '"kind":"run.finished"' in lines[1]
        assert isinstance(run.journal[0], RunStarted)
        assert isinstance(run.journal[1], RunFinished)


@pytest.mark.parametrize("called", [True, False])
async def test_what_is_streamed_is_what_the_last_attempt_has_said(*, called: bool) -> None:
    @function(retries={"max_attempts": 2, "initial_interval_ms": 1})
    async def letters(ctx: Context) -> AsyncGenerator[str]:
        for letter in "abc" if ctx.attempt == 1 else "aB":
            yield letter
        if ctx.attempt == 1:
            raise ConnectionError("gone")

    @workflow
    async def call(ctx: Context) -> Any:
        return await ctx.task(letters)

    async with VirtualPlatform() as platform:
        run = await platform.start(call if called else letters)

        assert await run.result() == ["a", "B"]
        assert (run.streams["task:letters#0"] if called else run.chunks) == ["a", "B"]
