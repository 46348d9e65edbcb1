"""A run of an agent that has not begun: it begins when it is awaited, and then happens once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from towpath.agents.result import AgentResult
from towpath.errors import TowpathError
from towpath.work import Discardable


class AgentRun(Discardable, Awaitable[AgentResult]):
    """What `agent.run(...)` returns.

    Nothing happens until it is awaited; awaiting it again gives the same result. Not awaiting it at all is
    fine, so `ctx.step("answer", agent.run(question))` can be replayed without starting anything.

    Attributes:
        result_type: As what the JSON of the result is read.
    """

    result_type = AgentResult

    def __init__(self, start: Callable[[], Coroutine[Any, Any, AgentResult]]) -> None:
        self._start: Callable[[], Coroutine[Any, Any, AgentResult]] | None = start
        self._ended: asyncio.Future[AgentResult] | None = None

    def __await__(self) -> Generator[Any, None, AgentResult]:
        return self._result().__await__()

    def discard(self) -> None:
        """Drop the run; if it has not begun, it never will."""
        self._start = None

    async def _result(self) -> AgentResult:
        if self._ended is not None:
            return await asyncio.shield(self._ended)
        if self._start is None:
            raise TowpathError("this run was discarded before it began")
        start, self._start = self._start, None
        self._ended = asyncio.get_running_loop().create_future()
        return await self._settled(start, self._ended)

    async def _settled(
        self,
        start: Callable[[], Coroutine[Any, Any, AgentResult]],
        ended: asyncio.Future[AgentResult],
    ) -> AgentResult:
        """Run it here, in the task and the context of whoever awaited first."""
        try:
            result = await start()
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            ended.set_exception(
                TowpathError("this run was cancelled before it ended") if cancelled else error
            )
            ended.exception()  # whoever awaited first is told by the raise; nobody else has to ask
            raise
        ended.set_result(result)
        return result
