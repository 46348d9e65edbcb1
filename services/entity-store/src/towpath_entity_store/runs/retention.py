"""Has runs forgotten that ended long enough ago: asks the router to, which knows how.

The index knows when runs ended. All replicas look; what they ask for twice is dropped by the broker, and harmless.
"""

import asyncio
import time
from typing import NamedTuple, cast

import orjson
import structlog

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_entity_store.redis_door import RedisFailedError
from towpath_entity_store.runs.changes import Change
from towpath_entity_store.runs.index import RunsIndex
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.requests import ControlRequested
from towpath_schemas.streams import JOURNAL

log = structlog.get_logger(__name__)

_AT_ONCE = 100
_AT_A_LOOK = 5_000
_BY = AttributionClaim(agent="towpath.retention")


class _Ended(NamedTuple):
    """A run that ended long ago, and the sequence of the newest record that the index knows of it."""

    run_id: str
    tenant: str
    sequence: int


class Retention:
    """Looks for runs that have been kept long enough."""

    def __init__(self, js: JetStream, index: RunsIndex, settings: Settings) -> None:
        self._js = js
        self._index = index
        self._kept_s = settings.runs_kept_s
        self._look_s = settings.retention_look_s

    async def watch(self) -> None:
        """Look, for ever; where runs are kept for ever, wait for the end."""
        while True:
            await asyncio.sleep(self._look_s)
            if self._kept_s:
                try:
                    await self._look(time.time() - self._kept_s)
                except (BrokerError, RedisFailedError) as error:
                    log.info("what has been kept long enough is looked for later", reason=str(error))

    async def _look(self, before: float) -> None:
        for start in range(0, _AT_A_LOOK, _AT_ONCE):
            ended = await self._ended(before, start)
            await asyncio.gather(*map(self._forget, ended))
            if len(ended) < _AT_ONCE:
                return

    async def _ended(self, before: float, start: int) -> list[_Ended]:
        """List those that ended `before` a moment, the earliest first."""
        asking = self._index.redis.ask
        listed = self._index.key("ended")
        found = await asking("ZRANGEBYSCORE", listed, "-inf", f"({before!r}", "LIMIT", start, _AT_ONCE)
        run_ids = [run_id.decode() for run_id in cast("list[bytes]", found)]
        known = await asyncio.gather(
            *(asking("HMGET", self._index.run(run_id), "tenant", "newest_state") for run_id in run_ids)
        )
        return [
            _Ended(run_id, orjson.loads(tenant), int(sequence))
            for run_id, (tenant, sequence) in zip(run_ids, cast("list[list[bytes]]", known), strict=True)
            if tenant and sequence
        ]

    async def _forget(self, ended: _Ended) -> None:
        """Ask for a run to be forgotten; what was refused and never a run, forget at once."""
        if await self._is_run(ended.run_id):
            subject = subjects.request(ended.tenant, "purge", ended.run_id)
            asked = ControlRequested(reason="it has been kept long enough", attribution=_BY)
            await self._js.publish(subject, asked.to_body(), message_id=f"retention:{ended.run_id}")
        else:
            await self._index.fold(Change(ended.run_id, ended.sequence, "purged"))

    async def _is_run(self, run_id: str) -> bool:
        """Tell whether an id is that of a run: what was refused has no claims, what was forgotten no beginning."""
        traces = (subjects.claims_of(run_id), subjects.journal_entry(run_id, 0))
        found = await asyncio.gather(*(self._js.last(JOURNAL, trace, whole=False) for trace in traces))
        return None not in found
