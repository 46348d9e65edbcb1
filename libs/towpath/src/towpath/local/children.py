"""Components that a component starts beside itself, in this process."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from towpath.coordination import ChildHandle


class LocalChild(ChildHandle):
    """A component that runs in a task of its own."""

    def __init__(self, run_id: str, code: Coroutine[Any, Any, Any]) -> None:
        self.run_id = run_id
        self._task = asyncio.create_task(code, name=f"spawn-{run_id}")

    def result(self) -> Coroutine[Any, Any, Any]:
        """Wait for its result; see `ChildHandle.result`."""
        return self._result()

    async def _result(self) -> Any:
        return await asyncio.shield(self._task)

    async def cancel(self, reason: str | None = None) -> None:
        """Stop it."""
        self._task.cancel()
