"""Components that a component starts beside itself, in this process."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from towpath.components import Component
from towpath.coordination import ChildHandle


class _Caller(Protocol):
    run_id: str

    async def call_child(self, component: Component, payload: Any, place: str) -> Any: ...


class LocalChild(ChildHandle):
    """A component that runs in a task of its own."""

    def __init__(self, caller: _Caller, component: Component, payload: Any, place: str) -> None:
        self.run_id = f"{caller.run_id}/{place}"
        self._task = asyncio.create_task(caller.call_child(component, payload, place), name=f"spawn-{place}")

    def result(self) -> Coroutine[Any, Any, Any]:
        """Wait for its result; see `ChildHandle.result`."""
        return self._result()

    async def _result(self) -> Any:
        return await asyncio.shield(self._task)

    async def cancel(self, reason: str | None = None) -> None:
        """Stop it."""
        self._task.cancel()
