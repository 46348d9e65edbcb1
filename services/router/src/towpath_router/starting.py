"""Makes runs: writes each one's first entry, from which moment it exists, and hands it to its runners."""

import asyncio

from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.inbox import START
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim
from towpath_chassis.messages import Expect
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched
from towpath_schemas.journal import RunStarted
from towpath_schemas.streams import INBOX

_SENT_ALONG_BYTES = 64 * 1024


class Starter:
    """Starts runs; starting one again finds it as it is."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def start(self, run_id: str, started: RunStarted, *, at: float | None = None) -> bool:
        """Make a run, and hand it to its runners: now, or `at` a time in seconds since 1970.

        If it exists it is handed on again, unless somebody has it or it waits for its time: who wrote it down may
        have died before that.

        Returns:
            Whether it existed.
        """
        existed = await self.write_down(run_id, started)
        if existed and await self.is_handed_on(run_id):
            return True
        if at is not None:
            await self._schedule(run_id, at)
        else:
            await self.hand_over(run_id, started.service, None if existed else started)
        return existed

    async def write_down(self, run_id: str, started: RunStarted) -> bool:
        """Write the first entry of a run; tell whether it existed before."""
        try:
            await self._js.publish(subjects.journal_entry(run_id, 0), started.to_body(), expect=Expect(0))
        except (FencedError, AlreadyWrittenError):
            return True
        return False

    async def hand_over(self, run_id: str, service: str, written: RunStarted | None = None) -> None:
        """Dispatch a run to the runners of `service`.

        Its first entry goes along where it is `written` just now, is all there is, and is small: JSON in JSON may
        double in size.
        """
        entry = written.to_body() if written else b""
        sent_along = entry.decode() if 0 < len(entry) <= _SENT_ALONG_BYTES else None
        dispatched = RunDispatched(run_id=run_id, reason="start", first_entry=sent_along)
        subject = subjects.dispatch("start", service)
        await self._js.publish(subject, dispatched.to_body(), message_id=f"{run_id}:start")

    async def is_scheduled(self, run_id: str) -> bool:
        """Tell whether a run waits for its time."""
        return await self._js.last(INBOX, subjects.timer(run_id, START)) is not None

    async def is_handed_on(self, run_id: str) -> bool:
        """Tell whether a run has been taken by a runner, or waits for its time."""
        claimed, scheduled = await asyncio.gather(newest_claim(self._js, run_id), self.is_scheduled(run_id))
        return claimed is not None or scheduled

    async def _schedule(self, run_id: str, at: float) -> None:
        due = RunDispatched(run_id=run_id, reason="start")
        target = subjects.inbox(run_id, START, run_id)
        await self._js.schedule(subjects.timer(run_id, START), target=target, body=due.to_body(), at=at)
