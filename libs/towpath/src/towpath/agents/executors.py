"""Tool executors: in which order the tool calls of one turn are made."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class ToolExecutor(Protocol):
    """Makes the tool calls of one turn, and returns what they gave in the order in which they were asked for."""

    async def run(self, calls: Sequence[Callable[[], Awaitable[T]]], stops: Callable[[T], bool]) -> list[T]:
        """Make the calls.

        Args:
            calls: Make one call each.
            stops: Tells from what a call gave whether calls that have not begun are left out.
        """
        ...


class ConcurrentToolExecutor:
    """Makes all calls at the same time; if one raises, the others are stopped, and what it raised is raised."""

    async def run(self, calls: Sequence[Callable[[], Awaitable[T]]], stops: Callable[[T], bool]) -> list[T]:
        """Make the calls; see `ToolExecutor`."""
        if len(calls) == 1:
            return [await calls[0]()]
        tasks = [asyncio.ensure_future(call()) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class SequentialToolExecutor:
    """Makes one call after the other."""

    async def run(self, calls: Sequence[Callable[[], Awaitable[T]]], stops: Callable[[T], bool]) -> list[T]:
        """Make the calls; see `ToolExecutor`."""
        given: list[T] = []
        for call in calls:
            given.append(await call())
            if stops(given[-1]):
                break
        return given
