"""What a component does is the same in a plain script and on a platform."""

import asyncio
import gc
import re
import warnings
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from towpath import Context, NonRetryableError, entity, function, local, workflow
from towpath.errors import ComponentError, ConfigurationError
from towpath.retry import RetryPolicy
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time

World = Callable[..., Awaitable[Any]]


async def in_a_script(component: Any, payload: Any = None) -> Any:
    return await local.run(component, payload)


async def on_a_platform(component: Any, payload: Any = None) -> Any:
    async with VirtualPlatform() as platform:
        try:
            return await platform.run(component, payload)
        finally:
            await platform.rest()


in_both_worlds = pytest.mark.parametrize("run", [in_a_script, on_a_platform])


class CardDeclinedError(ValueError):
    """What a shop raises."""


class HopelessError(NonRetryableError):
    """What a shop raises when nothing helps."""


def shop(error: type[Exception], *, until: int, calls: list[int]) -> Any:
    """A function that raises until it is called for the so-maniest time."""

    @function(retries=1)
    async def charge() -> str:
        calls.append(len(calls) + 1)
        if len(calls) < until:
            raise error("no")
        return "charged"

    return charge


# --- Arguments that mean nothing ------------------------------------------------------------------------


async def doubles(number: int) -> int:
    return number * 2


async def goes_round(ctx: Context) -> None:
    pass


MEANINGLESS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda ctx: ctx.task(doubles, 5), "itself and a handler_name as well; .* input=..."),
    (
        lambda ctx: ctx.task(doubles, "doubles", 5),
        r"what doubles is called with .* ctx\.task\(doubles, input=",
    ),
    (lambda ctx: ctx.task("shop", 5), "service 'shop' with handler_name=5; give the name"),
    (lambda ctx: ctx.task("shop"), "service 'shop' with handler_name=None; give the name"),
    (lambda ctx: ctx.task(goes_round), "'goes_round' is a workflow: start it .* with ctx.spawn"),
    (
        lambda ctx: ctx.task("test", "goes_round"),
        "a workflow: start it as a run of its own, with ctx.spawn",
    ),
    (
        lambda ctx: ctx.spawn(doubles, 5, join="always"),
        "join='always' is none of 'detached', 'cancel'",
    ),
    (
        lambda ctx: ctx.spawn(doubles, 5, join=None),
        "join=None is none of 'detached', 'cancel', 'required'",
    ),
    (
        lambda ctx: ctx.human.approval("open", timeout=5, timeout_ms=1),
        "both timeout and timeout_ms; give one",
    ),
    (lambda ctx: ctx.signal.emit("opened", run_id=5), "run_id=5 is no id of a run"),
    (lambda ctx: ctx.signal.emit("opened", run_id=""), "run_id='' is no id of a run"),
    (lambda ctx: ctx.timer(cron="at noon"), "cron 'at noon' cannot be read"),
    (lambda ctx: ctx.timer(cron="0 9 * * *", tz="Mars"), "tz 'Mars' is no time zone"),
    (lambda ctx: ctx.timer(until=datetime(2030, 1, 1), tz="Mars"), "tz 'Mars' is no time zone"),  # noqa: DTZ001
    (lambda ctx: ctx.step("", doubles, 5), "the name of step '' cannot be used; give text"),
    (lambda ctx: ctx.step(None, doubles, 5), "the name of step None cannot be used; give text"),
    (lambda ctx: ctx.step(doubles, "double"), "the name of step <function doubles .* cannot be used"),
    (lambda ctx: ctx.step("double", doubles, 5, key=""), "key='' cannot be used; give text"),
    (lambda ctx: ctx.step("double", doubles, 5, key=object()), "key=<object .* cannot be used; give text"),
    (lambda ctx: ctx.task(doubles, input=5, key=7), "key=7 cannot be used; give text that is not empty"),
    (lambda ctx: ctx.spawn(doubles, 5, key=""), "key='' cannot be used; give text"),
    (lambda ctx: ctx.sleep(1, key=""), "key='' cannot be used; give text"),
    (lambda ctx: ctx.patched(""), "the name of change '' cannot be used; give text"),
    (lambda ctx: ctx.patched(None), "the name of change None cannot be used; give text"),
    (lambda ctx: ctx.saga().on_failure("", doubles, 5), "the name of step '' cannot be used; give text"),
]
"""Acts that cannot be meant as they are written, and what is said of them."""


