"""The gates that this process has to do with."""

import asyncio
from collections import OrderedDict
from functools import partial

import structlog

from towpath_chassis.errors import BrokerError
from towpath_chassis.inbox import GATE
from towpath_chassis.jetstream import JetStream
from towpath_router.gates.gate import Gate
from towpath_router.gates.log import GateLog
from towpath_router.gates.rulings import Rulings
from towpath_schemas import subjects
from towpath_schemas.gates import GateTicked

log = structlog.get_logger(__name__)

_REMEMBERED = 10_000
_UNUSED_S = 30.0
TICK = "tick"


class Gates:
    """Gates by their ids; those that are not used for a while are let go of, and forgotten where nobody is there."""

    def __init__(self, js: JetStream, rulings: Rulings) -> None:
        self._js = js
        self._rulings = rulings
        self._gates: OrderedDict[str, Gate] = OrderedDict()

    def of(self, gate_id: str) -> Gate:
        """Return a gate; as long as somebody moves it, it is the same one for all."""
        gate = self._gates.get(gate_id)
        if gate is None:
            gate = Gate(GateLog(self._js, gate_id), self._rulings.now, partial(self._arm, gate_id))
            self._gates[gate_id] = gate
            self._let_go()
        self._gates.move_to_end(gate_id)
        return gate

    def waited_for(self) -> list[str]:
        """List the gates before which somebody waits, as far as is known here."""
        return [gate_id for gate_id, gate in self._gates.items() if gate.is_waited_for]

    async def tidy(self, *, unused_s: float = _UNUSED_S) -> None:
        """Have the broker forget gates that were not used for a while, and where nobody is."""
        unused_since = asyncio.get_running_loop().time() - unused_s
        for gate in list(self._gates.values()):
            if gate.used_at <= unused_since and gate.is_idle:
                try:
                    await gate.forget_if_blank()
                except BrokerError as error:
                    log.info("a gate was not forgotten; it will be", reason=str(error))

    def knows(self, gate_id: str) -> bool:
        """Tell whether this process has had to do with a gate, so that it will be tidied."""
        return gate_id in self._gates

    def _let_go(self) -> None:
        """Let go of those that were not used for longest."""
        for gate_id, gate in list(self._gates.items())[: max(0, len(self._gates) - _REMEMBERED)]:
            if gate.is_idle:
                del self._gates[gate_id]

    async def _arm(self, gate_id: str, at: float) -> None:
        ticked = GateTicked(gate_id=gate_id, at=at)
        target = subjects.inbox(gate_id, GATE, TICK)
        await self._js.schedule(subjects.timer(gate_id, TICK), target=target, body=ticked.to_body(), at=at)
