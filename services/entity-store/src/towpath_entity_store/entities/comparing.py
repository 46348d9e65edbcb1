"""Compares what Redis has of an entity with the fold of its log, and writes anew what differs."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Literal

import structlog

from towpath_chassis.errors import PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.log import EntityLog
from towpath_entity_store.entities.projection import Copy, Projection
from towpath_schemas import subjects
from towpath_schemas.entities import EntityName
from towpath_schemas.streams import JOURNAL

Verdict = Literal["right", "missing", "behind", "wrong", "unreadable"]
"""What a copy is: of the newest record; not there; of a record before; of none, whoever wrote it; of a log with damage."""

log = structlog.get_logger(__name__)

_AT_ONCE = 64


class Comparing:
    """Looks at one entity after the other; any process may, whoever owns them."""

    def __init__(self, log: EntityLog, projection: Projection) -> None:
        self._log = log
        self._projection = projection

    async def compare(self, name: EntityName, *, patience_s: float = 0.0) -> Verdict:
        """Compare an entity's copy with its log, and mend it; tell what it was.

        Args:
            name: Which entity.
            patience_s: Seconds within which a copy that lags may be written by its owner, who has just committed.

        Raises:
            RedisFailedError: If Redis is lost.
            BrokerError: If the log cannot be read.
        """
        copy = await self._projection.look(name)
        try:
            entity = await self._log.load(name)  # behind the copy: what is in Redis was in the log before
        except (ValueError, PayloadLostError) as error:  # which keeps no other entity from being looked at
            log.warning("the log of an entity cannot be read", entity=str(name), reason=str(error))
            return "unreadable"
        verdict = _verdict(copy, entity)
        if verdict in {"missing", "behind"} and patience_s:
            await asyncio.sleep(patience_s)
            if await self._projection.look(name) != copy:
                return "right"
        if verdict != "right" and await self._projection.mend(name, copy, entity):
            await self._forget_erased(name)
        return verdict

    async def _forget_erased(self, name: EntityName) -> None:
        """Take back what was written of an entity that was erased meanwhile."""
        if (await self._log.newest(name)).number == 0:
            await self._projection.forget(name)

    async def compare_all(self, js: JetStream) -> AsyncGenerator[Counter[Verdict]]:
        """Compare all entities as fast as it goes; yields how many copies were what, some entities at a time."""
        async for names in entities_in(js, self._log, limit=_AT_ONCE):
            yield Counter(await asyncio.gather(*map(self.compare, names)))


async def entities_in(
    js: JetStream, entity_log: EntityLog, *, limit: int, ours: Callable[[EntityName], bool] = lambda _: True
) -> AsyncGenerator[list[EntityName]]:
    """Go through the records of all entities that there are by now; yields whose they are, `limit` records at a time.

    An entity has many records, and comes with the newest, or at once if it gets newer ones while this goes on.
    """
    end, start, moving = await js.last_sequence(JOURNAL), 1, set[EntityName]()
    while start <= end:
        page = await js.following(
            JOURNAL, subjects.EVERY_ENTITY_RECORD, start=start, limit=limit, whole=False
        )
        if not page:
            return
        there = {EntityName.of_record(message.subject): message.sequence for message in page}
        chosen = [name for name in there if ours(name) and name not in moving]
        newest = dict(zip(chosen, await asyncio.gather(*map(entity_log.newest, chosen)), strict=True))
        moving |= {name for name in chosen if newest[name].sequence > end}
        yield [name for name in chosen if name in moving or newest[name].sequence == there[name]]
        start = page[-1].sequence + 1


def _verdict(copy: Copy, entity: Entity) -> Verdict:
    if copy == Copy.made_of(entity):
        return "right"
    if copy == Copy():  # also Redis drops what has expired, and an entity with no log has no copy
        return "right" if entity.number == 0 or entity.has_expired(time.time()) else "missing"
    return "behind" if copy.number.isdigit() and int(copy.number) < entity.number else "wrong"