@pytest.mark.parametrize(("act", "says"), MEANINGLESS, ids=range(len(MEANINGLESS)))
@in_both_worlds
async def test_arguments_that_mean_nothing_are_refused_with_the_remedy_and_once(
    run: World, act: Callable[[Any], Any], says: str
) -> None:
    function(doubles)
    workflow(goes_round)
    tried: list[int] = []

    @function(retries={"max_attempts": 3, "initial_interval_ms": 1})
    async def acts(ctx: Context) -> None:
        tried.append(ctx.attempt)
        await act(ctx)

    with pytest.raises(ComponentError, match=says):
        await run(acts)
    assert tried == [1]


NO_ACTS: list[tuple[Callable[[Any, list[Any]], Any], str]] = [
    (lambda ctx, acts: ctx.parallel(*acts, 3), "ctx.parallel cannot await argument 3, of type int"),
    (
        lambda ctx, acts: ctx.parallel(asyncio.ensure_future(acts[0]), acts[1], None),
        "argument 3, of type NoneType",
    ),
    (lambda ctx, acts: ctx.parallel(acts), r"ctx.parallel was given a list; .* ctx\.parallel\(\*acts\)"),
    (
        lambda ctx, acts: ctx.parallel(*acts, (one for one in acts[:0])),
        r"a generator; .* ctx\.parallel\(\*acts\)",
    ),
    (lambda ctx, acts: ctx.gather(a=acts[0], b=acts[1], c=3), "ctx.gather cannot await c, of type int"),
    (lambda ctx, acts: ctx.gather({"a": acts[0], "b": acts[1]}), r"a dict; .* ctx\.gather\(\*\*acts\)"),
    (lambda ctx, acts: ctx.gather(acts[0], b=acts[1]), "takes acts, or acts by name, not both"),
]
"""What is to be done together beside two acts and is no act, and what is said of it."""


@pytest.mark.parametrize(("together", "says"), NO_ACTS)
@in_both_worlds
async def test_nothing_of_what_is_done_together_begins_where_something_is_no_act(
    run: World, together: Callable[[Any, list[Any]], Any], says: str
) -> None:
    paid: list[int] = []

    async def pay(amount: int) -> None:
        paid.append(amount)

    @workflow
    async def acts(ctx: Context) -> Any:
        try:
            await together(ctx, [ctx.step("pay", paid.append, 1), ctx.step("pay", ctx.step("all", pay(2)))])
        except ConfigurationError as error:
            await ctx.sleep(0.01)
            return str(error)

    with warnings.catch_warnings(action="error"):
        assert re.search(says, await run(acts))
        gc.collect()
    assert paid == []


# --- Calls that are made again ----------------------------------------------------------------------


@in_both_worlds
async def test_a_call_is_made_as_often_as_its_caller_says(run: World) -> None:
    calls: list[int] = []
    charge = shop(CardDeclinedError, until=3, calls=calls)

    @workflow
    async def buys(ctx: Context) -> Any:
        return await ctx.task(charge, retries={"max_attempts": 3, "initial_interval_ms": 1})

    assert await run(buys) == "charged"
    assert calls == [1, 2, 3]


@in_both_worlds
@pytest.mark.parametrize(
    ("error", "non_retryable"),
    [
        (ValueError, {ValueError}),
        (ValueError, {"ValueError"}),
        (CardDeclinedError, {ValueError}),
        (CardDeclinedError, {"ValueError"}),
        (HopelessError, set[str]()),
    ],
)
async def test_a_call_that_cannot_end_better_is_made_once(
    run: World, error: type[Exception], non_retryable: Any
) -> None:
    calls: list[int] = []
    charge = shop(error, until=9, calls=calls)

    @workflow
    async def buys(ctx: Context) -> Any:
        policy = RetryPolicy(max_attempts=3, initial_interval_s=0.001, non_retryable=non_retryable)
        return await ctx.task(charge, retries=policy)

    with pytest.raises(ComponentError, match="no"):
        await run(buys)
    assert calls == [1]


