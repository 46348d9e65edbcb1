"""The auditor: compares, for ever and without haste, the copies in Redis with the logs that they are copies of."""

import asyncio
from collections import Counter
from collections.abc import Callable, Container
from typing import Protocol

import structlog

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.comparing import Comparing, Verdict, entities_in
from towpath_entity_store.entities.log import EntityLog
from towpath_entity_store.redis_door import RedisFailedError
from towpath_schemas.entities import EntityName

log = structlog.get_logger(__name__)

_PAGE = 16
_PATIENCE_S = 0.2
_AGAIN_AFTER_S = 1.0


class Series(Protocol):
    """A counter of which others are told; see `Tracing.counter`."""

    def add(self, amount: float, attributes: dict[str, str], /) -> None:
        """Count."""
        ...


class Auditor:
    """Audits the entities of the partitions that are `mine()`; each finding is mended, counted and logged.

    Attributes:
        findings: How many copies were what, since the process began.
        passes: How often it has come to the end of the logs.
    """

    def __init__(
        self,
        js: JetStream,
        entity_log: EntityLog,
        comparing: Comparing,
        mine: Callable[[], Container[int]],
        series: Series,
        *,
        records_per_s: float,
        rest_s: float,
    ) -> None:
        self.findings: Counter[Verdict] = Counter()
        self.passes = 0
        self._js = js
        self._log = entity_log
        self._comparing = comparing
        self._mine = mine
        self._series = series
        self._page_s = _PAGE / records_per_s
        self._rest_s = rest_s

    def told(self) -> dict[str, int]:
        """Tell, for who asks about health, what was found."""
        return {"passes": self.passes, **self.findings}

    async def audit(self) -> None:
        """Go through all logs, for ever; where Redis or the broker is away, once they are back."""
        while True:
            try:
                await self._go_through()
                await asyncio.sleep(self._rest_s)
            except (RedisFailedError, BrokerError) as error:
                log.info("copies cannot be audited now", reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)

    async def _go_through(self) -> None:
        async for names in entities_in(self._js, self._log, limit=_PAGE, ours=self._is_ours):
            await asyncio.gather(*map(self._audit, names))
            await asyncio.sleep(self._page_s)
        self.passes += 1

    def _is_ours(self, name: EntityName) -> bool:
        return name.partition in self._mine()

    async def _audit(self, name: EntityName) -> None:
        verdict = await self._comparing.compare(name, patience_s=_PATIENCE_S)
        self.findings[verdict] += 1
        self._series.add(1, {"verdict": verdict})
        if verdict not in {"right", "unreadable"}:
            log.warning("a copy in Redis was not what the log says", entity=str(name), copy=verdict)
