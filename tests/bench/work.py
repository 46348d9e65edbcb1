"""User code of the benchmark: steps that do nothing, and a handler that says when it began."""

import time

from towpath import WorkflowContext, function, workflow

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