@in_both_worlds
@virtual_time
async def test_a_call_that_takes_too_long_may_be_made_again(run: World) -> None:
    calls: list[int] = []

    @function(retries=1)
    async def hangs() -> str:
        calls.append(len(calls) + 1)
        if len(calls) == 1:
            await asyncio.sleep(3_600)
        return "done"

    @workflow
    async def waits(ctx: Context) -> Any:
        return await ctx.task(hangs, timeout_ms=20_000, retries=2)

    assert await run(waits) == "done"
    assert calls == [1, 2]


async def test_a_call_that_the_journal_has_made_again_is_repeated_though_the_policy_would_not_any_more() -> (
    None
):
    refused: list[type[Exception]] = []
    charge = shop(CardDeclinedError, until=2, calls=[])

    @workflow
    async def buys(ctx: Context) -> Any:
        policy = RetryPolicy(max_attempts=2, initial_interval_s=0.001, non_retryable=frozenset(refused))
        charged = await ctx.task(charge, retries=policy)
        await ctx.sleep(3_600)
        return charged

    async with VirtualPlatform() as platform:
        run = await platform.start(buys)
        await platform.advance(minutes=1)
        refused.append(ValueError)

        assert await run.result() == "charged"


async def test_calls_made_again_survive_every_crash() -> None:
    @function(retries=1)
    async def charge(ctx: Context, nth: int) -> int:
        if nth < 9:
            raise CardDeclinedError(f"no {nth}")
        return nth

    @workflow
    async def buys(ctx: Context) -> Any:
        try:
            return await ctx.task(charge, input=1, retries={"max_attempts": 2, "initial_interval_ms": 1})
        except ComponentError as error:
            return [error.failure.error_type, error.failure.error_bases]

    survived = await crash_everywhere(buys)

    assert survived.finished.result == ["CardDeclinedError", ["ValueError"]]


# --- Children ---------------------------------------------------------------------------------------


def worker(log: list[str]) -> Any:
    """A workflow that takes its time, and says how it ended."""

    @workflow
    async def works(ctx: Context, name: str, seconds: float = 60) -> str:
        try:
            await ctx.sleep(seconds)
        except asyncio.CancelledError:
            await ctx.step("cancelled", log.append, f"{name} cancelled")
            raise
        await ctx.step("done", log.append, f"{name} done")
        return name

    return works


@in_both_worlds
@virtual_time
async def test_what_becomes_of_children_when_their_parent_ends_is_what_was_agreed(run: World) -> None:
    log: list[str] = []
    works = worker(log)

    @workflow
    async def starts(ctx: Context) -> str:
        ctx.spawn(works, "required", join="required")
        ctx.spawn(works, "attached", 3_600, join="cancel")
        ctx.spawn(works, "alone", 3_600)
        await ctx.sleep(1)
        return "done"

    assert await run(starts) == "done"
    assert log == ["required done", "attached cancelled"]


@in_both_worlds
@virtual_time
async def test_children_that_are_not_alone_end_with_a_parent_that_fails(run: World) -> None:
    log: list[str] = []
    works = worker(log)

    @workflow
    async def fails(ctx: Context) -> str:
        ctx.spawn(works, "required", join="required")
        ctx.spawn(works, "attached", join="cancel")
        await ctx.sleep(1)
        raise ValueError("no")

    with pytest.raises(ComponentError, match="no"):
        await run(fails)
    assert sorted(log) == ["attached cancelled", "required cancelled"]


@in_both_worlds
async def test_one_key_starts_one_child_whatever_asks_for_it_again(run: World) -> None:
    started: list[int] = []

    @function
    async def doubles(number: int) -> int:
        started.append(number)
        return number * 2

    @function(retries={"max_attempts": 2, "initial_interval_ms": 1})
    async def starts(ctx: Context) -> Any:
        first, again = ctx.spawn(doubles, 1, key="k"), ctx.spawn(doubles, 2, key="k")
        results = [await first.result(), await again.result()]
        if ctx.attempt == 1:
            raise ValueError("try again")
        return [results, first.run_id == again.run_id]

    assert await run(starts) == [[2, 2], True]
    assert started == [1]


