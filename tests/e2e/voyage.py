"""User code of the crash-point tests: forty acts of every kind that a run may do, and the world they change."""

from typing import Any

from journey import WORLD, clerk, milestones, note, passed, stamp, toll

from towpath import WorkflowContext, workflow

__all__ = ["WORLD", "clerk", "milestones", "passed", "stamp", "voyage"]

LEGS = 5


@workflow
async def voyage(ctx: WorkflowContext, road: str) -> dict[str, Any]:
    """Make five legs of seven acts, wait for a moment, a signal and a person, and undo nothing."""
    log: list[list[Any]] = []
    for leg in range(LEGS):
        ctx.now()
        noted = await ctx.step("note", note, ctx.run_id, leg)
        paid = await ctx.task(toll, input={"leg": leg})
        stamped = await clerk.run(f"please stamp leg {leg}")
        await ctx.entity("Milestones", road).passed(ctx.run_id, leg)
        await ctx.timer(5)
        log.append([noted, paid, stamped.output])
    await ctx.timer(1_500)
    cargo = await ctx.signal("cargo")
    allowed = await ctx.human.approval("land", payload={"cargo": cargo}, required_roles=["harbour"])
    return {"legs": log, "cargo": cargo, "landed": [allowed.decision, allowed.approver]}
