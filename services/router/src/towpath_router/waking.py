"""Brings to their runs the events that found nobody: to whoever holds the run by now, else by waking it.

Signals are brought in the order in which they came: one that others wait before is offered to nobody before those.
"""

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp, RetryLater
from towpath_chassis.errors import PayloadLostError
from towpath_chassis.inbox import SIGNAL, START, offered, taken_live
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim, newest_outline
from towpath_chassis.messages import StoredMessage
from towpath_router.ordering import Order
from towpath_router.runs import Runs
from towpath_router.starting import Starter
from towpath_router.succession import Succession
from towpath_router.unbegun import Unbegun
from towpath_schemas import subjects
from towpath_schemas.calls import ControlSent, RunDispatched, RunEvent, SignalSent, read_event
from towpath_schemas.journal import RunStarted
from towpath_schemas.shape import problems
from towpath_schemas.streams import INBOX

_REMEMBERED = 10_000
_TAKEN_WITHIN_S = 0.5


class _Way(NamedTuple):
    """Who runs a run, and what it may have to wait for before it is sent there: gates, and what another leaves to it."""

    service: str
    has_gates: bool
    goes_on: bool


class Waker:
    """Wakes runs; a redundant wake is harmless, since the claim decides."""

    def __init__(
        self, js: JetStream, runs: Runs, succession: Succession, starter: Starter, unbegun: Unbegun
    ) -> None:
        self._js = js
        self._succession = succession
        self._unbegun = unbegun
        self._runs = runs
        self._starter = starter
        self._order = Order(js, INBOX)
        self._ways: OrderedDict[str, _Way] = OrderedDict()

    async def on_event(self, subject: str, body: bytes, sequence: int) -> None:
        """Handle an event that was put into a run's inbox.

        Raises:
            GiveUp: If no run can take it.
            RetryLater: If it is not known whether the run has taken what came before it.
        """
        run_id, _ = subjects.read_inbox(subject)
        event = _judged(run_id, body)
        if await self._is_taken(event, body, sequence):
            await self._js.delete(INBOX, sequence)  # it is in the journal
            return
        finished, scheduled = await asyncio.gather(
            self._runs.finished(run_id), self._starter.is_scheduled(run_id)
        )
        if finished is not None:
            if await self._succession.pass_on(event):
                await self._js.delete(INBOX, sequence)  # nobody will read it here
        elif await self._is_held(run_id):
            await self._keep(event)
        elif not scheduled and not await self._is_taking_over(run_id):  # else it is sent on its way in time
            await self.wake(run_id, "wake", message_id=f"wake:{sequence}")

    async def _is_taken(self, event: RunEvent, body: bytes, sequence: int) -> bool:
        """Offer an event to whoever holds its run; tell whether it is in the journal now."""
        if not isinstance(event, SignalSent):
            return await taken_live(self._js, event.run_id, body)
        waiting = subjects.inbox_kind_of(event.run_id, SIGNAL)
        async with self._order.turn(waiting, sequence) as turn:
            while (earlier := await turn.earlier()) is not None:
                if not await self._is_earlier_taken(event.run_id, earlier):
                    return False
            taken = await taken_live(self._js, event.run_id, body)
            if taken:
                turn.is_done()
        return taken

    async def _is_earlier_taken(self, run_id: str, message: StoredMessage) -> bool:
        """Offer a signal that came before; tell whether one that came behind it may be offered."""
        try:
            body = (await self._js.whole_stored(message)).body
            _judged(run_id, body)
        except (PayloadLostError, GiveUp):
            return True  # nobody can take it
        taken = await offered(self._js, run_id, body)
        if taken is None:
            raise RetryLater("an earlier signal may be being taken", after_s=_TAKEN_WITHIN_S)
        if taken:
            await self._js.delete(INBOX, message.sequence)  # else all that come behind it offer it again
        return taken

    async def on_due(self, subject: str, sequence: int) -> None:
        """Handle that the time of a delayed start has come: send the run on, and have it see what came before.

        Raises:
            GiveUp: If there is no such run.
        """
        run_id, _ = subjects.read_inbox(subject)
        if await self._runs.finished(run_id) is None:
            held = await self._is_held(run_id)
            await self._starter.send_on(run_id)
            waiting = await self._js.following(
                INBOX, subjects.inbox_of(run_id), start=1, limit=2, whole=False
            )
            if not held and any(one.subject != subject for one in waiting):
                await self.wake(run_id, "wake", message_id=f"wake:{run_id}:{START}")
        await self._js.delete(INBOX, sequence)

    async def wake(self, run_id: str, reason: str, *, message_id: str) -> None:
        """Have a runner take the run.

        Raises:
            GiveUp: If there is no such run.
        """
        service = (await self._way_of(run_id)).service
        dispatched = RunDispatched(run_id=run_id, reason="wake" if reason == "wake" else "recover")
        await self._js.publish(
            subjects.dispatch("resume", service),
            dispatched.to_body(),
            message_id=message_id,
        )

    async def _keep(self, event: RunEvent) -> None:
        """Leave an event where it is until its run begins; one that is to end has no need to begin."""
        if isinstance(event, ControlSent) and event.control == "cancel":
            await self._unbegun.cancel(event)

    async def _is_held(self, run_id: str) -> bool:
        """Tell whether a run may still be before a gate: it takes what came for it when it begins."""
        way = await self._way_of(run_id)
        return way.has_gates and await newest_claim(self._js, run_id) is None

    async def _is_taking_over(self, run_id: str) -> bool:
        """Tell whether a run may still be getting what another leaves to it: all of that comes before it begins."""
        way = await self._way_of(run_id)
        return way.goes_on and await newest_claim(self._js, run_id) is None

    async def _way_of(self, run_id: str) -> _Way:
        known = self._ways.get(run_id)
        if known is None:
            known = await self._read_way(run_id)
            self._ways[run_id] = known
            if len(self._ways) > _REMEMBERED:
                self._ways.popitem(last=False)
        return known

    async def _read_way(self, run_id: str) -> _Way:
        entry = await newest_outline(self._js, subjects.journal_entry(run_id, 0))
        if entry is None:
            raise GiveUp(f"there is no run {run_id}")
        try:
            started = RunStarted.from_body(entry.body)
        except ValidationError as error:
            raise GiveUp(f"the first entry of run {run_id} is not a start") from error
        return _Way(started.service, bool(started.gates), started.continues is not None)


def _judged(run_id: str, body: bytes) -> RunEvent:
    """See that the event can be read by whoever takes the run: a runner that cannot would leave it where it is."""
    try:
        event = read_event(body)
    except ValidationError as error:
        raise GiveUp(f"this is no event for a run: {problems(error)}") from error
    if event.run_id != run_id:
        raise GiveUp(f"the event is for run {event.run_id!r}, and came for run {run_id!r}")
    return event
