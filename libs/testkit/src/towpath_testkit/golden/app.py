"""The code of the golden histories. What a run has done here once is kept: change it only behind `ctx.patched`, or add.

Whoever adds a feature to the engine adds a component that uses it here, a life of it in `lives`, and records it with
`just golden`.
"""
# ruff: noqa: D103 - they are no API; what each does once, it does for ever

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

from towpath import (
    Agent,
    Context,
    FlowDefinition,
    ModelReply,
    ModelRequest,
    NonRetryableError,
    RetryPolicy,
    Session,
    WorkflowContext,
    entity,
    function,
    script,
    task_step,
    tool,
    tool_call,
    wait_signal_step,
    wait_timer_step,
    workflow,
)
from towpath.errors import ComponentError, SignalTimeoutError
from towpath.models.port import Citation
from towpath.testing.host import SERVICE
from towpath_schemas.usage import Usage

TWICE = RetryPolicy(max_attempts=2, initial_interval_s=1.0, jitter=0.0)
_tried: list[str] = []


def fails_at_first(place: str) -> str:
    """Fail once for each place."""
    _tried.append(place)
    if _tried.count(place) % 2:
        raise ConnectionError(f"{place} does not answer")
    return place


async def failure_code(failing: Awaitable[Any]) -> str:
    """Say how something fails."""
    try:
        await failing
    except ComponentError as error:
        return error.failure.code
    return "it does not fail"


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
    fails_at_first("careful")
    return first


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
        await ctx.step("flaky", fails_at_first, "flaky", retry=TWICE),
    ]
    done.append(await failure_code(ctx.step("broken", broken, "the vase")))
    return done


