"""Shows what the code of a run tells to whoever watches, in its order, beside the code."""

import asyncio
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog

from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import outside
from towpath.errors import TowpathError

log = structlog.get_logger(__name__)


class _Put(NamedTuple):
    number: int
    value: Any
    piece: int | None


class LiveShow:
    """The `Show` of a held run: what replay repeats is shown again, since nobody knows whether it was.

    Args:
        run: Whose it is.
        key: Place in the run of what is shown; None for its component.
    """

    def __init__(self, run: LiveRun, key: str | None) -> None:
        self._run = run
        self._key = key
        self._waiting: asyncio.Queue[_Put | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def put(self, index: int, value: Any, *, piece: int | None = None) -> None:
        """Show a thing; see `Show`. Pieces were of interest only when they were new."""
        if piece is None or not self._run.replay.goes_on:
            self._waiting.put_nowait(_Put(index, value, piece))

    async def __aenter__(self) -> Self:
        self._task = outside(self._show(), name=f"show-{self._run.run_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None  # noqa: S101 - it was entered
        self._waiting.put_nowait(None)
        try:
            if self._run.is_held:
                with self._run.busy():
                    await asyncio.wait({self._task})
        finally:
            self._task.cancel()

    async def _show(self) -> None:
        while (put := await self._waiting.get()) is not None:
            try:
                await self._run.outbox.tell_chunk(put.number, put.value, key=self._key, piece=put.piece)
            except TowpathError as error:  # who watches misses it; the run goes on, and its journal has it
                log.warning("what a run tells could not be shown", error=str(error), index=put.number)
