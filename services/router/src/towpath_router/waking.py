"""Brings to their runs the events that found nobody: to whoever holds the run by now, else by waking it."""

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp
from towpath_chassis.inbox import START, taken_live
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim, newest_outline
from towpath_router.runs import Runs
from towpath_router.starting import Starter
from towpath_router.succession import Succession
from towpath_router.unbegun import Unbegun
from towpath_schemas import subjects
from towpath_schemas.calls import ControlSent, RunDispatched, RunEvent, read_event
from towpath_schemas.journal import RunStarted
from towpath_schemas.shape import problems
from towpath_schemas.streams import INBOX

_REMEMBERED = 10_000


class _Way(NamedTuple):
    """Who runs a run, and whether it passes gates before."""

    service: str
    has_gates: bool


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
        self._ways: OrderedDict[str, _Way] = OrderedDict()

    async def on_event(self, subject: str, body: bytes, sequence: int) -> None:
        """Handle an event that was put into a run's inbox.

        Raises:
            GiveUp: If no run can take it.
        """
        run_id, _ = subjects.read_inbox(subject)
        event = _judged(run_id, body)
        if await taken_live(self._js, run_id, body):
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
        elif not scheduled:  # one that waits for its time is woken then
            await self.wake(run_id, "wake", message_id=f"wake:{sequence}")

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
        service, _ = await self._way_of(run_id)
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
        _, has_gates = await self._way_of(run_id)
        return has_gates and await newest_claim(self._js, run_id) is None

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
        return _Way(started.service, bool(started.gates))


def _judged(run_id: str, body: bytes) -> RunEvent:
    """See that the event can be read by whoever takes the run: a runner that cannot would leave it where it is."""
    try:
        event = read_event(body)
    except ValidationError as error:
        raise GiveUp(f"this is no event for a run: {problems(error)}") from error
    if event.run_id != run_id:
        raise GiveUp(f"the event is for run {event.run_id!r}, and came for run {run_id!r}")
    return event
