"""Ends runs without their code: those that are terminated, and those that are cancelled before anybody began them.

The router claims such a run, which fences out whoever holds it, and writes its end under that claim.
"""

import time
from contextlib import suppress
from typing import Any, Literal

from towpath_chassis.errors import BrokerError, FencedError
from towpath_chassis.inbox import taken_live
from towpath_chassis.journal import claim, newest_claim, read_journal
from towpath_chassis.service import Chassis
from towpath_router.children import ending_with
from towpath_router.ending import Ending
from towpath_router.requests import Asked
from towpath_router.runs import Runs, ended
from towpath_router.sending import Sender
from towpath_schemas import subjects
from towpath_schemas.calls import ControlSent, RunClosed
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.failure import Failure
from towpath_schemas.journal import RunFinished, RunStarted
from towpath_schemas.requests import ControlRequested, RequestDone
from towpath_schemas.runs import RunEnded, RunView


class Stopper:
    """Ends runs.

    An end names the request that it was written for, so a request that comes again recognises what it has done.
    """

    def __init__(self, chassis: Chassis[Any], runs: Runs, sender: Sender, ending: Ending) -> None:
        self._chassis = chassis
        self._js = chassis.js
        self._runs = runs
        self._sender = sender
        self._ending = ending

    async def terminate(self, asked: Asked[ControlRequested]) -> RequestDone:
        """End a run at once, whatever it does; its code is not told and cannot clean up.

        Raises:
            RefusedError: If the tenant has no such run, or it has ended otherwise.
            FencedError: If a runner took it at the same time; ask again.
        """
        started, finished = await self._runs.named(asked), _end(asked, "terminated")
        written = await self._runs.finished(asked.target)
        if written is None:
            newest = await newest_claim(self._js, asked.target)
            written = await self._write(asked.target, finished, epoch=newest.epoch + 1 if newest else 1)
        if not _is_same(written, finished):
            raise ended(asked.target)
        await self._drop(asked)
        await self._conclude(asked.target, started, written)
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
        started, finished = await self._runs.named(asked), _end(asked, "cancelled")
        written = await self._runs.finished(asked.target)
        if written is None and await newest_claim(self._js, asked.target) is None:
            with suppress(FencedError):  # a runner has begun it meanwhile
                written = await self._write(asked.target, finished, epoch=1)
        if written is None or not _is_same(written, finished):
            return False
        await self._conclude(asked.target, started, written)
        return True

    async def _write(self, run_id: str, finished: RunFinished, *, epoch: int) -> RunFinished:
        """Write the end of a run, unless it has one; return the one it has."""
        held = await claim(self._js, run_id, self._chassis.settings.instance, epoch=epoch)
        entries = await read_journal(self._js, run_id)
        last = entries[-1][1]
        if isinstance(last, RunFinished):
            return last
        place = subjects.journal_entry(run_id, 1 + max(number for number, _ in entries))
        await self._js.publish(place, finished.to_body(), expect=held.expect)
        return finished

    async def _drop(self, asked: Asked[ControlRequested]) -> None:
        """Have whoever holds the run find out at once: what it is offered it cannot write down any more."""
        offered = ControlSent(
            event_id=asked.own_id, run_id=asked.target, control="cancel", attribution=asked.by
        )
        await taken_live(self._js, asked.target, offered.to_body())

    async def _conclude(self, run_id: str, started: RunStarted, finished: RunFinished) -> None:
        records = [record for _, record in await read_journal(self._js, run_id)]
        await self._tell_end(run_id, started, finished)
        await self._ending.conclude(
            RunClosed(
                run_id=run_id,
                end=finished.end,
                failure=finished.failure,
                parent=started.parent,
                children=ending_with(run_id, records),
                attribution=started.attribution,
            )
        )

    async def _tell_end(self, run_id: str, started: RunStarted, finished: RunFinished) -> None:
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


def _end(asked: Asked[ControlRequested], end: Literal["cancelled", "terminated"]) -> RunFinished:
    reason = f": {asked.said.reason}" if asked.said.reason else ""
    message = f"the run was {end} by request {asked.own_id}{reason}"
    return RunFinished(at=time.time(), end=end, failure=Failure(code=end, message=message))


def _is_same(one: RunFinished, other: RunFinished) -> bool:
    """Tell whether two ends were written for the same request."""
    return (one.end, one.failure) == (other.end, other.failure)
