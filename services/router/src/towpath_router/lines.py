"""Keeps, of runs of which each goes on from the one before, which one goes on now: one record for all of them.

It is found by the id of the first. A run is in there before it is written down, so a run that goes on from another has
a record for as long as the line does. What comes for the line is let in once the record says that the run has what the
one before it leaves. The record outlives the first run, and the last, but not both.
"""

from contextlib import suppress
from typing import NamedTuple

from towpath_chassis.errors import FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_router.runs import Runs
from towpath_schemas import subjects
from towpath_schemas.streams import LINES
from towpath_schemas.succession import RunLine


class _Kept(NamedTuple):
    """A record as it was read: `sequence` tells this version of it from all others."""

    line: RunLine
    sequence: int


class Lines:
    """The lines of all tenants."""

    def __init__(self, js: JetStream, runs: Runs) -> None:
        self._js = js
        self._runs = runs

    async def find(self, first: str) -> RunLine | None:
        """Read which run goes on of those that have gone on from `first`; None where none has, or all are forgotten.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        kept = await self._find(first)
        return kept.line if kept else None

    async def announce(self, first: str, line: RunLine) -> None:
        """Write down that a run is about to go on, unless one that comes after it does already.

        Raises:
            UnconfirmedError: If it is not known whether that is written.
        """
        while (kept := await self._find(first)) is None or kept.line.number < line.number:
            with suppress(FencedError):  # else somebody wrote meanwhile: once more
                await self._write(first, line, over=kept)

    async def let_in(self, first: str, run_id: str) -> None:
        """Write down that the run that goes on has all that the one before it leaves: what comes now is for it.

        Raises:
            UnconfirmedError: If it is not known whether that is written.
        """
        while (kept := await self._find(first)) is not None and kept.line.newest == run_id:
            if not kept.line.taking_over:
                return
            with suppress(FencedError):  # else somebody wrote meanwhile: once more
                await self._write(first, kept.line.model_copy(update={"taking_over": False}), over=kept)

    async def forget(self, first: str, run_id: str) -> None:
        """Learn that a run is forgotten, which its journal says; the record goes with the later of the first and the last.

        Raises:
            FencedError: If somebody else learns it at the same time.
            UnconfirmedError: If it is not known whether that is written.
        """
        kept = await self._find(first)
        if kept is not None and kept.line.newest == run_id and not kept.line.has_ended:
            line = kept.line.model_copy(update={"has_ended": True})
            kept = _Kept(line, await self._write(first, line, over=kept))
        # The look at the first comes after this is written: of two that are forgotten at once, one sees the other.
        if kept is not None and kept.line.has_ended and await self._runs.is_forgotten(first):
            await self._js.delete(LINES, kept.sequence)

    async def _find(self, first: str) -> _Kept | None:
        stored = await self._js.last(LINES, subjects.line(first))
        return _Kept(RunLine.from_body(stored.body), stored.sequence) if stored else None

    async def _write(self, first: str, line: RunLine, *, over: _Kept | None) -> int:
        expect = Expect(over.sequence if over else 0)
        return (await self._js.publish(subjects.line(first), line.to_body(), expect=expect)).sequence
