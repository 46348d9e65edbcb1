"""User code of the benchmark of what waits, fans out and grows; each handler tells its own times."""

import asyncio
import time
from typing import Any

from towpath import WorkflowContext, workflow


async def nothing(number: int) -> int:
    return number


@workflow
async def leaf(ctx: WorkflowContext, number: int) -> int:
    return number


@workflow
async def in_a_row(ctx: WorkflowContext, count: int) -> float:
    """P3: do `count` steps one after the other; tell how long that took, in seconds."""
    began = time.perf_counter()
    for number in range(count):
        await ctx.step("nothing", nothing, number)
    return time.perf_counter() - began


@workflow
async def fan_out(ctx: WorkflowContext, count: int, of: str) -> float:
    """P4: do `count` steps, or child runs, at the same time; tell how long that took, in seconds."""
    began = time.perf_counter()
    if of == "steps":
        await asyncio.gather(*(ctx.step("nothing", nothing, number) for number in range(count)))
    else:
        await asyncio.gather(*[ctx.spawn(leaf, number).result() for number in range(count)])
    return time.perf_counter() - began


@workflow
async def waits(ctx: WorkflowContext, name: str) -> float:
    """P9, P10: wait for a signal; tell when the next line ran, in seconds since 1970."""
    await ctx.signal(name)
    return time.time()


@workflow
async def grows(ctx: WorkflowContext, count: int) -> list[float]:
    """P13: do `count` steps; tell how long each tenth of them took, in seconds."""
    took: list[float] = []
    for tenth in range(10):
        began = time.perf_counter()
        for number in range(count // 10):
            await ctx.step("nothing", nothing, tenth * count + number)
        took.append(time.perf_counter() - began)
    await ctx.signal("resume")
    return took


@workflow
async def sleeps(ctx: WorkflowContext, until: float) -> dict[str, Any]:
    """P11: sleep until a moment; tell by how many seconds it was late."""
    await ctx.sleep(max(0.0, until - time.time()))
    return {"late_s": time.time() - until}
