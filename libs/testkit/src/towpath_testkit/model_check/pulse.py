"""Feels whether machine and server keep time: what a late server says, says nothing about the model."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath_testkit.model_check.asking import asker

_EVERY_S = 0.02
_LATE_S = 0.035


class Pulse:
    """How late everything was, all along."""

    def __init__(self) -> None:
        self._late_at: list[float] = []
        self._is_over = False

    def was_steady(self, since: float, until: float) -> bool:
        """Tell whether nothing was late between two moments of the loop's time."""
        return not any(since <= moment <= until for moment in self._late_at)

    def end(self) -> None:
        """Have it felt no more."""
        self._is_over = True

    async def feel(self, url: str) -> None:
        """Feel until it ends."""
        loop = asyncio.get_running_loop()
        async with asker(url, "pulse") as asking:
            while not self._is_over:
                began = loop.time()
                await asyncio.sleep(_EVERY_S)
                await asking.ping()
                if loop.time() - began - _EVERY_S > _LATE_S:
                    self._late_at += [began, loop.time()]


@asynccontextmanager
async def pulse(url: str) -> AsyncGenerator[Pulse]:
    """Feel until the end of the block."""
    felt = Pulse()
    feeling = asyncio.create_task(felt.feel(url), name="pulse")
    try:
        yield felt
    finally:
        felt.end()  # a cancellation can get lost in the client's `wait_for`, on Python 3.11
        await feeling
