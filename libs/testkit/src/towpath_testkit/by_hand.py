"""A run on the engine with a test in place of everybody else: it answers, sends signals, and lets time pass."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from towpath.components import REGISTRY
from towpath.engine.alarms import alarm
from towpath.engine.execution import execute
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ControlSent, SignalSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, JournalRecord, RunFinished
from towpath_testkit.builders import answered
from towpath_testkit.held import Notebook, Outbox, held
from towpath_testkit.journals import run_started

RUN_ID = "run-1"
ADA = Attribution(tenant="acme", user_id="ada")
_ROUNDS_TO_REST = 200
_ENDS_WITHIN_S = 5.0


class RunByHand:
    """A run of a registered workflow, from its beginning or from what its journal says it has done.

    Attributes:
        now: What its clock shows.
        records: What it has journaled since it was started here.
        sent: What it has asked of others.
    """

    def __init__(self, workflow: str, *past: JournalRecord, now: datetime) -> None:
        self.now = now
        notebook, outbox = Notebook(), Outbox()
        self.records, self.sent = notebook.records, outbox.sent
        known = enumerate([run_started(workflow), *past])
        self._run = held(history=known, entries=notebook, outbox=outbox, clock=self._clock)
        self._ending = asyncio.create_task(execute(self._run, REGISTRY))

    def _clock(self) -> float:
        return self.now.timestamp()

    async def waits_for(self) -> list[str]:
        """Let it go on as far as it can; list the functions, signals and timers it waits for then."""
        for _ in range(_ROUNDS_TO_REST):
            await asyncio.sleep(0)
        open_acts = (self._run.history.unsettled(act) for act in ("task", "signal", "timer"))
        return [intent.target for intents in open_acts for intent in intents]

    def asked(self, target: str) -> CallIntended:
        """Return the last thing that it asked of `target`."""
        return next(intent for intent in reversed(self.sent) if intent.target == target)

    async def answer(self, target: str, result: Any = None, failure: Failure | None = None) -> None:
        """Answer its last call of `target`."""
        await self._run.take(answered(self.asked(target).key, result, run_id=RUN_ID, failure=failure))

    async def signal(self, name: str, payload: Any = None) -> None:
        """Send it a signal."""
        sent = SignalSent(
            signal_id=f"signal-{name}", run_id=RUN_ID, name=name, payload=payload, attribution=ADA
        )
        await self._run.take(sent)

    async def wait_out(self, target: str) -> None:
        """Let time pass until the end of a timer, or of a wait for a signal."""
        intent = self.asked(target)
        assert intent.until is not None, f"{target} has no end"
        self.now = datetime.fromtimestamp(intent.until, UTC)
        await self._run.take(alarm(RUN_ID, intent))

    async def cancel(self) -> None:
        """Wish that it end."""
        wish = ControlSent(event_id="c-1", run_id=RUN_ID, control="cancel", reason="enough", attribution=ADA)
        await self._run.take(wish)

    async def ended(self) -> RunFinished:
        """Wait for its end."""
        return await asyncio.wait_for(asyncio.shield(self._ending), _ENDS_WITHIN_S)

    def stop(self) -> None:
        """Drop it."""
        self._ending.cancel()
