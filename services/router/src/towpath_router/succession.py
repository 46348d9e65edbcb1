"""Follows runs to those that go on from them, and hands on what came for one and was not heard.

A successor is written down before what its predecessor leaves is collected, and is sent on its way after. So what comes
before finds no successor, stays where it is and is collected; what comes later finds it, and is brought to it.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import NamedTuple

from pydantic import ValidationError

from towpath_chassis.errors import PayloadLostError
from towpath_chassis.inbox import CONTROL, SIGNAL, keep
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import salvage_journal
from towpath_chassis.messages import StoredMessage
from towpath_router.runs import Runs, ended
from towpath_schemas import subjects
from towpath_schemas.calls import RunEvent, event_id_of, read_event
from towpath_schemas.journal import JournalRecord
from towpath_schemas.streams import INBOX
from towpath_schemas.succession import heir_of, id_taken, left_over, readdressed


class Line(NamedTuple):
    """A run, and those that have gone on from it and are written down, the newest last.

    Attributes:
        has_ended: Whether the newest has ended, and nobody goes on from it.
    """

    run_ids: tuple[str, ...]
    has_ended: bool

    @property
    def newest(self) -> str:
        """The run that goes on now, or from which another is about to."""
        return self.run_ids[-1]


class Succession:
    """Knows who goes on from whom."""

    def __init__(self, js: JetStream, runs: Runs) -> None:
        self._js = js
        self._runs = runs

    async def line_of(self, run_id: str) -> Line:
        """Follow a run to the one that goes on now.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        line = [run_id]
        while (finished := await self._runs.finished(line[-1])) is not None:
            heir = heir_of(line[-1], finished)
            if heir is None:
                return Line(tuple(line), has_ended=True)
            if await self._runs.started(heir) is None:
                break  # it is about to be made, and gets what waits for this one
            line.append(heir)
        return Line(tuple(line), has_ended=False)

    async def goes_on(self, run_id: str) -> bool:
        """Tell whether a run goes on, or another one from it."""
        return await self._runs.started(run_id) is not None and not (await self.line_of(run_id)).has_ended

    async def send(self, event: RunEvent) -> None:
        """Put an event into the inbox of the run that goes on now, unless one before has taken it.

        Raises:
            RefusedError: If none goes on, and none has taken it.
        """
        line = await self.line_of(event.run_id)
        former = line.run_ids if line.has_ended else line.run_ids[:-1]
        if await self._was_taken(event, former):
            return
        if line.has_ended:
            raise ended(event.run_id)
        await keep(self._js, readdressed(event, line.newest) or event)

    async def pass_on(self, event: RunEvent) -> bool:
        """Bring what came for a run that has ended to whoever goes on from it; tell whether its inbox may forget it."""
        if readdressed(event, event.run_id) is None:
            return True  # it was for this run alone
        line = await self.line_of(event.run_id)
        if line.newest == event.run_id:
            return line.has_ended  # else it is collected when the successor is made
        if not (line.has_ended or await self._was_taken(event, line.run_ids[:-1])):
            await self._keep_for(line.newest, event)
        return True

    async def hand_over(self, run_id: str, heir: str, *, journaled: bool) -> None:
        """Put what a run that has ended has not heard into the inbox of the one that goes on from it.

        Args:
            run_id: The run.
            heir: The one that goes on; it is written down, and not on its way.
            journaled: Whether the run's journal may have something of it.
        """
        if journaled:
            for event in left_over(heir, await self._records(run_id)):
                await keep(self._js, event)
        async for waiting in self._waiting(run_id):
            await self._pass_all(heir, waiting)

    async def clear(self, run_id: str, heir: str) -> None:
        """Empty the inbox of a run that has ended; what has come there meanwhile goes to the one that goes on from it."""
        async for waiting in self._waiting(run_id):
            await self._pass_all(heir, waiting)
            await self._js.delete(INBOX, *(message.sequence for message in waiting))

    async def _pass_all(self, heir: str, waiting: list[StoredMessage]) -> None:
        for message in waiting:
            if subjects.read_inbox(message.subject)[1] in {SIGNAL, CONTROL}:
                with suppress(ValidationError, PayloadLostError):  # nobody could have read it
                    event = read_event((await self._js.whole_stored(message)).body)
                    if not await self._was_taken(event, (event.run_id,)):
                        await self._keep_for(heir, event)

    async def _keep_for(self, heir: str, event: RunEvent) -> None:
        if (passed := readdressed(event, heir)) is not None:
            await keep(self._js, passed)

    async def _was_taken(self, event: RunEvent, run_ids: Iterable[str]) -> bool:
        for run_id in run_ids:
            if any(id_taken(record) == event_id_of(event) for record in await self._records(run_id)):
                return True
        return False

    async def _records(self, run_id: str) -> list[JournalRecord]:
        return [record for _, record in await salvage_journal(self._js, run_id)]

    async def _waiting(self, run_id: str) -> AsyncGenerator[list[StoredMessage]]:
        inbox, start = subjects.inbox_of(run_id), 1
        while found := await self._js.following(INBOX, inbox, start=start, whole=False):
            yield found
            start = found[-1].sequence + 1
