"""Makes runs: writes each one's first entry, from which moment it exists, and sends it on its way to its runners."""

import asyncio

from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.inbox import START
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim
from towpath_chassis.messages import Expect
from towpath_router.catalogue import Catalogue
from towpath_router.dispatching import Dispatcher
from towpath_router.gates.naming import gates_of
from towpath_router.passing import Passage
from towpath_router.requests import RefusedError
from towpath_router.runs import Runs
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched
from towpath_schemas.journal import RunStarted
from towpath_schemas.streams import INBOX


class Starter:
    """Starts runs; starting one again finds it as it is.

    One of a component with limits passes its gates first; the others go straight to their runners.
    """

    def __init__(
        self, js: JetStream, catalogue: Catalogue, runs: Runs, dispatcher: Dispatcher, passage: Passage
    ) -> None:
        self._js = js
        self._catalogue = catalogue
        self._runs = runs
        self._dispatcher = dispatcher
        self._passage = passage

    async def start(self, run_id: str, started: RunStarted, *, at: float | None = None) -> bool:
        """Make a run, and send it on its way: now, or `at` a time in seconds since 1970.

        If it exists it is sent on again, unless somebody has it or it waits for its time: who wrote it down may
        have died before that. One that goes on from another keeps the gates it is given.

        Returns:
            Whether it existed.

        Raises:
            RefusedError: If it existed, and was purged.
        """
        written = started if started.continues else self._before_its_gates(started)
        if await self.write_down(run_id, written):
            await self.resume(run_id, at=at)
            return True
        if at is not None:
            await self._schedule(run_id, at)
        elif written.gates:
            await self._passage.begin(run_id, written)
        else:
            await self._dispatcher.dispatch(run_id, written.service, written)
        return False

    async def write_down(self, run_id: str, started: RunStarted) -> bool:
        """Write the first entry of a run, where its journal has none; tell whether it existed before."""
        expect = Expect(0, subjects.journal_of(run_id))
        try:
            await self._js.publish(subjects.journal_entry(run_id, 0), started.to_body(), expect=expect)
        except (FencedError, AlreadyWrittenError):
            return True
        return False

    async def resume(self, run_id: str, *, at: float | None = None) -> None:
        """Send a run that exists on its way again, now or `at` a time, unless it waits for its time already."""
        if not await self.is_scheduled(run_id):
            await self.send_on(run_id, at=at)

    async def send_on(self, run_id: str, *, at: float | None = None) -> None:
        """Send a run on its way from wherever it is, now or `at` a time, unless a runner has taken it.

        Raises:
            RefusedError: If it was purged.
        """
        started, claimed = await asyncio.gather(self._runs.started(run_id), newest_claim(self._js, run_id))
        if started is None:
            message = f"run {run_id!r} was purged; its id can be used again some days after that"
            raise RefusedError("run_purged", message)
        if started.gates and at is None:
            await self._passage.resume(run_id, started)
        elif claimed is None:
            await (
                self._dispatcher.dispatch(run_id, started.service)
                if at is None
                else self._schedule(run_id, at)
            )

    async def is_scheduled(self, run_id: str) -> bool:
        """Tell whether a run waits for its time."""
        return await self._js.last(INBOX, subjects.timer(run_id, START)) is not None

    async def is_handed_on(self, run_id: str) -> bool:
        """Tell whether a run has been taken by a runner, or waits for its time."""
        claimed, scheduled = await asyncio.gather(newest_claim(self._js, run_id), self.is_scheduled(run_id))
        return claimed is not None or scheduled

    def _before_its_gates(self, started: RunStarted) -> RunStarted:
        offer = self._catalogue.look_up(started.component, started.service)
        if offer is None or not offer.limits:
            return started
        tenant = started.attribution.tenant
        gates = gates_of(tenant, started.component, offer.limits, started.input, offer.parameters)
        return started.model_copy(update={"gates": gates})

    async def _schedule(self, run_id: str, at: float) -> None:
        due = RunDispatched(run_id=run_id, reason="start")
        target = subjects.inbox(run_id, START, run_id)
        await self._js.schedule(subjects.timer(run_id, START), target=target, body=due.to_body(), at=at)
