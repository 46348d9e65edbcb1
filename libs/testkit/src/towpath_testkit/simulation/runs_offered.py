"""User code to simulate: runs of every kind of act, whose results say nothing of when or how often they were done."""

import asyncio
from typing import Any

from towpath import (
    Agent,
    Context,
    NonRetryableError,
    RetryPolicy,
    WorkflowContext,
    function,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.models.port import ModelRequest
from towpath.scopes import current_scope
from towpath_testkit.simulation.effects import effect, step_effect

FORDED = RetryPolicy(max_attempts=3, initial_interval_s=0.5, multiplier=4, jitter=0)
"""How often a river is tried: after a wait in which the run is held, and one in which it is not."""


async def note(run_id: str, name: str, takes_s: float = 0.0) -> str:
    """Be a step: change the world, and return the name, which is one of a kind in its run."""
    effect(step_effect(run_id, name))
    await asyncio.sleep(takes_s)
    return name


async def ford(ctx: Context) -> str:
    """Be a step that fails twice; it changes the world in each attempt, and returns what its last has changed."""
    attempt = current_scope().attempt
    crossing = f"{ctx.step_id} {attempt}"
    effect(step_effect(ctx.run_id, crossing))
    if attempt < FORDED.max_attempts:
        raise ConnectionError("the river is too high")
    return crossing


def noted(ctx: Context, name: str, takes_s: float = 0.0) -> Any:
    """Do the step of a name; the first word of it is what the run calls it."""
    return ctx.step(name.split(" ", 1)[0], note, ctx.run_id, name, takes_s)


def offer_runs() -> None:  # noqa: C901, PLR0915 - one component after the other
    """Offer runs of every kind of act that needs nobody from outside but signals."""

    @function(retries=3)
    async def toll(ctx: Context, leg: int) -> str:
        effect(ctx.idempotency_key)
        await asyncio.sleep(0.05 * leg)
        return f"toll {leg}"

    @tool(idempotent=True)
    async def stamp(ctx: Context, leg: int) -> str:
        """Stamp the papers."""
        effect(ctx.idempotency_key)
        return f"stamp {leg}"

    @tool(idempotent=False)
    async def gamble(ctx: Context) -> str:
        """Gamble."""
        effect(ctx.idempotency_key)
        await asyncio.sleep(0.3)
        return "won"

    def clerks_reply(request: ModelRequest) -> Any:
        stamped = [message.content for message in request.messages if message.role == "tool"]
        leg = int(request.messages[0].content.rsplit(" ", 1)[1])
        return f"done: {stamped[-1]}" if stamped else tool_call("stamp", leg=leg)

    def gamblers_reply(request: ModelRequest) -> Any:
        gambled = any(message.role == "tool" for message in request.messages)
        return "whatever came of it" if gambled else tool_call("gamble")

    script("simulated-clerk", clerks_reply, delay_s=0.02)
    script("simulated-gambler", gamblers_reply)
    clerk = Agent(name="clerk", model="test/simulated-clerk", instructions="Stamp.", tools=[stamp])
    gambler = Agent(name="gambler", model="test/simulated-gambler", instructions="Dare.", tools=[gamble])

    @workflow
    async def mission(ctx: WorkflowContext, legs: int) -> list[Any]:
        """Act in every way, wait for moments near and far."""
        done: list[Any] = []
        for leg in range(legs):
            left_at = ctx.now()
            done.append(await noted(ctx, f"note {leg}"))
            done.append(await ctx.task(toll, input={"leg": leg}))
            done.append((await clerk.run(f"please stamp leg {leg}")).output)
            await ctx.timer(400)
            done.append(left_at <= ctx.now())
        done.append(await ctx.step("ford", ford, ctx, retry=FORDED))
        await ctx.timer(3_500)
        return [*done, await noted(ctx, "home")]

    @workflow
    async def caravan(ctx: WorkflowContext, carts: int) -> list[Any]:
        """Act in many places at the same time, some in tasks of the code's own."""

        async def drive(cart: int) -> list[Any]:
            loaded = await noted(ctx, f"load {cart}", 0.1 * cart)
            return [loaded, await ctx.task(toll, input={"leg": cart}), await noted(ctx, f"unload {cart}")]

        driven = await asyncio.gather(*(drive(cart) for cart in range(carts)))
        first, second, third = await ctx.parallel(
            ctx.task(toll, input={"leg": 5}),
            noted(ctx, "feed the animals", 0.2),
            ctx.step("ford", ford, ctx, retry=FORDED),
        )
        async with asyncio.TaskGroup() as camping:
            tents = [camping.create_task(drive(cart)) for cart in (10, 11)]
            await ctx.timer(1_200)
        return [driven, first, second, third, [tent.result() for tent in tents]]

    @workflow
    async def relay(ctx: WorkflowContext, left: int) -> Any:
        """Go on as another run, and have children on the way."""
        await noted(ctx, f"run {left}")
        if left:
            ctx.continue_as_new({"left": left - 1})
        near = ctx.spawn(scout, "east", ctx.run_id)
        far = ctx.spawn(scout, "west", ctx.run_id, join="required")
        seen = [await ctx.signal("seen-east"), await ctx.signal("seen-west")]
        return [seen, await near.result(), await far.result()]

    @workflow
    async def scout(ctx: WorkflowContext, where: str, to: str) -> str:
        """Look around, and send word to the parent."""
        await noted(ctx, f"look {where}", 0.1)
        await ctx.signal.emit(f"seen-{where}", f"nothing in the {where}", run_id=to)
        await ctx.timer(1_500)
        return f"{where} is clear"

    @workflow
    async def siege(ctx: WorkflowContext) -> list[Any]:
        """Wait for signals, for long, and undo what was done when it fails."""
        water, food = await asyncio.gather(ctx.signal("water"), ctx.signal("food"))
        undone: list[Any] = []
        try:
            async with ctx.saga() as saga:
                await noted(ctx, "dig")
                saga.on_failure("fill", note, ctx.run_id, "fill in")
                await ctx.task(collapse)
        except Exception as error:  # noqa: BLE001 - that it fails is the point
            undone.append(type(error).__name__)
        return [water, food, undone]

    @function(retries=2)
    async def collapse(ctx: Context) -> None:
        effect(ctx.idempotency_key)
        raise NonRetryableError("the tunnel collapsed")

    @function
    async def errand(ctx: Context, leg: int) -> Any:
        """Be a function that is a run, and acts."""
        return [await noted(ctx, "leave"), await ctx.task(toll, input={"leg": leg})]

    @workflow
    async def risk(ctx: WorkflowContext) -> str:
        """Do what is never done twice."""
        await ctx.timer(300)
        return (await gambler.run("try your luck")).output
