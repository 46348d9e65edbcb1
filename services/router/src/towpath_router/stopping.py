"""Ends runs without their code: those that are terminated, and those that are cancelled before anybody began them.

The router claims such a run, which fences out whoever holds it, and writes its end under that claim.
"""

import time
from collections.abc import Sequence
from typing import Literal

from towpath_chassis.delivery import RetryLater
from towpath_chassis.inbox import taken_live
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim, salvage_journal
from towpath_router.children import ending_with
from towpath_router.ending import Ending
from towpath_router.finishing import Finisher
from towpath_router.requests import Asked
from towpath_router.runs import Runs, ended
from towpath_router.sending import Sender
from towpath_router.succession import Succession
from towpath_schemas.calls import ControlSent, RunClosed
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, CallSettled, JournalRecord, RunFinished, RunStarted
from towpath_schemas.object_keys import PlaceInLine, places_in_line
from towpath_schemas.requests import ControlRequested, RequestDone
from towpath_schemas.succession import heir_of


class Stopper:
    """Ends runs: where one has continued as new, the one that goes on.

    An end names the request that it was written for, so a request that comes again recognises what it has done.
    """

    def __init__(
        self,
        js: JetStream,
        runs: Runs,
        succession: Succession,
        sender: Sender,
        *,
        ending: Ending,
        finisher: Finisher,
    ) -> None:
        self._js = js
        self._runs = runs
        self._succession = succession
        self._finisher = finisher
        self._sender = sender
        self._ending = ending

    async def terminate(self, asked: Asked[ControlRequested]) -> RequestDone:
        """End a run at once, whatever it does; its code is not told and cannot clean up.

        Raises:
            RefusedError: If the tenant has no such run, or it has ended otherwise.
            FencedError: If a runner took it at the same time; ask again.
            RetryLater: If another run is about to go on from it.
        """
        line, finished = await self._succession.named(asked), _end(asked, "terminated")
        run_id = line.newest
        written = await self._runs.finished(run_id)
        if written is None and line.has_ended:
            raise ended(asked.target)
        if written is None:
            newest = await newest_claim(self._js, run_id)
            epoch = newest.epoch + 1 if newest else 1
            written = await self._finisher.finish(run_id, finished, epoch=epoch)
        if not _is_same(written, finished):
            goes_on = not line.has_ended and heir_of(run_id, written) is not None
            raise _continuing(run_id) if goes_on else ended(run_id)
        await self._drop(run_id, asked)
        await self._conclude(run_id, written)
        return RequestDone(subject=asked.request.subject, targets=(asked.target,))

    async def cancel(self, asked: Asked[ControlRequested]) -> RequestDone:
        """Ask a run to end; one that nobody has begun has nothing to clean up, and is ended.

        Raises:
            RefusedError: If the tenant has no such run, or it has ended otherwise.
        """
        if not await self._end_unbegun(asked):
            return await self._sender.cancel(asked)
        return RequestDone(subject=asked.request.subject, targets=(asked.target,))

    async def _end_unbegun(self, asked: Asked[ControlRequested]) -> bool:
        line, finished = await self._succession.named(asked), _end(asked, "cancelled")
        run_id = line.newest
        written = await self._runs.finished(run_id)
        if written is None and not line.has_ended:
            written = await self._finisher.finish_unbegun(run_id, finished)
        if written is None or not _is_same(written, finished):
            return False
        await self._conclude(run_id, written)
        return True

    async def _drop(self, run_id: str, asked: Asked[ControlRequested]) -> None:
        """Have whoever holds the run find out at once: what it is offered it cannot write down any more."""
        offered = ControlSent(event_id=asked.own_id, run_id=run_id, control="cancel", attribution=asked.by)
        await taken_live(self._js, run_id, offered.to_body())

    async def _conclude(self, run_id: str, finished: RunFinished) -> None:
        records = [record for _, record in await salvage_journal(self._js, run_id)]
        started = next(record for record in records if isinstance(record, RunStarted))
        await self._finisher.tell(run_id, started, finished)
        await self._ending.conclude(
            RunClosed(
                run_id=run_id,
                end=finished.end,
                failure=finished.failure,
                parent=started.parent,
                children=ending_with(run_id, records),
                gates=started.gates,
                places=_places(started.service, records),
                attribution=started.attribution,
            )
        )


def _continuing(run_id: str) -> RetryLater:
    return RetryLater(f"run {run_id} goes on as another one, which is not made yet")


def _places(service: str, records: Sequence[JournalRecord]) -> tuple[PlaceInLine, ...]:
    begun = (record for record in records if isinstance(record, CallIntended))
    return places_in_line(
        service, begun, {record.key for record in records if isinstance(record, CallSettled)}
    )


def _end(asked: Asked[ControlRequested], end: Literal["cancelled", "terminated"]) -> RunFinished:
    reason = f": {asked.said.reason}" if asked.said.reason else ""
    message = f"the run was {end} by request {asked.own_id}{reason}"
    failure = Failure(code=end, message=message)
    return RunFinished(at=time.time(), end=end, failure=failure, attribution=asked.by)


def _is_same(one: RunFinished, other: RunFinished) -> bool:
    """Tell whether two ends were written for the same request."""
    return (one.end, one.failure) == (other.end, other.failure)
