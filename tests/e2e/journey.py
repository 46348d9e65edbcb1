"""User code of the end-to-end tests: a run of twenty acts of every kind, and the outside world it changes.

The outside world is a folder: `effects/` has one file for each effect, named by its idempotency key, as a payment
provider would have it; `attempts` has one line each time somebody tried.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from towpath import Agent, Context, WorkflowContext, entity, function, script, tool, workflow
from towpath.models.port import ModelRequest
from towpath.models.scripted import tool_call
from towpath.tools.calls import ToolCall

WORLD = Path(os.environ["JOURNEY_WORLD"])  # noqa: TID251 - user code reads what it likes
LEGS = 4


def effect(key: str, what: str) -> str:
    """Change the world, once for each key; tell what the first one did."""
    with (WORLD / "attempts").open("a") as attempts:
        attempts.write(f"{key} {what}\n")
    file = WORLD / "effects" / key
    draft = WORLD / f"{key}-{os.getpid()}"
    draft.write_text(what)
    with suppress(FileExistsError):
        os.link(draft, file)  # all of it at once, or nothing: the process may be killed at any moment
    draft.unlink()
    return file.read_text()


async def note(run: str, leg: int) -> str:
    return effect(f"{run}-note-{leg}", f"note {leg}")


@function(retries=3)
def toll(ctx: Context, leg: int) -> str:
    return effect(ctx.idempotency_key, f"toll {leg}")


@tool(idempotent=True)
async def stamp(ctx: Context, leg: int) -> str:
    """Stamp the papers.

    Args:
        leg: Which leg of the journey.
    """
    return effect(ctx.idempotency_key, f"stamp {leg}")


def _clerk(request: ModelRequest) -> ToolCall | str:
    stamped = [message.content for message in request.messages if message.role == "tool"]
    leg = int(request.messages[0].content.rsplit(" ", 1)[1])
    return f"done: {stamped[-1]}" if stamped else tool_call("stamp", leg=leg)


script("clerk", _clerk)
clerk = Agent(name="clerk", model="test/clerk", instructions="Stamp papers.", tools=[stamp])


@tool
async def weigh(what: str) -> str:
    """Weigh something, which takes a moment."""
    await asyncio.sleep(0.4)
    return f"{what}: 12 kg"


def _porter(request: ModelRequest) -> ToolCall | str:
    return "weighed" if request.messages[-1].role == "tool" else tool_call("weigh", what="trunk")


script("porter", _porter)
porters = [Agent(name=name, model="test/porter", tools=[weigh]) for name in ("porter", "second_porter")]

milestones = entity("Milestones")


@milestones.write
async def passed(ctx: Context, run: str, leg: int) -> int:
    legs = await ctx.get("legs", [])
    ctx.set("legs", [*legs, f"{run}-{leg}"])
    return len(legs) + 1


@milestones.shared
async def legs(ctx: Context) -> list[str]:
    return await ctx.get("legs", [])


@workflow
async def journey(ctx: WorkflowContext, road: str) -> dict[str, Any]:
    """Make four legs of five acts: a clock reading, a step, a function, an agent with a tool, an entity."""
    log: list[list[Any]] = []
    for leg in range(LEGS):
        left_at = ctx.now()
        noted = await ctx.step("note", note, ctx.run_id, leg)
        paid = await ctx.task(toll, input={"leg": leg})
        stamped = await clerk.run(f"please stamp leg {leg}")
        await ctx.entity("Milestones", road).passed(ctx.run_id, leg)
        log.append([noted, paid, stamped.output, left_at <= ctx.now()])
    return {"legs": log}


@workflow
async def vigil(ctx: WorkflowContext, until: float) -> str:
    """Sleep until a moment, and ring a bell."""
    await ctx.sleep(max(0.0, until - ctx.now().timestamp()))
    return await ctx.step("ring", effect, f"{ctx.run_id}-ring", "rang")
