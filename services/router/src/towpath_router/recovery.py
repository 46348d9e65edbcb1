"""Has the runs of a lost runner taken by others at once, instead of when the broker's patience ends.

The RUNS stream holds exactly what is waiting or in some runner's hands, and claims say in whose: nothing is
kept in memory for this, and a router that was not there when the runner died misses nothing that matters.
"""

from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_chassis.jetstream import JetStream
from towpath_router.waking import Waker
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched
from towpath_schemas.journal import Claimed
from towpath_schemas.presence import Heartbeat
from towpath_schemas.streams import JOURNAL, RUNS, runner_consumer

log = structlog.get_logger(__name__)

_BATCH = 100


class _Claim(NamedTuple):
    epoch: int
    runner: str


class Recovery:
    """Finds the runs that a lost runner held, and wakes them."""

    def __init__(self, js: JetStream, waker: Waker) -> None:
        self._js = js
        self._waker = waker

    async def on_lost(self, lost: Heartbeat) -> None:
        """Handle the loss of a process."""
        if lost.role != "agent-runner" or lost.service is None:
            return
        log.warning("a runner was lost", runner=lost.instance)
        delivered = await self._delivered(lost.service)
        start = 1
        while runs := await self._dispatched_from(lost.service, start, delivered):
            await self._wake_those_of(lost.instance, [run_id for _, run_id in runs])
            start = runs[-1][0] + 1

    async def _delivered(self, service: str) -> int:
        info = await self._js.info(f"CONSUMER.INFO.RUNS.{runner_consumer(service)}")
        return 0 if info is None else int(info["delivered"]["stream_seq"])

    async def _dispatched_from(self, service: str, start: int, last: int) -> list[tuple[int, str]]:
        """List sequence and run of the dispatches that some runner has in its hands."""
        pattern = subjects.dispatches_of(service)
        stored = await self._js.following(RUNS, pattern, start=start, limit=_BATCH)
        found: list[tuple[int, str]] = []
        for message in stored:
            if message.sequence > last:
                break
            try:
                found.append((message.sequence, RunDispatched.from_body(message.body).run_id))
            except ValidationError:
                continue  # the runner buries it with the reason
        return found

    async def _wake_those_of(self, runner: str, run_ids: list[str]) -> None:
        """Wake the runs whose newest claim is the lost runner's, or that nobody has claimed yet."""
        claims = await self._newest_claims(run_ids)
        for run_id in dict.fromkeys(run_ids):
            held = claims.get(run_id)
            if held is None or held.runner == runner:
                epoch = held.epoch if held else 0
                await self._waker.wake(run_id, "recover", message_id=f"recover:{run_id}:{epoch}")

    async def _newest_claims(self, run_ids: list[str]) -> dict[str, _Claim]:
        newest: dict[str, _Claim] = {}
        for stored in await self._js.newest_of_each(JOURNAL, *map(subjects.claims_of, run_ids)):
            run_id, epoch = subjects.read_claim(stored.subject)
            if epoch > newest.get(run_id, _Claim(0, "")).epoch:
                newest[run_id] = _Claim(epoch, Claimed.from_body(stored.body).runner)
        return newest
