"""User code that ends its process."""

import os

from towpath import WorkflowContext, function, workflow


@function
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow
async def welcome(ctx: WorkflowContext, name: str) -> str:
    return await ctx.task(greet, input={"name": name})


@function
async def crash() -> None:
    os._exit(137)


@workflow
async def calls_what_crashes(ctx: WorkflowContext) -> None:
    await ctx.task(crash, input={})


@workflow
async def crashes(ctx: WorkflowContext) -> None:
    await ctx.step("before", lambda: 1)
    await crash()
