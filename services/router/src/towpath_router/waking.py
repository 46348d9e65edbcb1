"""Brings to their runs the events that found nobody: to whoever holds the run by now, else by waking it."""

import asyncio
from collections import OrderedDict

from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp
from towpath_chassis.inbox import START, taken_live
from towpath_chassis.jetstream import JetStream
from towpath_router.runs import Runs
from towpath_router.starting import Starter
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched, read_event
from towpath_schemas.journal import RunStarted
from towpath_schemas.shape import problems
from towpath_schemas.streams import INBOX, JOURNAL

_REMEMBERED = 10_000


class Waker:
    """Wakes runs; a redundant wake is harmless, since the claim decides."""

    def __init__(self, js: JetStream, runs: Runs, starter: Starter) -> None:
        self._js = js
        self._runs = runs
        self._starter = starter
        self._services: OrderedDict[str, str] = OrderedDict()

    async def on_event(self, subject: str, body: bytes, sequence: int) -> None:
        """Handle an event that was put into a run's inbox.

        Raises:
            GiveUp: If no run can take it.
        """
        run_id, _ = subjects.read_inbox(subject)
        _judge(run_id, body)
        if await taken_live(self._js, run_id, body):
            await self._js.purge(INBOX, subject)  # it is in the journal
            return
        finished, scheduled = await asyncio.gather(
            self._runs.finished(run_id), self._starter.is_scheduled(run_id)
        )
        if finished is not None:
            await self._js.purge(INBOX, subject)  # nobody will read it
        elif not scheduled:  # one that waits for its time is woken then
            await self.wake(run_id, "wake", message_id=f"wake:{sequence}")

    async def on_due(self, subject: str) -> None:
        """Handle that the time of a delayed start has come: hand the run over, and have it see what came before.

        Raises:
            GiveUp: If there is no such run.
        """
        run_id, _ = subjects.read_inbox(subject)
        if await self._runs.finished(run_id) is None:
            await self._starter.hand_over(run_id, await self._service_of(run_id))
            waiting = await self._js.following(INBOX, subjects.inbox_of(run_id), start=1, limit=2)
            if any(one.subject != subject for one in waiting):
                await self.wake(run_id, "wake", message_id=f"wake:{run_id}:{START}")
        await self._js.purge(INBOX, subject)

    async def wake(self, run_id: str, reason: str, *, message_id: str) -> None:
        """Have a runner take the run.

        Raises:
            GiveUp: If there is no such run.
        """
        service = await self._service_of(run_id)
        dispatched = RunDispatched(run_id=run_id, reason="wake" if reason == "wake" else "recover")
        await self._js.publish(
            subjects.dispatch("resume", service),
            dispatched.to_body(),
            message_id=message_id,
        )

    async def _service_of(self, run_id: str) -> str:
        known = self._services.get(run_id)
        if known is None:
            known = await self._read_service(run_id)
            self._services[run_id] = known
            if len(self._services) > _REMEMBERED:
                self._services.popitem(last=False)
        return known

    async def _read_service(self, run_id: str) -> str:
        entry = await self._js.last(JOURNAL, subjects.journal_entry(run_id, 0))
        if entry is None:
            raise GiveUp(f"there is no run {run_id}")
        try:
            return RunStarted.from_body(entry.body).service
        except ValidationError as error:
            raise GiveUp(f"the first entry of run {run_id} is not a start") from error


def _judge(run_id: str, body: bytes) -> None:
    """See that the event can be read by whoever takes the run: a runner that cannot would leave it where it is."""
    try:
        event = read_event(body)
    except ValidationError as error:
        raise GiveUp(f"this is no event for a run: {problems(error)}") from error
    if event.run_id != run_id:
        raise GiveUp(f"the event is for run {event.run_id!r}, and came for run {run_id!r}")
