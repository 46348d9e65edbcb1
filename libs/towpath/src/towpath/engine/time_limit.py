"""Stops an attempt of a function at its time limit, wherever it goes on: also where it only waits, and after a crash."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath.components import Component
from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import outside

_LOOK_AGAIN_AFTER_S = 0.001
_REPLAYED_WITHIN_S = 60.0
"""How much longer an attempt may take whose replay does not end."""


@asynccontextmanager
async def in_time(run: LiveRun, component: Component, began_at: float) -> AsyncGenerator[None]:
    """Stop an attempt at its time limit, and say which limit it was.

    Its time goes on where its process does not. What the journal has is repeated before the attempt is stopped. A run
    whose time ticks is held in memory while it waits.

    Args:
        run: The run.
        component: The function.
        began_at: When the attempt began, in seconds since 1970.

    Raises:
        TimeoutError: If it was stopped.
    """
    if component.timeout_s is None:
        yield
        return
    left_s = began_at + component.timeout_s - run.clock()
    ends = asyncio.get_running_loop().time() + max(0.0, left_s)
    deadline = asyncio.timeout_at(ends + _REPLAYED_WITHIN_S)
    try:
        async with deadline:
            ticking = outside(_tick(run, deadline, ends), "time limit")
            try:
                yield
            finally:
                ticking.cancel()
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise TimeoutError(f"{component.name} did not end within {component.timeout_s:g} s") from error


async def _tick(run: LiveRun, deadline: asyncio.Timeout, ends: float) -> None:
    """Begin the time once the acts of the journal are repeated; what was given up then may be so because of the limit."""
    while run.history.expects_acts or run.cancelling.pending:  # noqa: ASYNC110 - it ends in many places, none of which says so
        await asyncio.sleep(_LOOK_AGAIN_AFTER_S)
    deadline.reschedule(ends)
