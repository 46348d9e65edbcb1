"""Sees to gates that nobody moves: other rules may let those pass who wait there, and empty ones are to be forgotten.

Whoever moved them before may be gone, and has told nobody: routers come and go.
"""

import asyncio
from collections.abc import Iterable

import structlog

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_router.gates.gates import Gates
from towpath_router.passing import Passage
from towpath_schemas import subjects
from towpath_schemas.streams import GATES

log = structlog.get_logger(__name__)

_TIDIED_EVERY_S = 15.0
_SWEPT_EVERY_S = 600.0
_RETRY_S = 1.0
_PAGE = 256


class Tidying:
    """Sees to all gates there are when it starts, when rules change, and now and then; often to those known here."""

    def __init__(self, js: JetStream, gates: Gates, passage: Passage) -> None:
        self._js = js
        self._gates = gates
        self._passage = passage
        self._asked = asyncio.Event()

    def look(self) -> None:
        """Ask that all gates be looked at: the rules are others."""
        self._asked.set()

    async def keep_tidy(self) -> None:
        """Tidy for ever."""
        while True:
            self._asked.clear()
            behind = await self._sweep()
            for _ in range(round(_SWEPT_EVERY_S / _TIDIED_EVERY_S)):
                if await self._is_asked_within(_RETRY_S if behind else _TIDIED_EVERY_S):
                    break
                behind = await self._see_to(behind)
                await self._gates.tidy()

    async def _is_asked_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._asked.wait()
        except TimeoutError:
            return False

    async def _sweep(self) -> list[str]:
        """Look at all gates that there are by now, first where somebody is known to wait; return those to be looked at again."""
        newest = await self._js.last(GATES, subjects.EVERY_GATE, whole=False)
        seen = set(self._gates.waited_for())
        behind = await self._see_to(seen)
        start, end = 1, newest.sequence if newest else 0
        while start <= end and (
            page := await self._js.following(
                GATES, subjects.EVERY_GATE, start=start, limit=_PAGE, whole=False
            )
        ):
            others = {subjects.read_gate(one.subject) for one in page} - seen
            behind += await self._see_to(others)
            seen |= others
            start = page[-1].sequence + 1
        return behind

    async def _see_to(self, gate_ids: Iterable[str]) -> list[str]:
        """Look at gates, in any order; return those of which the broker could not be told or asked all there is."""
        behind: list[str] = []
        for gate_id in gate_ids:
            try:
                await self._look_at(gate_id)
            except BrokerError as error:
                log.info("a gate was not looked at; it will be", gate=gate_id, reason=str(error))
                behind.append(gate_id)
            except Exception:  # one that a newer router wrote, say, must not hide the others
                log.exception("a gate cannot be looked at", gate=gate_id)
        return behind

    async def _look_at(self, gate_id: str) -> None:
        """Let those pass whom its rule lets, and do what is due: who decided that may have died before doing it."""
        was_known = self._gates.knows(gate_id)
        await self._passage.look(gate_id)
        gate = self._gates.of(gate_id)
        if not was_known and gate.is_idle:  # others are forgotten when they were not used for a while
            await gate.forget_if_blank()
