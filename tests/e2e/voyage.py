"""User code of the crash-point tests: forty acts of every kind that a run may do, and the world they change."""

from typing import Any

from journey import WORLD, clerk, effect, milestones, note, passed, stamp, toll

from towpath import RetryPolicy, WorkflowContext, workflow
from towpath.scopes import current_scope

__all__ = ["WORLD", "clerk", "milestones", "passed", "stamp", "voyage"]

LEGS = 5
SEARCHED = RetryPolicy(max_attempts=3, backoff="constant", initial_interval_s=0.02)


async def search(run: str) -> str:
    """Be a step that fails twice."""
    attempt = current_scope().attempt
    found = effect(f"{run}-search-{attempt}", f"search {attempt}")
    if attempt < SEARCHED.max_attempts:
        raise ConnectionError("nobody is at the customs house")
    return found


@workflow
async def voyage(ctx: WorkflowContext, road: str) -> dict[str, Any]:
    """Make five legs of seven acts, be searched at the third attempt, wait for a moment, a signal and a person."""
    log: list[list[Any]] = []
    for leg in range(LEGS):
        ctx.now()
        noted = await ctx.step("note", note, ctx.run_id, leg)
        paid = await ctx.task(toll, input={"leg": leg})
        stamped = await clerk.run(f"please stamp leg {leg}")
        await ctx.entity("Milestones", road).passed(ctx.run_id, leg)
        await ctx.timer(5)
        log.append([noted, paid, stamped.output])
    searched = await ctx.step("search", search, ctx.run_id, retry=SEARCHED)
    await ctx.timer(1_500)
    cargo = await ctx.signal("cargo")
    allowed = await ctx.human.approval("land", payload={"cargo": cargo}, required_roles=["harbour"])
    landed = [allowed.decision, allowed.approver]
    return {"legs": log, "searched": searched, "cargo": cargo, "landed": landed}
