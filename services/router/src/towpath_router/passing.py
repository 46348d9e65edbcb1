"""Brings runs through their gates, one after the other, and past the last one to their runners.

A run is written down before it comes to the first. What a gate decides about others by the way is done, too; each
step may be done twice, and who dies in between is made up for by the next delivery of the message that led to it.
"""

import asyncio
from collections.abc import Iterable

import structlog

from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim
from towpath_router.dispatching import Dispatcher
from towpath_router.gates.gate import Decided
from towpath_router.gates.gates import Gates
from towpath_router.runs import Runs
from towpath_router.unbegun import Unbegun
from towpath_schemas.gates import Due, GateLooked, Ruling, RunEntered, RunLeft
from towpath_schemas.journal import RunStarted
from towpath_schemas.limits import GatePassed
from towpath_schemas.succession import heir_of

log = structlog.get_logger(__name__)

_AT_ONCE = 64


class Passage:
    """The way of runs through gates."""

    def __init__(
        self, js: JetStream, runs: Runs, gates: Gates, dispatcher: Dispatcher, unbegun: Unbegun
    ) -> None:
        self._js = js
        self._runs = runs
        self._gates = gates
        self._dispatcher = dispatcher
        self._unbegun = unbegun

    # --- Coming -----------------------------------------------------------------------------------

    async def begin(self, run_id: str, started: RunStarted) -> None:
        """Bring a run that was written down just now as far as it comes."""
        await self._go_on(run_id, started, started.gates, written=started)

    async def resume(self, run_id: str, started: RunStarted) -> None:
        """Bring a run on from wherever it is; where a runner has it, do what else is due at its gates."""
        if await newest_claim(self._js, run_id) is not None:
            for gate in started.gates:
                await self.look(gate.gate_id)
            return
        known = [await self._gates.of(gate.gate_id).knows(run_id) for gate in started.gates]
        last = max((place for place, knows in enumerate(known) if knows), default=0)
        await self._go_on(run_id, started, started.gates[last:])

    async def _go_on(
        self,
        run_id: str,
        started: RunStarted,
        gates: tuple[GatePassed, ...],
        *,
        written: RunStarted | None = None,
    ) -> None:
        if not gates:
            await self._hand_over(run_id, started, written)
            return
        gate, *behind = gates
        leave = await self._enter(gate, run_id, started)
        if leave is None:
            return
        try:
            await self._go_on(run_id, started, tuple(behind), written=written)
        except BaseException:
            self._gates.of(gate.gate_id).let_go(leave)
            raise
        self._gates.of(gate.gate_id).done(leave)

    async def _enter(self, passed: GatePassed, run_id: str, started: RunStarted) -> Due | None:
        """Enter a gate; return the leave to pass it, None where the run waits or has become another."""
        gate, leave = self._gates.of(passed.gate_id), Due(act="pass", run_id=run_id)
        ruling = Ruling(limit=passed.limit, component=started.component, service=started.service)
        event = RunEntered(run_id=run_id, priority=started.priority, asked_at=started.at)
        decided = await gate.tell(event, ruling=ruling)
        others = tuple(due for due in decided.due if due != leave)
        try:
            await self._do_all(passed.gate_id, Decided(others, decided.is_new))
        except BaseException:
            gate.let_go(leave)
            raise
        return leave if leave in decided.due or gate.has_inside(run_id) else None

    async def _hand_over(self, run_id: str, started: RunStarted, written: RunStarted | None) -> None:
        """Dispatch a run, unless it ended before it came here: then nobody else frees its places."""
        if await self._runs.finished(run_id) is not None:
            await self.leave(run_id, started.gates, has_begun=False)
        else:
            await self._dispatcher.dispatch(run_id, started.service, written)

    # --- Leaving ----------------------------------------------------------------------------------

    async def leave(
        self, run_id: str, gates: Iterable[GatePassed], *, has_begun: bool, heir: str | None = None
    ) -> None:
        """Free the places of a run that has ended, and let on who gets them; an `heir` keeps them."""
        for gate in gates:
            if gate.is_left or not has_begun:
                decided = await self._gates.of(gate.gate_id).tell(RunLeft(run_id=run_id, heir=heir))
                await self._do_all(gate.gate_id, decided)

    # --- Time, and other rules --------------------------------------------------------------------

    async def look(self, gate_id: str, *, at: float = 0.0) -> None:
        """Let those pass a gate whose time has come, now or at `at`, or whom another rule lets; do whatever is due there."""
        decided = await self._gates.of(gate_id).tell(GateLooked(), at=at)
        await self._do_all(gate_id, decided)

    # --- What is due ------------------------------------------------------------------------------

    async def _do_all(self, gate_id: str, decided: Decided) -> None:
        due = decided.due
        try:
            for start in range(0, len(due), _AT_ONCE):
                doing = (
                    self._do(gate_id, one, is_new=decided.is_new) for one in due[start : start + _AT_ONCE]
                )
                for error in await asyncio.gather(*doing, return_exceptions=True):
                    if error is not None:
                        raise error
        finally:
            self._gates.of(gate_id).let_go(*due)

    async def _do(self, gate_id: str, due: Due, *, is_new: bool) -> None:
        match due:
            case Due(act="pass"):
                await self._pass(gate_id, due.run_id, is_new=is_new)
            case Due(act="merge", by=str() as into):
                await self._unbegun.merge(due.run_id, into)
            case Due(act="replace", by=str() as by):
                await self._unbegun.replace(due.run_id, by)
            case _:
                log.error("a gate decided what cannot be done", gate=gate_id, due=due)
        self._gates.of(gate_id).done(due)

    async def _pass(self, gate_id: str, run_id: str, *, is_new: bool) -> None:
        started = await self._runs.started(run_id)
        if started is None:
            log.warning("a run that waited is not there any more", run_id=run_id)
            await self._gates.of(gate_id).tell(RunLeft(run_id=run_id))
        elif is_new or await newest_claim(self._js, run_id) is None:
            places = [gate.gate_id for gate in started.gates]
            await self._go_on(run_id, started, started.gates[places.index(gate_id) + 1 :])
        elif await self._is_over(run_id):  # maybe it was before it came to the gate: see `_hand_over`
            await self.leave(run_id, started.gates, has_begun=False)

    async def _is_over(self, run_id: str) -> bool:
        """Tell whether a run has ended, and leaves its places to nobody."""
        finished = await self._runs.finished(run_id)
        return finished is not None and heir_of(run_id, finished) is None
