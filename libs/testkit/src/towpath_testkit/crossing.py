"""Two entities whose methods call each other's at the same time, each while it holds its own key."""

import asyncio

from towpath import Context, entity

CROSSED = ("Left", "Right")


def offer_crossing() -> None:
    """Offer `Left` and `Right`: `go` waits for the other's `go` to begin, and then calls the other's `take`."""
    both = asyncio.Barrier(len(CROSSED))
    for name, other in (CROSSED, CROSSED[::-1]):
        _offer(name, other, both)


def _offer(name: str, other: str, both: asyncio.Barrier) -> None:
    made = entity(name)

    @made.write
    async def go(ctx: Context) -> str:
        await both.wait()
        return await ctx.entity(other, "k").take()

    @made.write
    async def take(_ctx: Context) -> str:
        return f"taken from {name}"
