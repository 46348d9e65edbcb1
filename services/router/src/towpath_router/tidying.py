"""Has the broker forget the gates that nobody uses any more, whoever used them: routers come and go."""

import asyncio

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
_PAGE = 256


class Tidying:
    """Tidies gates: often those that this process knows, and at its start and now and then all there are."""

    def __init__(self, js: JetStream, gates: Gates, passage: Passage) -> None:
        self._js = js
        self._gates = gates
        self._passage = passage

    async def keep_tidy(self) -> None:
        """Tidy for ever."""
        while True:
            await self.sweep()
            for _ in range(round(_SWEPT_EVERY_S / _TIDIED_EVERY_S)):
                await asyncio.sleep(_TIDIED_EVERY_S)
                await self._gates.tidy()

    async def sweep(self) -> None:
        """Have gates forgotten that this process does not know, and where nobody is.

        What is due there is done first: who decided it may have died before that, or before the log said so.
        """
        start = 1
        while page := await self._js.following(
            GATES, subjects.EVERY_GATE, start=start, limit=_PAGE, whole=False
        ):
            for gate_id in dict.fromkeys(subjects.read_gate(one.subject) for one in page):
                if not self._gates.knows(gate_id):
                    await self._sweep(gate_id)
            start = page[-1].sequence + 1

    async def _sweep(self, gate_id: str) -> None:
        try:
            await self._passage.look(gate_id)
            gate = self._gates.of(gate_id)
            if gate.is_idle:
                await gate.forget_if_blank()
        except BrokerError as error:
            log.info("a gate was not swept; it will be", gate=gate_id, reason=str(error))
