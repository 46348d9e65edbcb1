"""A run in memory: from its claim until it has ended, waits for something far away, or is killed."""

import asyncio
from random import Random

from towpath.dropping import ended
from towpath.engine.execution import execute
from towpath.engine.live_run import LiveRun
from towpath.engine.ports import ClaimLostError, Outbox
from towpath.engine.tasks import outside
from towpath.testing.disturbance import killed
from towpath.testing.environment import Environment
from towpath.testing.stored_run import StoredRun
from towpath_schemas.calls import RunEvent
from towpath_schemas.journal import RunResumed, RunSuspended, read_record


class Process:
    """Holds one run, once.

    Attributes:
        suspending: Whether it is being dropped, or was: what comes now belongs in the inbox.
    """

    def __init__(self, environment: Environment, stored: StoredRun, outbox: Outbox) -> None:
        self._environment = environment
        self._stored = stored
        self._sleeping = 0
        self._parked = 0
        self._parting = asyncio.Event()
        self._epoch = stored.claim()
        self.suspending = False
        self.run = LiveRun(
            stored.run_id,
            stored.started,
            stored.history,
            entries=self,
            outbox=outbox,
            clock=environment.timeline.now,
            sleep=self._sleep,
            chance=self._chance,
        )

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    # --- Its life -----------------------------------------------------------------------------------

    async def live(self) -> None:
        """Run the code until it has ended or the run is let go."""
        disturbance = self._environment.disturbance
        self.run.tasks.around = lambda code: disturbance.around(self, code)
        code = asyncio.create_task(disturbance.around(self, self._code()), name=f"run-{self.run_id}")
        let_go = asyncio.create_task(self.run.let_go.wait())
        try:
            await asyncio.wait({code, let_go}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.run.let_go.set()
            let_go.cancel()
            await ended(code, self.run.refusing.give_up)
        if code.done() and not code.cancelled() and (error := code.exception()) is not None:
            raise error

    async def _code(self) -> None:
        run = self.run
        if self._epoch > 1:
            await run.append(RunResumed(at=run.clock(), runner="test", epoch=self._epoch))
        await self._take_inbox()
        await run.finish(await execute(run, self._environment.registry))

    async def take(self, event: RunEvent) -> bool:
        """Take what has come for the run; tell whether it is in the journal, or changes nothing.

        What comes while others wait in the inbox goes there, behind them.
        """
        return not self._stored.inbox and await self._take(event)

    async def _take(self, event: RunEvent) -> bool:
        if self.suspending:
            return False
        try:
            return await self.run.take(event)
        except asyncio.CancelledError:
            if not self.run.let_go.is_set():
                raise
            return False

    async def _take_inbox(self) -> None:
        inbox = self._stored.inbox
        while inbox and await self._take(inbox[0]):
            inbox.pop(0)

    # --- The ports of the engine ----------------------------------------------------------------------

    async def are_ours(self) -> bool:
        """Tell whether nobody else has taken the run by now."""
        return self._epoch == self._stored.epoch

    async def append(self, number: int, body: bytes) -> None:
        """Write an entry; see `Entries.append`."""
        record = read_record(body)
        await self._environment.disturbance.before_write(self, record)
        if self.run.let_go.is_set():
            raise killed()
        self._stored.append(self._epoch, number, body)
        self._environment.happened()
        await self._environment.disturbance.after_write(self, record)
        if self.run.let_go.is_set():
            raise killed()

    async def _sleep(self, seconds: float) -> None:
        self._sleeping += 1
        self.run.moves += 1
        try:
            await self._environment.timeline.sleep(seconds)
        finally:
            self._sleeping -= 1
            self.run.moves += 1

    def _chance(self, key: str) -> Random:
        return Random(f"{self._environment.seed}/{self.run_id}/{key}")  # noqa: S311 - repeatable, not secret

    # --- Its end ------------------------------------------------------------------------------------

    @property
    def working(self) -> bool:
        """Whether steps of it are at work."""
        return self.run.idling.working > 0

    def die(self) -> None:
        """Let nothing of it be done any more, as if the process were killed."""
        self.run.let_go.set()

    async def wait_to_be_replayed(self) -> None:
        """Stand still until it is dropped, or a step cannot go on, or be recorded, because of this."""
        self._parked += 1
        parted = outside(self._parting.wait(), "parted")
        dropped = outside(self.run.let_go.wait(), "dropped")
        try:
            await asyncio.wait({parted, dropped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._parked -= 1
            parted.cancel()
            dropped.cancel()

    def _go_on(self) -> None:
        """Have what stands still go on: a drop would have a step run again that has finished, or is at work."""
        self._parting.set()
        self._parting = asyncio.Event()
        self.run.moves += 1

    @property
    def at_work(self) -> bool:
        """Whether something of it goes on that waits for neither time nor anything from outside."""
        run, ending = self.run, self.suspending or self.run.let_go.is_set()
        if ending or (self._works and not (self._parked and run.idling.steps_rest)):
            return True
        if self._parked:
            return False  # what rests or catches up may wait for just this
        return (
            run.idling.catching_up
            or not (self._sleeping or run.waiting_for or run.idling.only_waits)
            or not run.tasks.at_rest
        )

    @property
    def _works(self) -> bool:
        return self.run.idling.working > self._sleeping

    @property
    def unsettled(self) -> bool:
        """Whether the engine has put something off for a moment: it looks again soon."""
        return self.run.idling.catching_up

    def is_idle(self, jump_s: float | None) -> bool:
        """Tell whether it had better be dropped before `jump_s` seconds pass in which nothing happens."""
        if self.suspending or self.run.let_go.is_set():
            return False
        if self._parked:
            return not self.at_work
        patience_s = self._environment.suspend_after_s
        long = jump_s is None or jump_s > patience_s
        return self.run.idling.waits_long(patience_s) or (long and self.run.idling.only_waits)

    async def suspend(self) -> None:
        """Drop it from memory, unless it goes on meanwhile."""
        if self._parked and (self.run.writes_held_up or self._works):
            self._go_on()
            return
        if self._parked:
            self.die()
            return
        run, moves = self.run, self.run.moves
        self.suspending = True
        try:
            await run.append(RunSuspended(at=run.clock(), waiting_for=run.waiting_for))
        except (ClaimLostError, asyncio.CancelledError):
            return
        if run.moves == moves:
            run.let_go.set()
        else:
            self.suspending = False
            await self._take_inbox()
