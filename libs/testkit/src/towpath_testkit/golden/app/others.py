"""What a run has to do with others, and what becomes of it: children, ends, versions, flows, entities, agents, memories."""
# ruff: noqa: D103 - they are no API; what each does once, it does for ever

import asyncio
from typing import Any

from towpath import (
    Agent,
    Context,
    FlowDefinition,
    ModelReply,
    ModelRequest,
    Session,
    WorkflowContext,
    entity,
    script,
    task_step,
    tool,
    tool_call,
    wait_signal_step,
    wait_timer_step,
    workflow,
)
from towpath.errors import ComponentError
from towpath.models.port import Citation
from towpath.testing import fault
from towpath.testing.host import SERVICE
from towpath_schemas.usage import Usage
from towpath_testkit.golden.failing import failure_code, given_up, is_away

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
        await ctx.task(SERVICE, "add", input={"a": 1, "b": 2})
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


@tool
async def travel(city: str) -> str:
    """Go there, which takes long."""
    await asyncio.sleep(30)
    return f"in {city}"


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
script("golden-traveller", lambda _request: tool_call("travel", city="Oslo"))
script("golden-poet", lambda _request: "Rain, rain, rain.")
script("golden-clerk", lambda _request: fault("model_throttled") if is_away("clerk") else "Here.")

poet = Agent(name="poet", model="test/golden-poet", instructions="Rhyme.")
desk = Agent(name="desk", model="test/golden-desk", tools=[look_up], handoffs=[poet])
till = Agent(name="till", model="test/golden-till")
traveller = Agent(name="traveller", model="test/golden-traveller", tools=[travel])
clerk = Agent(name="clerk", model="test/golden-clerk")
lost = Agent(name="lost", model="test/golden-desk", tools=[look_up], max_iterations=1)


@workflow
async def hurries_an_agent(_ctx: WorkflowContext) -> bool:
    return await given_up(traveller.run("Go!"))


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
async def insists(_ctx: WorkflowContext) -> str:
    return (await clerk.run("Anybody here?", session=Session("golden-bob", user_id="bob"))).output


@workflow
async def confides(ctx: WorkflowContext) -> int:
    with ctx.in_session(Session("golden-ada", user_id="ada", app_name="shop")):
        return await ctx.task(SERVICE, "add", input={"a": 1, "b": 2})
