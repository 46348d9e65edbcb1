"""Writes the end of runs that end without their code, under a claim of the router's, which fences out who holds them."""

from contextlib import suppress
from typing import Any

from towpath_chassis.errors import BrokerError, FencedError
from towpath_chassis.journal import ENDING, claim, newest_claim, salvage_journal
from towpath_chassis.service import Chassis
from towpath_router.runs import Runs
from towpath_schemas import subjects
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.journal import RunFinished, RunStarted
from towpath_schemas.runs import RunEnded, RunView


class Finisher:
    """Finishes runs."""

    def __init__(self, chassis: Chassis[Any], runs: Runs) -> None:
        self._chassis = chassis
        self._js = chassis.js
        self._runs = runs

    async def finish(self, run_id: str, finished: RunFinished, *, epoch: int) -> RunFinished:
        """Write the end of a run, unless it has one; return the one it has.

        Raises:
            FencedError: If somebody else has claimed it for `epoch`, or a later one.
        """
        claimant = f"{ENDING}{self._chassis.settings.instance}"
        held = await claim(self._js, run_id, claimant, epoch=epoch)
        entries = await salvage_journal(self._js, run_id)
        last = entries[-1][1]
        if isinstance(last, RunFinished):
            return last
        place = subjects.journal_entry(run_id, 1 + max(number for number, _ in entries))
        await self._js.publish(place, finished.to_body(), expect=held.expect)
        return finished

    async def finish_unbegun(self, run_id: str, finished: RunFinished) -> RunFinished | None:
        """Write the end of a run that no runner has begun, unless it has one; return the one it has.

        Returns:
            None where a runner has begun it, and it goes on.
        """
        newest = await newest_claim(self._js, run_id)
        if newest is not None and not newest.ends:
            return await self._runs.finished(run_id)
        try:
            return await self.finish(run_id, finished, epoch=newest.epoch + 1 if newest else 1)
        except FencedError:  # a runner has begun it meanwhile, or another router ends it
            return await self._runs.finished(run_id)

    async def tell(self, run_id: str, started: RunStarted, finished: RunFinished) -> None:
        """Tell whoever watches that a run has ended."""
        envelope = self._chassis.envelope(
            event_type_of(RunEnded),
            traceparent=started.traceparent,
            correlation_id=started.correlation_id,
            run_id=run_id,
            attribution=started.attribution,
        )
        told = RunEnded(run=RunView.ended(run_id, started, finished))
        with suppress(BrokerError):  # who missed it reads the journal
            await self._js.publish(subjects.output(run_id), told.to_body(), headers=envelope.headers())
