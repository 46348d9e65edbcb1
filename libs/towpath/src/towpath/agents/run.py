"""A run of an agent that has not begun: it begins when it is awaited or listened to, and then happens once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any

from towpath.agents.cancellation import Cancellation
from towpath.agents.events import PUBLIC, Event, Listener, Numbers
from towpath.agents.exclusivity import Holder
from towpath.agents.inbox import Inbox
from towpath.agents.prompts import Prompt
from towpath.agents.result import AgentResult
from towpath.agents.streaming import EventStream
from towpath.discarding import Discardable
from towpath.errors import ContextError, TowpathError
from towpath.scopes import running_task


class AgentRun(Discardable, Awaitable[AgentResult]):
    """What `agent.run(...)` returns.

    Nothing happens until it is awaited or listened to (`async for event in run`); awaiting it again gives the same
    result. Not awaiting it at all is fine, so `ctx.step("answer", agent.run(question))` can be replayed without
    starting anything.

    Attributes:
        id: The run it belongs to, from when it has begun; None before.
        is_component: Whether it is all that the run it belongs to does, so that whoever watches that run sees its events,
            and whoever speaks to that run speaks to it.
        result_type: As what the JSON of the result is read.
    """

    result_type = AgentResult

    def __init__(
        self, start: "Callable[[AgentRun, Listener | None], Coroutine[Any, Any, AgentResult]]"
    ) -> None:
        self.id: str | None = None
        self.is_component = False
        self.cancellation = Cancellation()
        self.inbox = Inbox()
        self._start: Callable[[AgentRun, Listener | None], Coroutine[Any, Any, AgentResult]] | None = start
        self._ended: asyncio.Future[AgentResult] | None = None

    def __await__(self) -> Generator[Any, None, AgentResult]:
        return self._result().__await__()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events()

    def events(self) -> EventStream[Event]:
        """Listen to the run, which begins when the first event is wanted; its events are told once.

        Raises:
            TowpathError: If it has begun already, or was discarded.
        """
        if self._start is None:
            raise TowpathError("this run has begun, or was discarded; listen to a run before you await it")
        numbers = Numbers()

        def project(event: Event, put: Callable[[Event], None]) -> None:
            if event.type in PUBLIC:
                put(event.numbered(numbers.of(event), self.id))

        def begin(listener: Listener, _holder: Holder) -> Coroutine[Any, Any, AgentResult]:
            return self._result(listener)

        return EventStream(begin, project)

    def cancel(self) -> None:
        """Stop it: what its model is saying is kept, tools that work are waited for. Any thread may ask."""
        self.cancellation.request()

    def send(self, message: Prompt) -> None:
        """Say something to the agent while it works: it hears it before it asks its model again. Any thread may.

        What is said to an agent that has answered already is not heard. A program that is no part of the platform uses
        `client.send(run_id, message)`.
        """
        self.inbox.put(message)

    def begin(self) -> "AgentRun":
        """Begin it now, beside whatever else this loop does; await it for its result.

        Raises:
            ContextError: If no loop runs here.
        """
        if running_task() is None:
            raise ContextError(
                "agent.start(...) works beside other async code; in sync code, call agent(...)"
            )
        self._beside = asyncio.ensure_future(self._result())
        self._beside.add_done_callback(_noticed)
        return self

    def discard(self) -> None:
        """Drop the run; if it has not begun, it never will."""
        self._start = None

    async def _result(self, listener: Listener | None = None) -> AgentResult:
        if self._ended is not None:
            return await asyncio.shield(self._ended)
        if self._start is None:
            raise TowpathError("this run was discarded before it began")
        start, self._start = self._start, None
        self._ended = asyncio.get_running_loop().create_future()
        return await self._settled(start(self, listener), self._ended)

    async def _settled(
        self, code: Coroutine[Any, Any, AgentResult], ended: asyncio.Future[AgentResult]
    ) -> AgentResult:
        """Run it here, in the task and the context of whoever awaited first."""
        try:
            result = await code
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            ended.set_exception(
                TowpathError("this run was cancelled before it ended") if cancelled else error
            )
            ended.exception()  # whoever awaited first is told by the raise; nobody else has to ask
            raise
        ended.set_result(result)
        return result


def _noticed(ended: "asyncio.Future[AgentResult]") -> None:
    """Take note of a failure: whoever awaits the run is told of it."""
    if not ended.cancelled():
        ended.exception()
