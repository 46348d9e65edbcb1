"""Follows runs to those that go on from them, and hands on what came for one and was not heard.

A successor gets what its predecessor leaves before anything else, in the order in which that came: what its code was not
told, then what waits in its inbox, which is closed by a note before it is read. Whoever is about to put something in there
looks again then, and finds the successor once the line's record says that it has it all. What one has taken no later one
takes: each knows by its first entry what those before it have heard.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic import ValidationError

from towpath_chassis.delivery import RetryLater
from towpath_chassis.errors import FencedError, PayloadLostError
from towpath_chassis.inbox import CONTROL, SIGNAL, keep, place_of
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import salvage_journal
from towpath_chassis.messages import Expect, StoredMessage
from towpath_router.lines import Lines
from towpath_router.requests import Asked
from towpath_router.runs import Runs, ended, unknown
from towpath_schemas import subjects
from towpath_schemas.calls import ChildRequested, RunEvent, event_id_of, read_event
from towpath_schemas.journal import InLine, JournalRecord, RunFinished, RunPurged, RunStarted
from towpath_schemas.streams import INBOX
from towpath_schemas.succession import (
    RunLine,
    heard_before,
    heard_digest,
    heir_of,
    id_taken,
    left_over,
    readdressed,
)

_NOTED_FOR_S = 600
"""Seconds for which an inbox stays closed: longer than a router can have in hand what it has looked for a run for."""
_HANDED_OVER_WITHIN_S = 0.02


class Line(NamedTuple):
    """The run that goes on from one, or that one itself.

    Attributes:
        newest: The run that goes on now, or from which another is about to.
        has_ended: Whether it has ended, and nobody goes on from it.
        tenant: Whose it is.
    """

    newest: str
    has_ended: bool
    tenant: str


class Legacy(NamedTuple):
    """What a run leaves to the one that goes on from it: where that one stands, and what it is to take."""

    line: InLine
    events: Sequence[RunEvent]


class Succession:
    """Knows who goes on from whom."""

    def __init__(self, js: JetStream, runs: Runs, lines: Lines) -> None:
        self._js = js
        self._runs = runs
        self._lines = lines

    # --- Who goes on ------------------------------------------------------------------------------

    async def named(self, asked: Asked[Any]) -> Line:
        """Find the run that goes on from the one that a request names, though that one may be forgotten.

        Raises:
            RefusedError: If the tenant has no such run.
            UnconfirmedError: If the broker could not be asked.
        """
        line = await self.find(asked.target)
        if line is None or line.tenant != asked.tenant:
            raise unknown(asked)
        return line

    async def find(self, run_id: str) -> Line | None:
        """Follow a run to the one that goes on now; None where there is no such run.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        if subjects.token(run_id) != run_id:
            return None  # no run has such an id, and it must not become a pattern
        started, closing = await asyncio.gather(self._runs.started(run_id), self._runs.closing(run_id))
        if started is None or isinstance(closing, RunPurged):
            return await self._of_forgotten(run_id, closing)
        tenant = started.attribution.tenant
        if closing is None or heir_of(run_id, closing) is None:
            return Line(run_id, closing is not None, tenant)
        line = await self._lines.find(_first_of(run_id, started))
        if line is None:  # the first has no heir yet; of the others both ends are forgotten
            return Line(run_id, started.line is not None, tenant)
        return await self._newest_of(line)

    async def _of_forgotten(self, run_id: str, closing: RunFinished | RunPurged | None) -> Line | None:
        """Find who goes on from a run of which at most the note is left: the first of a line needs not even that."""
        first = closing.line if isinstance(closing, RunPurged) else None
        line = await self._lines.find(first or run_id)
        return await self._newest_of(line) if line else None

    async def _newest_of(self, line: RunLine) -> Line:
        if line.taking_over and not line.has_ended:  # it gets what waits for the one before
            return Line(line.previous, has_ended=False, tenant=line.tenant)
        closing = await self._runs.closing(line.newest)
        goes_on = closing is None or (
            isinstance(closing, RunFinished) and heir_of(line.newest, closing) is not None
        )
        return Line(line.newest, line.has_ended or not goes_on, line.tenant)

    # --- What comes for it ------------------------------------------------------------------------

    async def send(self, event: RunEvent, line: Line) -> None:
        """Put an event into the inbox of the run that goes on now, which knows what those before it have taken.

        For as long as the broker remembers a message, it is put there once, whichever run that is then.

        Raises:
            RefusedError: If none goes on, and none has taken it.
            RetryLater: If another run is just about to go on from that one.
        """
        if not line.has_ended:
            await self._put(event, line.newest)
        elif event_id_of(event) not in await self._taken_by(line.newest) and not await self._was_heard(
            event, line.newest
        ):
            raise ended(event.run_id)

    async def _put(self, event: RunEvent, run_id: str) -> None:
        sent = readdressed(event, run_id) or event
        is_open = Expect(0, subjects.handed_over(run_id))
        try:
            await self._js.publish(place_of(sent), sent.to_body(), message_id=place_of(event), expect=is_open)
        except FencedError as closed:
            message = f"another run goes on from {run_id}, and is just getting what that one leaves to it"
            raise RetryLater(message, after_s=_HANDED_OVER_WITHIN_S) from closed

    async def pass_on(self, event: RunEvent) -> bool:
        """Bring what came for a run that has ended to whoever goes on from it; tell whether its inbox may forget it."""
        if readdressed(event, event.run_id) is None:
            return True  # it was for this run alone
        line = await self.find(event.run_id)
        if line is None:
            return True
        if line.newest == event.run_id:
            return line.has_ended  # else it is collected when the successor is made
        if not line.has_ended and event_id_of(event) not in await self._taken_by(event.run_id):
            await self._keep_for(line.newest, event)
        return True

    # --- Handing over -----------------------------------------------------------------------------

    async def legacy(self, run_id: str, successor: ChildRequested) -> Legacy | None:
        """Tell what a run that has ended leaves to its successor; None where it is forgotten, so that it was told before."""
        before = await self._runs.started(run_id)
        if before is None:
            return None
        records = await self._records(run_id) if successor.inherits else []
        events = left_over(successor.run_id, records)
        known = before.line or InLine(first=run_id, number=1)
        line = InLine(
            first=known.first,
            number=known.number + 1 if before.line else 1,
            heard=heard_before(known.heard, records, events),
        )
        return Legacy(line, events)

    async def announce(self, run_id: str, line: InLine, *, previous: str, tenant: str) -> None:
        """Say that a run is about to go on from another; it is not written down yet."""
        said = RunLine(newest=run_id, number=line.number, previous=previous, taking_over=True, tenant=tenant)
        await self._lines.announce(line.first, said)

    async def hand_over(self, run_id: str, heir: str, legacy: Legacy) -> None:
        """Put what a run that has ended has not heard into the inbox of the one that goes on, then let in what comes.

        Args:
            run_id: The run.
            heir: The one that goes on; it is written down, and not on its way.
            legacy: What the run's journal leaves to it.
        """
        for event in legacy.events:
            await keep(self._js, event)
        await self._js.publish(subjects.handed_over(run_id), b"", kept_s=_NOTED_FOR_S)
        async for waiting in self._waiting(run_id):
            await self._pass_all(run_id, heir, waiting)
        await self._lines.let_in(legacy.line.first, heir)

    async def clear(self, run_id: str, heir: str) -> None:
        """Empty the inbox of a run that has ended; what has come there meanwhile goes to the one that goes on from it."""
        async for waiting in self._waiting(run_id):
            await self._pass_all(run_id, heir, waiting)
            await self._js.delete(INBOX, *(message.sequence for message in waiting))

    async def _pass_all(self, run_id: str, heir: str, waiting: list[StoredMessage]) -> None:
        passed = [one for one in waiting if subjects.read_inbox(one.subject)[1] in {SIGNAL, CONTROL}]
        taken = (
            await self._taken_by(run_id) if passed else set[str]()
        )  # once: what has ended takes nothing more
        for message in passed:
            with suppress(ValidationError, PayloadLostError):  # nobody could have read it
                event = read_event((await self._js.whole_stored(message)).body)
                if event_id_of(event) not in taken:
                    await self._keep_for(heir, event)

    async def _keep_for(self, heir: str, event: RunEvent) -> None:
        if (passed := readdressed(event, heir)) is not None:
            await keep(self._js, passed)

    async def _was_heard(self, event: RunEvent, run_id: str) -> bool:
        """Tell whether a run before this one has taken an event, as far as this one knows."""
        started = await self._runs.started(run_id)
        line = started.line if started else None
        return line is not None and heard_digest(event_id_of(event)) in line.heard

    async def _taken_by(self, run_id: str) -> set[str]:
        return {
            event_id for record in await self._records(run_id) if (event_id := id_taken(record)) is not None
        }

    async def _records(self, run_id: str) -> list[JournalRecord]:
        return [record for _, record in await salvage_journal(self._js, run_id)]

    async def _waiting(self, run_id: str) -> AsyncGenerator[list[StoredMessage]]:
        inbox, start = subjects.inbox_of(run_id), 1
        while found := await self._js.following(INBOX, inbox, start=start, whole=False):
            yield found
            start = found[-1].sequence + 1


def _first_of(run_id: str, started: RunStarted) -> str:
    return started.line.first if started.line else run_id
