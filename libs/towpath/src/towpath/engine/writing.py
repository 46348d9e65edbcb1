"""Writes the records of a held run, each in its place, and has them learned in the order of their places."""

import asyncio
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import TypeVar

from towpath.engine.fitting import fitting
from towpath.engine.history import History
from towpath.engine.in_session import in_its_session
from towpath.engine.ports import ClaimLostError, Entries
from towpath.engine.tasks import outside
from towpath_schemas.journal import JournalRecord, RunFinished

AnyRecord = TypeVar("AnyRecord", bound=JournalRecord)


class Writing:
    """What one held run writes.

    Args:
        on_lost: Told if a record that nobody waits for was refused, because another runner owns the run.
    """

    def __init__(self, entries: Entries, history: History, *, on_lost: Callable[[], None]) -> None:
        self._entries = entries
        self._history = history
        self._on_lost = on_lost
        self._soon: set[asyncio.Task[None]] = set()
        self._writing = 0
        self._held_up: set[asyncio.Future[None]] = set()
        self._waiting: list[str] = []
        self._last_write: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is being written."""
        return bool(self._soon) or self._writing > 0

    @property
    def held_up(self) -> bool:
        """Whether a record waits until others are written that nobody waited for."""
        return bool(self._held_up)

    @property
    def waiting(self) -> Collection[str]:
        """Keys of the acts whose records wait for those before them: until these are written, or learned."""
        return self._waiting

    async def append(self, record: AnyRecord) -> AnyRecord:
        """Write a record and learn it.

        Returns:
            What was written: of a record that is too large, its failure.

        Raises:
            ComponentError: If the record is an intent and too large.
            ClaimLostError: If the run is not ours any more.
        """
        key: str = getattr(record, "key", "")
        if self._soon:
            with self._waits(key):
                await self._after_those_soon()
        written, body = fitting(in_its_session(record, self._history))
        number = self._history.take_number()
        await self._write(number, body, key)
        self._history.add(number, written)
        return written

    async def _after_those_soon(self) -> None:
        held_up = asyncio.get_running_loop().create_future()
        self._held_up.add(held_up)
        try:
            await asyncio.gather(*self._soon)
        finally:
            self._held_up.discard(held_up)
            held_up.cancel()

    @contextmanager
    def _waits(self, key: str) -> Generator[None]:
        """Count the act at `key` among those whose records wait, until the end of the block."""
        self._waiting.append(key)
        try:
            yield
        finally:
            self._waiting.remove(key)

    async def finish(self, finished: RunFinished) -> RunFinished:
        """Write the end of the run, behind which nothing may be stored: by that it is known to be the end.

        Raises:
            ClaimLostError: If the run is not ours any more.
        """
        await self.until_all_learned()
        return await self.append(finished)

    async def until_all_learned(self) -> None:
        """Return when nothing is being written any more, nor waits to be."""
        while held_up := {*self._held_up, *self._soon}:
            await asyncio.wait(held_up)
        await self.until_learned()

    async def is_ours(self) -> bool:
        """Tell whether nobody else has taken the run by now."""
        return await self._entries.are_ours()

    async def until_learned(self) -> None:
        """Return when what is being written now is learned, or was refused."""
        if self._last_write is not None:
            await asyncio.wait({self._last_write})

    async def _write(self, number: int, body: bytes, key: str) -> None:
        """Write one entry; it is learned only after all that have an earlier place, as in replay."""
        before = self._last_write
        written = self._last_write = asyncio.get_running_loop().create_future()
        self._writing += 1
        try:
            await self._entries.append(number, body)
            if before is not None and not before.done():
                with self._waits(key):
                    await asyncio.wait({before})
        finally:
            self._writing -= 1
            written.cancel()

    def append_soon(self, record: JournalRecord) -> None:
        """Learn a record, and write it before the next one that is waited for."""
        number = self._history.take_number()
        self._history.add(number, record)
        task = outside(self._append_numbered(number, record), "append")
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    async def _append_numbered(self, number: int, record: JournalRecord) -> None:
        try:
            await self._entries.append(number, record.to_body())
        except ClaimLostError:
            self._on_lost()
