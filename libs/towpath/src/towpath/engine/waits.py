"""Waits of a run for what nobody computes: moments, signals, people."""

from datetime import UTC, datetime
from typing import Any

from towpath.coordination import UNSET
from towpath.engine.acting import Actor, Call
from towpath.engine.asked import Asked, call_asked
from towpath.engine.giving_up import giving_up
from towpath.engine.live_run import LiveRun
from towpath.errors import ComponentError, SignalTimeoutError
from towpath.moments import Moment
from towpath.values import revive
from towpath.waiting import Approval, Received
from towpath_schemas.journal import CallSettled, StepSettled


class Waits:
    """Does the waiting of one run's code."""

    def __init__(self, run: LiveRun, actor: Actor) -> None:
        self._run = run
        self._actor = actor

    async def until(self, place: str, moment: Moment, agent: str | None) -> None:
        """Wait for a moment, computed from the time when the wait begins."""
        now = datetime.fromtimestamp(self._run.clock(), UTC)
        within_s = max(0.0, (moment(now) - now).total_seconds())
        settled = await self._actor.call(Call(place, "timer", "timer", within_s=within_s, agent=agent))
        if settled.failure is not None:
            raise ComponentError(settled.failure)

    async def signal(self, call: Call, default: Any) -> Any:
        """Wait for a signal and return its payload; see `Signals`."""
        asked = call_asked(call.place, "signal", call.target)
        with giving_up(self._run, asked):
            settled = await self._settled_by_signal(call, asked)
        if settled.failure is None:
            return settled.result
        if default is UNSET:
            raise SignalTimeoutError(settled.failure)
        return default

    async def _settled_by_signal(self, call: Call, asked: Asked) -> CallSettled:
        run = self._run
        settled = await run.ask(asked)
        if isinstance(settled, CallSettled):
            return settled
        if await run.reception.take_kept(call.place, call.target):
            return await run.answer(call.place)
        intent = run.history.intended(call.place) or await self._actor.intend(call)
        if await run.reception.take_kept(call.place, call.target):  # it may have come meanwhile
            return await run.answer(call.place)
        return await self._actor.sent_and_answered(intent)

    async def received(self, call: Call) -> Received | None:
        """Take a signal that has come already; where there is none, nothing is recorded, and a replay finds none."""
        run = self._run
        await run.check_going_on()
        settled = run.replay.known(call_asked(call.place, "signal", call.target))
        if settled is None:
            if run.replay.goes_on or run.history.incoming.kept_signal(call.target) is None:
                return None
            await run.reception.take_kept(call.place, call.target)
        return Received((await run.answer(call.place)).result)

    async def emit(self, call: Call, run_id: str | None) -> None:
        """Send a signal, once: its id is derived from the act."""
        run, asked = self._run, Asked(call.place, "step")
        with giving_up(run, asked):
            if await run.ask(asked) is not None:
                return
            with run.busy():
                await run.outbox.emit(f"{run.run_id}:{call.place}", call.target, call.arguments, run_id)
            await run.tell(StepSettled(at=run.clock(), key=call.place, agent=call.agent))

    async def approval(self, call: Call) -> Approval:
        """Wait until somebody decides, or the time for it is over."""
        settled = await self._actor.call(call)
        if settled.failure is None:
            return revive(settled.result, Approval)
        if settled.failure.code == "timeout":
            return Approval("expired")
        raise ComponentError(settled.failure)
