"""User code to simulate: what runs share, which is entities and a session, and limits on how many work at once."""

from typing import Any

from towpath import (
    Agent,
    ComponentError,
    Concurrency,
    Context,
    Session,
    Singleton,
    WorkflowContext,
    entity,
    function,
    script,
    workflow,
)
from towpath.models.port import ModelRequest
from towpath_testkit.simulation.runs_offered import note, noted

FUNDS = 100
"""What every purse begins with."""
CROWD = 2
"""So many runs of the guild may work at once."""
DIARY = "diary"
"""The session in which the chronicler speaks."""


def offer_shared() -> None:
    """Offer entities, runs that call them and speak in a session, and runs with limits."""
    _offer_entities()
    _offer_callers()
    _offer_limited()
    _offer_speakers()


def _offer_entities() -> None:
    chronicle, purse = entity("Chronicle"), entity("Purse")

    @chronicle.write
    async def add(ctx: Context, item: str) -> int:
        items = [*await ctx.get("items", []), item]
        ctx.set("items", items)
        return len(items)

    @chronicle.shared
    async def items(ctx: Context) -> list[str]:
        return await ctx.get("items", [])

    @purse.write
    async def take(ctx: Context, amount: int) -> int:
        left = await ctx.get("balance", FUNDS) - amount
        if left < 0:
            raise ValueError("there is not enough")
        ctx.set("balance", left)
        return left

    @purse.write
    async def give(ctx: Context, amount: int) -> int:
        ctx.set("balance", await ctx.get("balance", FUNDS) + amount)
        return await ctx.get("balance")

    @purse.shared
    async def balance(ctx: Context) -> int:
        return await ctx.get("balance", FUNDS)


def _offer_callers() -> None:
    @function(retries=3)
    async def messenger(ctx: Context, item: str) -> str:
        """Be a function that writes to an entity: its run has no record of that."""
        await ctx.entity("Chronicle", "town").add(item)
        return item

    @workflow
    async def scribe(ctx: WorkflowContext, name: str) -> list[Any]:
        """Write to what others write to as well, and see one's own writing there."""
        town, done = ctx.entity("Chronicle", "town"), list[Any]()
        place = await town.add(name)
        await ctx.timer(500)
        done.append((await town.items())[place - 1] == name)
        done.append(await ctx.task(messenger, input={"item": f"{name} by messenger"}))
        return done

    @workflow
    async def banker(ctx: WorkflowContext, source: str, target: str) -> list[Any]:
        """Move what there is, all or nothing; once more than there is."""
        done: list[Any] = []
        for amount in (10, 1_000):
            transfer = ctx.transaction()
            transfer.entity("Purse", target).give(amount)
            transfer.entity("Purse", source).take(amount)
            try:
                await transfer.commit()
                done.append(amount)
            except ComponentError as error:
                done.append(error.failure.error_type)
        return done

    @workflow
    async def petition(ctx: WorkflowContext) -> list[Any]:
        """Ask a person, and say what was decided."""
        decided = await ctx.human.approval("taxes", {"rate": 3}, required_roles=["mayor"])
        return [decided.decision, decided.approver, await noted(ctx, "obey")]

    @workflow
    async def voyage(ctx: WorkflowContext) -> str:
        """Be cancelled while waiting, and undo what was done."""
        async with ctx.saga() as saga:
            await ctx.entity("Chronicle", "town").add("set sail")
            await noted(ctx, "embark")
            saga.on_failure("disembark", note, ctx.run_id, "disembark")
            await ctx.signal("land")
        return "there"


def _offer_limited() -> None:
    @workflow(limits=[Concurrency(CROWD)])
    async def guild(ctx: WorkflowContext, place: int) -> str:
        """Work while few others do."""
        return await noted(ctx, f"work {place}", 1.5)

    @workflow(limits=[Singleton()])
    async def herald(ctx: WorkflowContext) -> str:
        """Be the only one."""
        await ctx.timer(1_200)
        return await noted(ctx, "cry", 0.2)


def _offer_speakers() -> None:
    def spoken(request: ModelRequest) -> str:
        return f"noted: {request.messages[-1].content}"

    script("simulated-chronicler", spoken)
    chronicler = Agent(name="chronicler", model="test/simulated-chronicler", instructions="Note.")

    @workflow
    async def dictation(ctx: WorkflowContext, words: str) -> str:
        """Speak to an agent in a session that others use as well."""
        return (await chronicler.run(words, session=Session(DIARY))).output
