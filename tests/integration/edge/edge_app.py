"""User code for these tests."""

import asyncio
from typing import Any
from uuid import uuid4

from towpath import Context, WorkflowContext, function, workflow


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


def lot() -> str:
    return uuid4().hex


@workflow
async def trip(ctx: WorkflowContext, where: str) -> dict[str, Any]:
    """Book, wait to be paid, and take it back if it is to end before."""
    await ctx.step("book", lambda: f"booked {where}")
    try:
        paid = await ctx.signal("paid")
    except asyncio.CancelledError:
        await ctx.step("unbook", lambda: f"unbooked {where}")
        raise
    return {"where": where, "paid": paid, "receipt": await ctx.step("receipt", lot)}


@workflow
async def deploy(ctx: WorkflowContext, version: int) -> dict[str, Any]:
    decided = await ctx.human.approval("deploy", {"version": version}, required_roles=["boss"])
    return {"decision": decided.decision, "by": decided.approver, "comment": decided.comment}


@workflow
async def lots(ctx: WorkflowContext) -> list[str]:
    return [await ctx.step("first", lot), await ctx.step("second", lot)]


@workflow
async def countdown(ctx: WorkflowContext, left: int) -> str:
    if left:
        ctx.continue_as_new({"left": left - 1})
    return "zero"


@workflow
async def family(ctx: WorkflowContext, names: list[str]) -> list[Any]:
    children = [ctx.spawn(welcome, name) for name in names]
    return [await child.result() for child in children]


@function
async def told(ctx: Context) -> dict[str, str]:
    return dict(ctx.headers())