@in_both_worlds
@virtual_time
async def test_a_child_that_is_cancelled_says_so_to_whoever_waits_for_it(run: World) -> None:
    works = worker([])

    @workflow
    async def cancels(ctx: Context) -> str:
        child = ctx.spawn(works, "child")
        await ctx.sleep(1)
        await child.cancel("enough")
        try:
            return await child.result()
        except ComponentError as error:
            return f"{error.failure.code}: {error.failure.message}"

    assert await run(cancels) == "cancelled: the run was cancelled: enough"


@in_both_worlds
async def test_a_child_that_nobody_knows_fails_where_its_result_is_wanted(run: World) -> None:
    @workflow
    async def asks(ctx: Context) -> str:
        child = ctx.spawn("nobody")
        try:
            return await child.result()
        except ComponentError as error:
            return error.failure.code

    assert await run(asks) == "unknown_component"


@in_both_worlds
async def test_sync_code_may_start_a_child(run: World) -> None:
    @function
    def doubles(number: int) -> int:
        return number * 2

    @workflow
    async def starts(ctx: Context) -> Any:
        children: list[Any] = []
        await ctx.step("start", lambda: children.append(ctx.spawn(doubles, 4)))
        return await children[0].result()

    assert await run(starts) == 8


@in_both_worlds
async def test_a_child_is_a_run_of_its_own(run: World) -> None:
    @workflow
    async def tells(ctx: Context) -> list[Any]:
        return [ctx.run_id, ctx.attempt]

    @workflow
    async def starts(ctx: Context) -> Any:
        child = ctx.spawn(tells)
        return [await child.result() == [child.run_id, 1], child.run_id == ctx.run_id]

    assert await run(starts) == [True, False]


# --- Calls within calls -----------------------------------------------------------------------------


@in_both_worlds
async def test_a_function_calls_another_one_of_its_service(run: World) -> None:
    @function
    async def inner(ctx: Context, number: int) -> list[Any]:
        return [number, ctx.component_type.value, ctx.metadata["component"]]

    @function
    async def outer(ctx: Context) -> Any:
        by_name = await ctx.task(ctx.metadata["service_name"], "inner", input=1)
        return [by_name, await ctx.task(inner, input={"number": 2})]

    @workflow
    async def calls(ctx: Context) -> Any:
        return await ctx.task(outer)

    assert await run(calls) == [[1, "function", "inner"], [2, "function", "inner"]]


@in_both_worlds
async def test_a_write_method_of_an_entity_calls_functions_and_a_shared_one_does_not(run: World) -> None:
    calls: list[int] = []

    @function
    async def count() -> int:
        calls.append(1)
        return len(calls)

    cart = entity("Cart")

    @cart.write
    async def fill(ctx: Context) -> Any:
        return await ctx.task(count)

    @cart.shared
    async def look(ctx: Context) -> Any:
        return await ctx.task(count)

    @workflow
    async def shops(ctx: Context) -> Any:
        await ctx.entity("Cart", "a").fill()
        return await ctx.entity("Cart", "a").look()

    with pytest.raises(ComponentError, match="Cart only reads, so it cannot call function 'count'; call it"):
        await run(shops)
    assert calls == [1]


# --- Steps ------------------------------------------------------------------------------------------


@in_both_worlds
async def test_sync_work_that_wants_an_event_loop_is_refused_once_with_the_remedy(run: World) -> None:
    tried: list[int] = []

    @workflow
    async def gathers(ctx: Context) -> Any:
        def start() -> Any:
            tried.append(1)
            return asyncio.get_running_loop()

        return await ctx.step("start", start)

    with pytest.raises(
        ComponentError, match=r"start is not async, so it runs in a thread.*write `async def`"
    ):
        await run(gathers)
    assert tried == [1]
