"""Streams: an invocation that runs in a task of its own, step by step with whoever listens.

It begins an act only when all that was told before has been heard, so leaving a stream early leaves out the rest.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, Self, TypeVar

from towpath.agents.events import Event, Listener
from towpath.agents.exclusivity import Holder

Item = TypeVar("Item")
Project = Callable[[Event, Callable[[Item], None]], None]
"""Makes of an event the items that the stream yields."""


class _Channel(Listener, Generic[Item]):
    """What the task of an invocation and its stream share."""

    def __init__(self, project: "Project[Item]") -> None:
        self._project = project
        self._items: deque[Item] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self._held: asyncio.Future[None] | None = None
        self.task: asyncio.Task[Any] | None = None

    def tell(self, event: Event) -> None:
        self._project(event, self._items.append)
        if self._items:
            _settle(self._wanted)

    async def caught_up(self) -> None:
        while self._items or self._wanted is None:
            self._held = asyncio.get_running_loop().create_future()
            await self._held

    def begin(self, code: Coroutine[Any, Any, Any]) -> None:
        self.task = asyncio.ensure_future(code)
        self.task.add_done_callback(lambda _: _settle(self._wanted))

    async def take(self) -> Item:
        """Return the next item; at the end, raise what the invocation raised, or `StopAsyncIteration`."""
        while not self._items:
            if self.task is None or self.task.done():
                raise self._end()
            await self._want()
        return self._items.popleft()

    async def _want(self) -> None:
        self._wanted = asyncio.get_running_loop().create_future()
        _settle(self._held)
        try:
            await self._wanted
        finally:
            self._wanted = None

    def _end(self) -> BaseException:
        if self.task is not None and not self.task.cancelled():
            error = self.task.exception()
            self.task = None
            if error is not None:
                return error
        return StopAsyncIteration()

    async def close(self) -> None:
        """Stop the invocation, and wait until it has; what was told and not taken is dropped."""
        task = self.task
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._items.clear()

    def abandon(self) -> None:
        """Stop the invocation, from whatever thread."""
        task = self.task
        if task is not None and not task.done() and not task.get_loop().is_closed():
            task.get_loop().call_soon_threadsafe(task.cancel)


class EventStream(Awaitable["EventStream[Item]"], AsyncIterator[Item]):
    """What an invocation tells, as it happens; it begins when the first item is wanted.

    It may be awaited first, and is itself then.

    Whoever has enough closes it (`contextlib.aclosing`); it closes itself when nobody holds it any more.

    Args:
        start: Begins the invocation, given who listens and who holds the agent.
        project: Makes of an event the items that the stream yields.
    """

    def __init__(
        self, start: Callable[[Listener, Holder], Coroutine[Any, Any, Any]], project: "Project[Item]"
    ) -> None:
        self._start: Callable[[Listener, Holder], Coroutine[Any, Any, Any]] | None = start
        self._channel = _Channel(project)

    def __await__(self) -> Generator[Any, Any, Self]:
        return self
        yield  # makes it a generator, which has nothing to wait for

    def __aiter__(self) -> "EventStream[Item]":
        return self

    async def __anext__(self) -> Item:
        if self._start is not None:
            start, self._start = self._start, None
            self._channel.begin(start(self._channel, Holder(self._channel.close)))
        try:
            return await self._channel.take()
        except asyncio.CancelledError:
            self._channel.abandon()
            raise

    async def aclose(self) -> None:
        """Stop the invocation, and wait until it has."""
        self._start = None
        await self._channel.close()

    def __del__(self) -> None:
        self._channel.abandon()


def _settle(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)
