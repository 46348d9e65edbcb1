"""User code for these tests: good, failing, hanging, and worse."""

import asyncio
import time
from typing import Any

from towpath import Context, WorkflowContext, entity, function, workflow

cart = entity("Cart")


@cart.write
async def add(ctx: Context, item: str) -> int:
    items = await ctx.get("items", [])
    ctx.set("items", [*items, item])
    return len(items) + 1


@function
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow
async def welcome(ctx: WorkflowContext, name: str) -> str:
    return await ctx.task(greet, input={"name": name})


@workflow
async def shop(ctx: WorkflowContext, key: str) -> int:
    return await ctx.entity("Cart", key).add("pear")


@function(retries=1)
async def raising() -> None:
    raise ValueError("out of luck")


@function(retries=1)
async def leaving() -> None:
    raise SystemExit(3)


@function(retries=1)
async def endless() -> None:
    _fall()


def _fall() -> None:
    _fall()


@function(retries=1)
async def unspeakable() -> object:
    return object()


@function(retries=1)
async def enormous() -> str:
    return "x" * 70_000_000


@function(retries=1, timeout_ms=300)
async def hanging() -> None:
    await asyncio.Event().wait()


@function(retries=1, timeout_ms=300)
def blocking() -> None:
    time.sleep(20)  # noqa: TID251 - that is what this is about


@workflow
async def suffer(ctx: WorkflowContext, function_name: str) -> Any:
    return await ctx.task(globals()[function_name], input={})
