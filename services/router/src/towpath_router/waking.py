"""Brings to their runs the events that found nobody: to whoever holds the run by now, else by waking it."""

from collections import OrderedDict

from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp
from towpath_chassis.inbox import taken_live
from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched
from towpath_schemas.journal import RunStarted
from towpath_schemas.streams import JOURNAL

_REMEMBERED = 10_000


class Waker:
    """Wakes runs; a redundant wake is harmless, since the claim decides."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self._services: OrderedDict[str, str] = OrderedDict()

    async def on_event(self, subject: str, body: bytes, sequence: int) -> None:
        """Handle an event that was put into a run's inbox."""
        run_id, _ = subjects.read_inbox(subject)
        if not await taken_live(self._js, run_id, body):
            await self.wake(run_id, "wake", message_id=f"wake:{sequence}")

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