@workflow
async def calls(ctx: WorkflowContext) -> list[Any]:
    done: list[Any] = [
        await ctx.task(add, input={"a": 1, "b": 2}),
        await ctx.task(SERVICE, "add", input={"a": 3, "b": 4}, key="k"),
        await ctx.task(flaky, input="far away", retries=TWICE),
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


# --- Other runs ---------------------------------------------------------------------------------------


@workflow
async def grows(ctx: WorkflowContext, days: int) -> int:
    await ctx.sleep(86_400 * days)
    return days * 10


@workflow
async def fails(ctx: WorkflowContext) -> None:
    raise ValueError("no bread")


@workflow
async def parent(ctx: WorkflowContext) -> list[Any]:
    ctx.spawn(grows, 30)
    ctx.spawn(grows, 31, join="cancel")
    ctx.spawn(grows, 3, join="required")
    unwanted = ctx.spawn(grows, 40, key="unwanted")
    failing = ctx.spawn(fails)
    await unwanted.cancel("not wanted")
    done: list[Any] = [await ctx.spawn("grows", 1, service_name=SERVICE).result()]
    done.append(await failure_code(unwanted.result()))
    done.append(await failure_code(failing.result()))
    return done


@workflow
async def countdown(ctx: WorkflowContext, left: int) -> str:
    await ctx.step("count", lambda: left)
    if left:
        ctx.continue_as_new({"left": left - 1})
    return "zero"


# --- The end of a run ---------------------------------------------------------------------------------


@workflow
async def trip(ctx: WorkflowContext, to: str) -> str:
    """Undo, newest first, what was done before a failure or a cancellation."""
    async with ctx.saga() as saga:
        await ctx.step("book", lambda: f"booked {to}")
        saga.on_failure("unbook", str.upper, to)
        await ctx.task(add, input={"a": 1, "b": 2})
        saga.on_failure("take back", str.lower, to)
        if not await ctx.signal("paid", timeout_ms=86_400_000, default=False):
            raise ValueError("nobody paid")
    return f"went to {to}"


@workflow
async def stubborn(ctx: WorkflowContext) -> str:
    """Hear that it is to end, clean up by acts that take their time, and then end."""
    try:
        await ctx.signal("never")
    except asyncio.CancelledError:
        await ctx.sleep(60)
        await ctx.step("clean", lambda: "cleaned")
        raise
    return "never"


@workflow
async def unfit(ctx: WorkflowContext) -> object:
    await ctx.step("work", lambda: 1)
    return object()


# --- Code that has changed ------------------------------------------------------------------------------


@workflow
async def insured(ctx: WorkflowContext) -> list[Any]:
    done: list[Any] = [await ctx.step("pack", lambda: "packed")]
    if ctx.patched("insure"):
        done.append(await ctx.step("insure", lambda: "insured"))
    await ctx.sleep(86_400)
    return [*done, await ctx.step("ship", lambda: "shipped")]


@workflow("priced", version="1")
async def priced_first(ctx: WorkflowContext) -> int:
    await ctx.sleep(86_400)
    return await ctx.step("price", lambda: 5)


@workflow("priced", version="2")
async def priced_anew(ctx: WorkflowContext) -> int:
    fee = await ctx.step("fee", lambda: 1)
    await ctx.sleep(86_400)
    return await ctx.step("price", lambda: 5 + fee)


# --- Flows --------------------------------------------------------------------------------------------


@workflow
def flow() -> FlowDefinition:
    def task(name: str, *after: str, **options: Any) -> Any:
        return task_step(name, service_name=SERVICE, handler_name="handled", dependencies=after, **options)

    return FlowDefinition(
        [
            task("begin", input_data={"limit": 3}),
            task("left", "begin", object_keys=["user:1", "cart:2"]),
            task("right", "begin", object_keys=["cart:2"], retries=2, timeout_ms=60_000),
            wait_timer_step("night", timer_key="night", cron_expr="0 3 * * *", dependencies=["left"]),
            wait_signal_step(
                "approved",
                signal_name="approved",
                dependencies=["right", "night"],
                timeout_ms=86_400_000,
                on_timeout="escalate",
            ),
            task("escalate"),
            wait_signal_step(
                "escalated", signal_name="escalated", dependencies=["escalate"], timeout_ms=86_400_000
            ),
            task("publish", "approved", "escalated"),
        ]
    )


# --- Entities -----------------------------------------------------------------------------------------

account = entity("Account")


@account.write
async def deposit(ctx: Context, amount: int) -> int:
    if amount < 0:
        raise ValueError("a deposit is not negative")
    balance = await ctx.get("balance", 0) + amount
    ctx.set("balance", balance)
    return balance


@account.shared
async def balance(ctx: Context) -> int:
    return await ctx.get("balance", 0)


@workflow
async def banking(ctx: WorkflowContext) -> list[Any]:
    ada = ctx.entity("Account", "ada")
    done: list[Any] = [await ada.deposit(5), await ada.balance()]
    try:
        await ada.deposit(amount=-1)
    except ComponentError as error:
        done.append(error.failure.message)
    return done


# --- Models and agents ----------------------------------------------------------------------------------


@tool
async def look_up(city: str) -> str:
    """Look up the weather."""
    if city == "Atlantis":
        raise LookupError("no such city")
    return f"rain in {city}"


def _says(request: ModelRequest) -> str:
    return '{"sunny": false}' if request.answer_schema else "It rains all day."


script("golden-oracle", _says)
script(
    "golden-desk",
    [
        (tool_call("look_up", city="Oslo"), tool_call("look_up", city="Atlantis")),
        tool_call("transfer_to_poet"),
    ],
)
script(
    "golden-till",
    lambda _request: ModelReply(
        text="Here.",
        usage=Usage(input_tokens=8, output_tokens=1, cost=0.25),
        reasoning_signature="sealed",
        citations=(Citation(title="Prices", url="https://shop.example", start=0, end=4),),
    ),
)
script("golden-poet", lambda _request: "Rain, rain, rain.")

poet = Agent(name="poet", model="test/golden-poet", instructions="Rhyme.")
desk = Agent(name="desk", model="test/golden-desk", tools=[look_up], handoffs=[poet])
till = Agent(name="till", model="test/golden-till")
lost = Agent(name="lost", model="test/golden-desk", tools=[look_up], max_iterations=1)


@workflow
async def asks_agents(ctx: WorkflowContext, question: str) -> list[Any]:
    together = await asyncio.gather(poet.run(question), desk.run(question))
    in_step = await ctx.step("ask", poet.run(question))
    short = await lost.run(question)
    return [*(one.output for one in together), in_step.output, short.status]


@workflow
async def asks_models(ctx: WorkflowContext) -> list[Any]:
    told = await ctx.llm.generate("How is it?", model="test/golden-oracle")
    schema = {"type": "object", "properties": {"sunny": {"type": "boolean"}}, "required": ["sunny"]}
    structured = await ctx.llm.generate("Is it sunny?", model="test/golden-oracle", schema=schema)
    told_in_pieces = ctx.llm.stream("And now?", model="test/golden-oracle")
    whole = "".join([piece.text async for piece in told_in_pieces])
    silence = await failure_code(ctx.llm.generate("What now?", model="test/golden-silence"))
    return [told.text, structured.object, whole, silence]


def _is_silent(_request: ModelRequest) -> str:
    raise ValueError("the oracle is silent")


script("golden-silence", _is_silent)


# --- Memories -------------------------------------------------------------------------------------------


@workflow
async def remembers(ctx: WorkflowContext) -> list[Any]:
    await ctx.memory.set("tea", "Ada drinks oolong")
    await ctx.memory.append("cities", "Oslo")
    found = await ctx.memory.search("What does Ada drink?", limit=1)
    forgot = await ctx.memory.delete("tea")
    return [
        [one.content for one in found],
        forgot,
        await ctx.memory.get("tea"),
        await ctx.memory.get("cities"),
    ]


# --- Sessions -------------------------------------------------------------------------------------------


@workflow
async def chats(ctx: WorkflowContext) -> list[Any]:
    session = Session("golden", user_id="ada")
    session.set_state("city", "Oslo", scope="user")
    await session.send_message("It rained before.", role="assistant")
    said = await poet.run("How is it?", session=session)
    with ctx.in_session(session):
        await ctx.step("note", lambda: "noted")
    await session.prune("keep_summary", model="test/golden-oracle")
    await session.load()
    return [
        said.output,
        [one.content for one in await session.history()],
        session.get_state("city", scope="user"),
    ]


@workflow
async def confides(ctx: WorkflowContext) -> int:
    with ctx.in_session(Session("golden-ada", user_id="ada", app_name="shop")):
        return await ctx.task(add, input={"a": 1, "b": 2})
