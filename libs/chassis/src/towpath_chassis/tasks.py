"""Work in the background that ends with the block it belongs to, and goes on after a failure."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger(__name__)

_AGAIN_AFTER_S = 0.5


@asynccontextmanager
async def background(work: Callable[[], Awaitable[None]], *, name: str) -> AsyncGenerator[None]:
    """Run `work` until the end of the block; where it fails, say so and begin again."""
    task = asyncio.create_task(_for_ever(work, name), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _for_ever(work: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work failed and begins again", work=name)
        await asyncio.sleep(_AGAIN_AFTER_S)
