"""Components that a component starts beside itself, in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self, TypeVar

from towpath.coordination import ChildHandle, Join, ended_behind
from towpath.errors import ComponentError
from towpath.threads import in_loop, loop_or_none
from towpath_schemas.failure import Failure

T = TypeVar("T")

Code = Callable[[], Coroutine[Any, Any, Any]]
"""Makes the code of a child."""


class LocalChildren:
    """The components that one call has started, however often it is tried: one for each place in its code.

    As a context manager it is the life of the call: behind its end only those go on that are detached.
    """

    def __init__(self) -> None:
        self._loop = loop_or_none()
        self._children: dict[str, LocalChild] = {}

    def start(self, run_id: str, code: Code, join: Join) -> "LocalChild":
        """Start a child, unless there is one of this id; a function in a thread has the loop do it."""
        child = self._children.get(run_id)
        if child is None:
            child = in_loop(self._loop, LocalChild, run_id, code, join)
            self._children[run_id] = child
        return child

    async def joined(self, code: Awaitable[T]) -> T:
        """Await code of the call; where it has not failed, the call ends behind the children that it requires."""
        return await ended_behind(self._required_ended, code)

    async def _required_ended(self) -> None:
        required = [one.ended() for one in self._children.values() if one.join == "required"]
        await asyncio.gather(*required)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        attached = [one for one in self._children.values() if one.join != "detached"]
        for child in attached:
            await child.cancel("its parent has ended")
        await asyncio.gather(*(child.ended() for child in attached))


class LocalChild(ChildHandle):
    """A component that runs in a task of its own.

    Attributes:
        join: What becomes of it when its parent ends.
    """

    def __init__(self, run_id: str, code: Code, join: Join) -> None:
        self.run_id = run_id
        self.join: Join = join
        self._task = asyncio.create_task(code(), name=f"spawn-{run_id}")
        self._cancelled = "the run was cancelled"

    def result(self) -> Coroutine[Any, Any, Any]:
        """Wait for its result; see `ChildHandle.result`."""
        return self._result()

    async def _result(self) -> Any:
        await self.ended()
        if self._task.cancelled():
            raise ComponentError(Failure(code="cancelled", message=self._cancelled))
        return self._task.result()

    async def ended(self) -> None:
        """Wait until it has ended, however it does."""
        await asyncio.wait([self._task])

    async def cancel(self, reason: str | None = None) -> None:
        """Ask it to end; it may clean up first."""
        if self._task.cancel() and reason:
            self._cancelled = f"the run was cancelled: {reason}"
