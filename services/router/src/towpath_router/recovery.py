"""Has the runs of a lost runner taken by others at once, instead of when the broker's patience ends.

The RUNS stream holds exactly what is waiting or in some runner's hands, and claims say in whose: nothing is
kept in memory for this, and a router that was not there when the runner died misses nothing that matters.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
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
        await self._recover(lost.service, lambda runner: runner in {lost.instance, None})

    async def look_back(self, services: Iterable[str], alive: frozenset[str]) -> None:
        """Recover what was held by runners that died before this router listened: they were never heard of."""
        for service in services:
            await self._recover(service, lambda runner: runner is not None and runner not in alive)

    async def _recover(self, service: str, gone: Callable[[str | None], bool]) -> None:
        """Wake the runs in some runner's hands whose newest claim is of a runner that is `gone`; None: of nobody."""
        delivered = await self._delivered(service)
        start = 1
        while start <= delivered:
            pattern = subjects.dispatches_of(service)
            stored = await self._js.following(RUNS, pattern, start=start, limit=_BATCH, whole=False)
            await self._wake_those(gone, _runs_in(stored, until=delivered))
            start = stored[-1].sequence + 1 if stored else delivered + 1

    async def _delivered(self, service: str) -> int:
        info = await self._js.info(f"CONSUMER.INFO.RUNS.{runner_consumer(service)}")
        return 0 if info is None else int(info["delivered"]["stream_seq"])

    async def _wake_those(self, gone: Callable[[str | None], bool], run_ids: list[str]) -> None:
        claims = await self._newest_claims(run_ids) if run_ids else {}
        for run_id in dict.fromkeys(run_ids):
            held = claims.get(run_id)
            if gone(held.runner if held else None):
                await self._wake(run_id, held.epoch if held else 0)

    async def _wake(self, run_id: str, epoch: int) -> None:
        try:
            await self._waker.wake(run_id, "recover", message_id=f"recover:{run_id}:{epoch}")
        except GiveUp as error:  # the others are to be woken all the same
            log.warning("a run cannot be recovered", run_id=run_id, reason=str(error))

    async def _newest_claims(self, run_ids: list[str]) -> dict[str, _Claim]:
        newest: dict[str, _Claim] = {}
        for stored in await self._js.newest_of_each(JOURNAL, *map(subjects.claims_of, run_ids)):
            with suppress(
                ValueError
            ):  # of a claim that cannot be read nobody knows who holds it: the broker will tell
                run_id, epoch = subjects.read_claim(stored.subject)
                if epoch > newest.get(run_id, _Claim(0, "")).epoch:
                    newest[run_id] = _Claim(epoch, Claimed.from_body(stored.body).runner)
        return newest


def _runs_in(stored: list[StoredMessage], *, until: int) -> list[str]:
    """List the runs of the dispatches that some runner has in its hands."""
    found: list[str] = []
    for message in stored:
        if message.sequence <= until:
            with suppress(ValidationError):  # the runner buries it with the reason
                found.append(RunDispatched.from_body(message.body).run_id)
    return found
