"""User code of the benchmark: steps that do nothing, a handler that says when it began, an entity that counts."""

import time

from towpath import Context, WorkflowContext, entity, function, workflow

RESULT = "x" * 100


async def nothing(_number: int) -> str:
    return RESULT


@workflow
async def steps(ctx: WorkflowContext, count: int) -> int:
    """Do `count` steps, one after the other."""
    for number in range(count):
        await ctx.step("nothing", nothing, number)
    return count


@function
async def began() -> float:
    """Tell when the first line ran, in seconds since 1970."""
    return time.time()


counter = entity("Counter")


@counter.write
async def count(ctx: Context) -> int:
    """Count the calls."""
    calls = await ctx.get("calls", 0) + 1
    ctx.set("calls", calls)
    return calls
