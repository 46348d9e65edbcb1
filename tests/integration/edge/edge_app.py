"""User code for these tests."""

import asyncio
import time
from typing import Any
from uuid import uuid4

from towpath import Concurrency, Context, Debounce, RateLimit, Singleton, WorkflowContext, function, workflow


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
async def signed(ctx: WorkflowContext) -> list[str]:
    return [await ctx.task(greet, input={"name": ctx.run_id}), await ctx.step("lot", lot)]


@workflow
async def countdown(ctx: WorkflowContext, left: int) -> str:
    if left:
        ctx.continue_as_new({"left": left - 1})
    return "zero"


@workflow
async def rounds(ctx: WorkflowContext, number: int = 0) -> int:
    if await ctx.signal("next") != "stop":
        ctx.continue_as_new(number + 1)
    return number


@workflow
async def family(ctx: WorkflowContext, names: list[str]) -> list[Any]:
    children = [ctx.spawn(welcome, name) for name in names]
    return [await child.result() for child in children]


@function
async def told(ctx: Context) -> dict[str, str]:
    return dict(ctx.headers())


@workflow(limits=[Concurrency(2, key="who")])
async def careful(ctx: WorkflowContext, who: str) -> tuple[float, float]:
    began = await ctx.step("began", time.time)
    await asyncio.sleep(0.05)
    return began, await ctx.step("ended", time.time)


@function(limits=[RateLimit(2, per=0.5)])
async def seldom() -> float:
    return time.time()


@workflow(limits=[Debounce(0.4, key="doc")])
async def index(ctx: WorkflowContext, doc: str, text: str) -> str:
    return f"{doc}: {text}"


@workflow
async def edit(ctx: WorkflowContext, texts: list[str]) -> list[str]:
    children = [ctx.spawn(index, doc="child", text=text) for text in texts]
    return [await child.result() for child in children]


@workflow(limits=[Singleton("replace", key="site")])
async def rebuild(ctx: WorkflowContext, site: str, version: int) -> str:
    await ctx.signal("built")
    return f"{site} {version}"
