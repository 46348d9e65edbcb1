"""What the code of a run does: functions, steps and calls, branches, waits."""
# ruff: noqa: D103 - they are no API; what each does once, it does for ever

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

from towpath import Context, NonRetryableError, RetryPolicy, WorkflowContext, function, workflow
from towpath.errors import ComponentError, SignalTimeoutError
from towpath.testing.host import SERVICE
from towpath_testkit.golden.failing import fails_at_first, failure_code, given_up

THRICE = RetryPolicy(max_attempts=3, initial_interval_s=1.0, jitter=0.0)

# --- Functions ----------------------------------------------------------------------------------------


@function
async def add(a: int, b: int) -> int:
    return a + b


@function(retries=2)
async def flaky(place: str) -> str:
    return fails_at_first(place)


@function
async def broken(what: str) -> None:
    raise NonRetryableError(f"{what} is broken")


@function
async def slow() -> None:
    await asyncio.Event().wait()


@function
async def spelled(ctx: Context, word: str) -> AsyncGenerator[str]:
    for letter in word:
        yield await ctx.step("letter", letter.upper)


@function(retries=2)
async def careful(ctx: Context) -> str:
    """Keep what the first attempt has done when the second does the rest."""
    first = await ctx.step("first", lambda: "done once")
    if ctx.attempt == 1:
        raise ConnectionError("careful does not answer")
    return first


@function(retries=RetryPolicy(max_attempts=3, initial_interval_s=20.0, jitter=0.0))
async def persistent(ctx: Context, failures: int) -> list[Any]:
    """Fail so often; each attempt gives up a wait, calls with arguments of its own, and does one step for all of them."""
    waiting = asyncio.ensure_future(ctx.signal("never"))
    done: list[Any] = [
        await ctx.step("first", lambda: "done once"),
        await ctx.step("flaky", fails_at_first, "persistent"),
    ]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    done.append(await ctx.task(add, input={"a": ctx.attempt, "b": 1}))
    if ctx.attempt <= failures:
        raise ConnectionError(f"attempt {ctx.attempt} fails")
    return done


@function
async def handled(
    input: Any = None,  # noqa: A002 - as a flow names it
    deps: Any = None,
    limit: int = 0,
) -> Any:
    return {"of": sorted(deps or {}), "input": input, "limit": limit}


# --- Steps and calls ------------------------------------------------------------------------------------


@workflow
async def steps(ctx: WorkflowContext, name: str) -> list[Any]:
    async def outer() -> list[Any]:
        return [await ctx.step("inner", lambda: 1), await ctx.task(add, input={"a": 1, "b": 2})]

    done: list[Any] = [
        await ctx.step("greet", lambda: f"hello {name}"),
        await ctx.step("greet", lambda: f"bye {name}"),
        await ctx.step("keyed", len, name, key="k"),
        await ctx.step("outer", outer),
        await ctx.step("flaky", fails_at_first, "flaky", retry=THRICE),
    ]
    done.append(await failure_code(ctx.step("broken", broken, "the vase")))
    return done


@workflow
async def calls(ctx: WorkflowContext) -> list[Any]:
    done: list[Any] = [
        await ctx.task(add, input={"a": 1, "b": 2}),
        await ctx.task(SERVICE, "add", input={"a": 3, "b": 4}, key="k"),
        await ctx.task(flaky, input="far away", retries=THRICE),
    ]
    done.append(await failure_code(ctx.task(broken, input="the vase")))
    done.append(await failure_code(ctx.task(slow, timeout_ms=60_000)))
    return done


@workflow
async def values(ctx: WorkflowContext) -> list[Any]:
    config = ctx.config()
    drawn = [ctx.now().isoformat(), str(ctx.uuid()), ctx.random(), ctx.random()]
    drawn += [config.get("limit", default=3), config.variant("colour", default="red")]
    ctx.set("drawn", len(drawn))
    await ctx.sleep(60)
    return [*drawn, ctx.now().isoformat(), await ctx.get("drawn"), ctx.headers().get("x-caller")]


@workflow
async def state_in_steps(ctx: WorkflowContext) -> list[Any]:
    async def count(by: int) -> int:
        ctx.set("counted", await ctx.get("counted", 0) + by)
        return by

    def forget() -> None:
        ctx.delete("old")

    async def twice() -> int:
        return await count(1) + await ctx.step("inner", count, 2)

    ctx.set("old", "kept until the step ends")
    counted = [await ctx.step("count", count, 5), await ctx.step("twice", twice)]
    await ctx.step("forget", forget)
    await ctx.sleep(60)
    return [*counted, await ctx.get("counted"), await ctx.get("old", "gone")]


