"""Keeps what user code raises from ending more than that code: the process, the loop, or our own bookkeeping."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from towpath.failures import escaped

T = TypeVar("T")


async def contained(work: Awaitable[T]) -> T:
    """Await user code; a cancellation that nobody asked for, and an attempt to exit, are errors like any other.

    Raises:
        NonRetryableError: In place of either.
    """
    try:
        return await work
    except SystemExit as error:
        raise escaped(error) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise escaped(error) from error
