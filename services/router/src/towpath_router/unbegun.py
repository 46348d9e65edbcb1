"""Ends runs that no runner has begun: another one stands for them, or somebody wants them to end.

One that a runner has begun is asked to end, and may clean up.
"""

import time

from towpath_chassis.inbox import CLOSED, keep
from towpath_chassis.jetstream import JetStream
from towpath_router.finishing import Finisher
from towpath_router.runs import Runs
from towpath_schemas import identity, subjects
from towpath_schemas.calls import ControlSent, RunClosed
from towpath_schemas.failure import Failure
from towpath_schemas.journal import RunFinished, RunStarted


class Unbegun:
    """Ends runs before they begin; ending one twice does it once."""

    def __init__(self, js: JetStream, runs: Runs, finisher: Finisher) -> None:
        self._js = js
        self._runs = runs
        self._finisher = finisher

    async def merge(self, run_id: str, into: str) -> bool:
        """End a run in favour of another, unless a runner has begun it; tell whether it has ended, however it did."""
        return await self._end(run_id, RunFinished(at=time.time(), end="continued", successor=into))

    async def cancel(self, wish: ControlSent) -> bool:
        """End a run because somebody wants it to; see `merge`."""
        reason = f": {wish.reason}" if wish.reason else ""
        failure = Failure(code="cancelled", message=f"the run was cancelled before it began{reason}")
        finished = RunFinished(at=time.time(), end="cancelled", failure=failure, attribution=wish.attribution)
        return await self._end(wish.run_id, finished)

    async def replace(self, run_id: str, by: str) -> None:
        """Have a run end in favour of another, which begins when it has: as soon as its code has cleaned up."""
        if await self.merge(run_id, by):
            return
        newer = await self._runs.started(by) or await self._runs.started(run_id)
        if newer is not None:
            wish = ControlSent(
                event_id=identity.derived_id("replace", run_id, by),
                run_id=run_id,
                control="cancel",
                reason=f"replaced by run {by}",
                attribution=newer.attribution,
            )
            await keep(self._js, wish)

    async def _end(self, run_id: str, finished: RunFinished) -> bool:
        started = await self._runs.started(run_id)
        if started is None:
            return True  # it ended, and was purged
        written = await self._finisher.finish_unbegun(run_id, finished)
        if written is not None and (written.end, written.successor) == (finished.end, finished.successor):
            await self._finisher.tell(run_id, started, written)
            await self._close(run_id, started, written)
        return written is not None

    async def _close(self, run_id: str, started: RunStarted, finished: RunFinished) -> None:
        """Have done what is left to do, as a runner does; see `Ending`."""
        closed = RunClosed(
            run_id=run_id,
            end=finished.end,
            failure=finished.failure,
            parent=started.parent,
            merged_into=finished.successor,
            gates=started.gates,
            attribution=started.attribution,
        )
        place = subjects.inbox(run_id, CLOSED, run_id)
        await self._js.publish(place, closed.to_body(), message_id=f"closed:{run_id}")