@workflow
async def given_acts(ctx: WorkflowContext) -> list[Any]:
    async def inside() -> int:
        return await ctx.step("inside", lambda: 4)

    return [
        await ctx.step("call", ctx.task(add, input={"a": 1, "b": 2})),
        await ctx.step("together", asyncio.gather(ctx.sleep(5), inside())),
        await ctx.sleep(60),
    ]


# --- Branches -----------------------------------------------------------------------------------------


@workflow
async def branches(ctx: WorkflowContext) -> list[Any]:
    async def branch(number: int) -> list[Any]:
        await ctx.sleep(10 - number)
        return [await ctx.step("work", lambda: number), await ctx.task(add, input={"a": number, "b": 1})]

    both = await ctx.parallel(ctx.task(add, input={"a": 1, "b": 1}), ctx.step("b", lambda: 2))
    named = await ctx.gather(one=ctx.step("one", lambda: 1), two=ctx.sleep(2))
    mixed = await ctx.gather(ctx.task(broken, input="a"), ctx.step("c", lambda: 3), return_exceptions=True)
    plain = await asyncio.gather(branch(1), branch(2))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(branch(number)) for number in (3, 4)]
    with ctx.scope("scope", agent="helper"):
        scoped = await ctx.step("work", lambda: 5)
    return [both, named, str(mixed[0]), mixed[1], plain, [task.result() for task in tasks], scoped]


@workflow
async def stopped_branches(ctx: WorkflowContext) -> str:
    """The first failure stops the others, which are waiting."""
    try:
        await ctx.parallel(ctx.signal("never"), ctx.task(broken, input="a"), ctx.sleep(3_600))
    except ComponentError as error:
        return error.failure.message
    return "nothing failed"


@workflow
async def race(ctx: WorkflowContext) -> str:
    return await _first(ctx)


@workflow
async def patient_race(ctx: WorkflowContext) -> list[Any]:
    return [await _first(ctx), await ctx.signal("paid")]


@workflow
async def impatient(ctx: WorkflowContext) -> list[Any]:
    """Give up a step, a call and a child, whose answers come while it does something else."""
    child = ctx.spawn(lasting, 30)
    hurried = [
        await given_up(ctx.step("lasting", asyncio.sleep, 30)),
        await given_up(ctx.task(lasts, input=30)),
        await given_up(child.result()),
    ]
    await ctx.sleep(120)
    return [*hurried, await ctx.step("meanwhile", lambda: "done"), await child.result()]


@function
async def lasts(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "at last"


@workflow
async def lasting(ctx: WorkflowContext, seconds: float) -> str:
    await ctx.sleep(seconds)
    return "at last"


async def _first(ctx: WorkflowContext) -> str:
    paid, late = asyncio.ensure_future(ctx.signal("paid")), asyncio.ensure_future(ctx.sleep(3_600))
    done, waiting = await asyncio.wait({paid, late}, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return await ctx.step("won", lambda: "paid" if paid in done else "late")


# --- Waiting ------------------------------------------------------------------------------------------


@workflow
async def timers(ctx: WorkflowContext) -> str:
    await ctx.timer(delay_ms=500)
    await ctx.sleep(timedelta(days=30))
    await ctx.timer(cron="0 3 * * *", tz="Europe/Amsterdam")
    await ctx.timer(until=datetime(2026, 1, 1, tzinfo=UTC), key="new year")
    return ctx.now().isoformat()


@workflow
async def signals(ctx: WorkflowContext) -> list[Any]:
    await ctx.sleep(60)
    got: list[Any] = [await ctx.signal("early"), await ctx.signal("late", timeout_ms=60_000)]
    got.append(await ctx.signal("never", timeout_ms=60_000, default="a default"))
    try:
        await ctx.signal("never", timeout_ms=60_000)
    except SignalTimeoutError:
        got.append("none came")
    return got


@workflow
async def sender(ctx: WorkflowContext, to: str) -> None:
    await ctx.signal.emit("early", {"from": ctx.run_id}, run_id=to)
    await ctx.signal.emit("nobody waits")


@workflow
async def approvals(ctx: WorkflowContext) -> list[Any]:
    decided = [
        await ctx.human.approval("deploy", {"version": 2}, required_roles=["ops", "boss"]),
        await ctx.human.approval("announce", timeout=timedelta(days=1)),
        await ctx.human.approval("celebrate", timeout=3_600),
    ]
    return [[one.decision, one.approver, one.comment] for one in decided]
