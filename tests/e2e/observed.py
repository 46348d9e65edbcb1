"""User code of the end-to-end test of telemetry and secrets: it measures, traces, and is careless with a secret."""

from typing import Any

from towpath import Context, WorkflowContext, entity, function, script, workflow

script("parrot", lambda request: f"You said: {request.messages[0].content}")
book = entity("Book")


@book.write
async def note(ctx: Context) -> None:
    ctx.metrics().increment("orders", kind="write")
    with ctx.trace_span().start("noted"):
        await ctx.entity("Book", "copy").copied()


@book.write
async def copied(ctx: Context) -> None:
    with ctx.trace_span().start("copied"):
        ctx.set("notes", 1)


@book.shared
async def notes(ctx: Context) -> int:
    ctx.metrics().increment("orders", kind="shared")
    with ctx.trace_span().start("looked-up"):
        return await ctx.get("notes", 0)


@function(retries=1)
def charge(ctx: Context, amount: int) -> str:
    word = ctx.secrets().get("gate")
    ctx.log("charging", amount=amount, word=word)
    ctx.metrics().increment("orders", kind="charge")
    with ctx.trace_span().start("charge-card", word=word):
        raise ValueError(f"{word} is not accepted for marker-{amount}")


@workflow
async def observed(ctx: WorkflowContext) -> dict[str, Any]:
    word = ctx.secrets().get("gate")
    ctx.log(f"opening with {word}")
    ctx.metrics().increment("orders", kind="workflow")
    with ctx.trace_span().start("whole"):
        said = (await ctx.llm.generate(f"The word is {word}.", model="test/parrot")).text
        await ctx.entity("Book", "orders").note()
        known = await ctx.entity("Book", "copy").notes()
        return {"said": said, "told": [await _told(ctx, word), await _told(ctx, 7)], "known": known}


async def _told(ctx: WorkflowContext, amount: Any) -> str:
    """Charge, and tell what came of it; what holds a secret is no amount."""
    try:
        await ctx.task(charge, input={"amount": amount})
    except Exception as error:  # noqa: BLE001 - each says why
        return str(error)
    return "charged"
