"""User code for these tests."""

import asyncio

from towpath import WorkflowContext, function, workflow


@function
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow
async def welcome(ctx: WorkflowContext, name: str) -> dict[str, str]:
    return {"text": await ctx.task(greet, input={"name": name})}


@workflow
async def unlucky(ctx: WorkflowContext) -> None:
    raise ValueError("no luck")


@workflow
async def slow(ctx: WorkflowContext) -> None:
    await asyncio.sleep(3)
