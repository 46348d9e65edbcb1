"""Object keys: while a step holds one, no other step of the tenant's flows that names it runs.

Each key is an entity that keeps the line of those who want it. Whoever is not first waits for a signal, which the one
before sends when it leaves. All of it is durable, so neither a crash nor a redelivery lets two in.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from towpath.context import Context
from towpath.entities import builtin_entity
from towpath_schemas.object_keys import OBJECT_KEY, turn_signal

line = builtin_entity(OBJECT_KEY)

_KEPT_EMPTY = timedelta(days=1)
"""For so long it is remembered who stood in a line, though nobody does: calls may come twice."""

Waiting = dict[str, str]
"""One in the line: its `holder` id, and the `run_id` to which the signal is sent."""


@line.write
async def join(ctx: Context, holder: str) -> bool:
    """Stand in the line, once; tell whether it is one's turn."""
    waiting: list[Waiting] = await ctx.get("line", [])
    if all(one["holder"] != holder for one in waiting):
        waiting.append({"holder": holder, "run_id": ctx.run_id})
        ctx.set("line", waiting)
        ctx.expire_in(None)
    return waiting[0]["holder"] == holder


@line.write
async def leave(ctx: Context, holder: str) -> Waiting | None:
    """Leave the line; return whose turn it is now, if that has changed."""
    waiting: list[Waiting] = await ctx.get("line", [])
    left = [one for one in waiting if one["holder"] != holder]
    if not left:
        ctx.delete("line")
        ctx.expire_in(_KEPT_EMPTY)
        return None
    ctx.set("line", left)
    return left[0] if left[0] != waiting[0] else None


@asynccontextmanager
async def holding(context: Context, keys: Sequence[str]) -> AsyncGenerator[None]:
    """Hold all of `keys` until the end of the block; they are taken in one order, so that nobody waits in a circle."""
    wanted: list[tuple[str, str]] = []
    try:
        for key in sorted(set(keys)):
            holder = str(context.uuid())
            wanted.append((key, holder))
            if not await _line(context, key).join(holder=holder):
                await context.signal(turn_signal(holder))
        yield
    finally:
        for key, holder in reversed(wanted):
            await _hand_on(context, key, holder)


async def _hand_on(context: Context, key: str, holder: str) -> None:
    following: Waiting | None = await _line(context, key).leave(holder=holder)
    if following is not None:
        await context.signal.emit(turn_signal(following["holder"]), run_id=following["run_id"])


def _line(context: Context, key: str) -> Any:
    return context.entity(OBJECT_KEY, key)
