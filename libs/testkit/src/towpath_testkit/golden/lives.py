"""What befalls the runs of the golden histories: one life for each feature of the engine."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from towpath.testing import VirtualPlatform, VirtualRun
from towpath.testing.crashing import Kill
from towpath.testing.disturbance import Disturbance, Victim
from towpath.testing.process import Process
from towpath_schemas.calls import SignalSent
from towpath_schemas.journal import CallSettled, JournalRecord

Script = Callable[[VirtualPlatform, VirtualRun], Awaitable[None]]


async def _nothing(_platform: VirtualPlatform, _run: VirtualRun) -> None:
    """Let nothing befall it before its end."""


class Life(NamedTuple):
    """One life of a run.

    Attributes:
        input: What it is given.
        script: What befalls it; then time passes until it has ended, if it is to end.
        ends: Whether it is to end before its journal is kept.
        before: What of the code was otherwise when the run began: old text by new text.
        disturbance: What befalls its process.
    """

    component: str
    input: Any = None
    script: Script = _nothing
    ends: bool = True
    before: Mapping[str, str] = {}
    disturbance: Callable[[], Disturbance] = Disturbance
    headers: Mapping[str, str] = {}


async def _pay(_platform: VirtualPlatform, run: VirtualRun) -> None:
    await run.signal("paid", 5)


async def _send_signals(platform: VirtualPlatform, run: VirtualRun) -> None:
    await run.signal("early", 1)
    await platform.start("sender", run.run_id)
    await platform.advance(seconds=61)
    await platform.broadcast("late", 2)


async def _decide(platform: VirtualPlatform, run: VirtualRun) -> None:
    await platform.approve(run, by="ada", role="ops", comment="go")
    await platform.approve(run, decision="rejected", by="bob")


async def _cancel(_platform: VirtualPlatform, run: VirtualRun) -> None:
    await run.cancel("enough")


async def _terminate(_platform: VirtualPlatform, run: VirtualRun) -> None:
    await run.terminate("at once")


async def _pause(platform: VirtualPlatform, run: VirtualRun) -> None:
    await run.pause("let us see")
    await platform.advance(days=2)
    await run.unpause()


async def _approve(platform: VirtualPlatform, run: VirtualRun) -> None:
    await platform.advance(days=1)
    await run.signal("approved", {"by": "ada"})


async def _escalate(platform: VirtualPlatform, run: VirtualRun) -> None:
    await platform.advance(days=2)
    await run.signal("escalated", {"by": "the boss"})


class _SignalAsATimerRings(Disturbance):
    """A signal comes once a timer has rung, and before the code hears of that."""

    def __init__(self) -> None:
        self._sending: asyncio.Task[bool] | None = None

    async def after_write(self, victim: Victim, record: JournalRecord) -> None:
        if self._sending is None and isinstance(record, CallSettled) and isinstance(victim, Process):
            by = victim.run.started.attribution
            paid = SignalSent(signal_id="s", run_id=victim.run_id, name="paid", payload=5, attribution=by)
            self._sending = asyncio.create_task(victim.take(paid))


LIVES: dict[str, Life] = {
    "steps": Life("steps", "Ada"),
    "steps_of_a_killed_process": Life("steps", "Ada", disturbance=lambda: Kill("after write", 4)),
    "step_that_is_tried_again": Life("steps", "Ada", disturbance=lambda: Kill("after write", 10)),
    "calls": Life("calls"),
    "values": Life("values", headers={"x-caller": "ada"}),
    "state_in_steps": Life("state_in_steps"),
    "given_acts": Life("given_acts"),
    "branches": Life("branches"),
    "branches_of_a_killed_process": Life("branches", disturbance=lambda: Kill("after write", 12)),
    "stopped_branches": Life("stopped_branches"),
    "race_won_by_a_signal": Life("race", script=_pay),
    "race_won_by_a_timer": Life("race"),
    "signal_that_is_given_back": Life("patient_race", disturbance=_SignalAsATimerRings),
    "acts_that_are_given_up": Life("impatient"),
    "timers": Life("timers"),
    "signals": Life("signals", script=_send_signals),
    "approvals": Life("approvals", script=_decide),
    "approval_that_is_waited_for": Life("approvals", ends=False),
    "children": Life("parent"),
    "continued_as_new": Life("countdown", 1),
    "saga_of_a_failed_run": Life("trip", "Oslo"),
    "saga_of_a_cancelled_run": Life("trip", "Oslo", _cancel),
    "saga_of_a_completed_run": Life("trip", "Oslo", _pay),
    "cancelled_with_cleanup": Life("stubborn", script=_cancel),
    "terminated": Life("stubborn", script=_terminate),
    "paused": Life("timers", script=_pause),
    "failed": Life("fails"),
    "result_that_is_no_json": Life("unfit"),
    "patched": Life("insured"),
    "begun_before_the_patch": Life("insured", before={'ctx.patched("insure")': "False"}),
    "first_version": Life("priced", before={'@workflow("priced", version="2")': '@workflow("later")'}),
    "second_version": Life("priced"),
    "flow_in_time": Life("flow", {"x": 1}, _approve),
    "flow_that_is_escalated": Life("flow", {"x": 1}, _escalate),
    "flow_that_nobody_answers": Life("flow", {"x": 1}),
    "entities": Life("banking"),
    "agent": Life("desk", "How is it?"),
    "agent_with_costs_and_citations": Life("till", "Bread, please."),
    "agent_that_is_given_up": Life("hurries_an_agent"),
    "agents_in_a_workflow": Life("asks_agents", "How is it?"),
    "memories": Life("remembers"),
    "session": Life("chats"),
    "call_in_a_session": Life("confides"),
    "model_that_is_asked_again": Life("insists"),
    "models": Life("asks_models"),
    "streaming_function": Life("spelled", "abc"),
    "retried_function": Life("careful"),
    "attempts_of_a_function": Life("persistent", 2),
    "attempts_of_a_killed_process": Life("persistent", 2, disturbance=lambda: Kill("after write", 14)),
    "function_that_fails_for_good": Life("persistent", 3),
}
