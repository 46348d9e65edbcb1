"""Takes runs from RUNS, claims them, runs their code, lets them go: finished, suspended, or to somebody else."""

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from towpath.components import Registry
from towpath.dropping import ended
from towpath.engine.execution import execute
from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import outside
from towpath.runtime.closing import conclude
from towpath.runtime.deadly import Quarantine, deadly, is_suspect
from towpath.runtime.outbox import NatsOutbox
from towpath.runtime.taking import TakenRun, Taking, is_first, read_dispatch
from towpath_chassis.delivery import Disowned
from towpath_chassis.errors import BrokerError, PayloadLostError, UnconfirmedError
from towpath_chassis.messages import Message, StoredMessage, Subscription
from towpath_chassis.service import Chassis
from towpath_chassis.snapshots import SNAPSHOT_EVERY, forget_snapshot
from towpath_chassis.telemetry import RUN
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched, RunHeld, Taken, read_event
from towpath_schemas.journal import RunFinished, RunResumed, RunSuspended
from towpath_schemas.streams import INBOX
from towpath_schemas.telemetry import COMPONENT, RUN_ID, TENANT

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.5
_INBOX_PAGE = 256
_REACHABLE_AFTER_S = 5.0
_ALIVE_WITHIN_S = 1.0
_TAKEN = Taken(taken=True).to_body()
_NOT_TAKEN = Taken(taken=False).to_body()


@dataclass(slots=True)
class _Held:
    """A run in memory, by which claim it is here, and how answers reach it.

    Attributes:
        dispatch: The place in RUNS of the dispatch by which it is here: only we may acknowledge that.
        asked_for: Whether others were told that it is here: they leave to it what they would have woken it for.
        collecting: How often its inbox is being taken because of that.
        reaching: Held by who changes the subscription: one that nobody knows of would answer for ever.
    """

    run: LiveRun
    epoch: int
    dispatch: int
    taken_at: float
    subscription: Subscription | None = None
    suspending: bool = False
    asked_for: bool = False
    collecting: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    reaching: asyncio.Lock = field(default_factory=asyncio.Lock)


class RunHost:
    """Hosts the runs of one service in this process."""

    def __init__(
        self, chassis: Chassis[Any], registry: Registry, *, suspend_after_s: float, max_losses: int
    ) -> None:
        self._chassis = chassis
        self._max_losses = max_losses
        self._quarantine = Quarantine()
        self._js = chassis.js
        self._registry = registry
        self._suspend_after_s = suspend_after_s
        self._taking = Taking(chassis, registry)
        self._held: dict[str, _Held] = {}
        self._being_taken: dict[str, asyncio.Event] = {}

    # --- Taking a run -----------------------------------------------------------------------------

    async def on_dispatch(self, message: Message) -> None:
        """Handle one dispatch: return when the run is finished, suspended, or somebody else's concern."""
        dispatched = read_dispatch(message)
        while (other := self._being_taken.get(dispatched.run_id)) is not None:
            await other.wait()  # by then the run is held here: taken once more, it would do things once more
        self._being_taken[dispatched.run_id] = done = asyncio.Event()
        try:
            kept = await self._take(dispatched, message)
        finally:
            del self._being_taken[dispatched.run_id]
            done.set()
        if kept is not None:
            await self._hold(*kept)

    async def _take(self, dispatched: RunDispatched, message: Message) -> tuple[_Held, TakenRun] | None:
        if await self._is_live_elsewhere(dispatched, message):
            return None
        taken = await self._taking.take(dispatched, message)
        return None if taken is None else (self._keep(taken), taken)

    async def _is_live_elsewhere(self, dispatched: RunDispatched, message: Message) -> bool:
        """Tell whether the dispatch changes nothing because somebody holds the run and is well.

        Raises:
            Disowned: If they hold it by this very message, which then only they may acknowledge.
        """
        if (held := self._held.get(dispatched.run_id)) is not None:
            if not held.suspending:
                await self._take_inbox(held.run)
            if not held.suspending and await held.run.is_ours():
                return True
            await held.gone.wait()
        return not is_first(dispatched, message) and await self._taking.is_held(dispatched.run_id, message)

    # --- Holding it -------------------------------------------------------------------------------

    def _keep(self, taken: TakenRun) -> _Held:
        """Have a run in memory from now on.

        Raises:
            Disowned: If it is here by a newer claim.
        """
        held = self._holding(taken)
        self._displace_older(held)
        self._held[taken.run_id] = held
        return held

    def _holding(self, taken: TakenRun) -> _Held:
        async def reachable() -> None:
            # Not in the code's own context, which would count the subscription's task as its own.
            await outside(self._make_reachable(held), name=f"reachable-{taken.run_id}")

        outbox = NatsOutbox(self._chassis, reachable)
        run = LiveRun(
            taken.run_id,
            taken.started,
            taken.history,
            entries=taken.journal,
            outbox=outbox,
            clock=time.time,
            begun_at=taken.begun_at,
        )
        outbox.of(run)
        held = _Held(run, taken.journal.epoch, taken.dispatch, _loop_time())
        return held

    async def _hold(self, held: _Held, taken: TakenRun) -> None:
        attributes = {
            RUN_ID: taken.run_id,
            COMPONENT: taken.started.component,
            TENANT: taken.started.attribution.tenant,
        }
        try:
            parent = taken.started.traceparent
            with self._chassis.tracing.span(RUN, parent=parent, attributes=attributes) as inside:
                held.run.traceparent = inside
                async with self._quarantine.alone() if is_suspect(taken.losses) else nullcontext():
                    await self._run_until_let_go(held, taken)
        finally:
            if self._held.get(taken.run_id) is held:  # it may be here again, by a newer claim
                del self._held[taken.run_id]
            held.gone.set()
            await self._make_unreachable(held)

    def _displace_older(self, held: _Held) -> None:
        """Let go of the same run by an older claim, which would not be told until it wrote something.

        Raises:
            Disowned: If it is the other way round.
        """
        other = self._held.get(held.run.run_id)
        if other is not None and other.epoch > held.epoch:
            raise Disowned("the run is in our hands by a newer claim")
        if other is not None:
            other.run.let_go.set()

    async def _run_until_let_go(self, held: _Held, taken: TakenRun) -> None:
        code = asyncio.create_task(self._run_code(held, taken), name=f"run-{taken.run_id}")
        let_go = asyncio.create_task(held.run.let_go.wait())
        try:
            await asyncio.wait({code, let_go}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            held.run.let_go.set()
            let_go.cancel()
            await ended(code, held.run.refusing.give_up)
        await self._conclude(held, code)

    async def _conclude(self, held: _Held, code: "asyncio.Task[None]") -> None:
        was_dropped = not code.done() or code.cancelled()
        if not was_dropped and (error := code.exception()) is not None:
            raise error
        if was_dropped and not held.suspending and not await self._was_ended(held.run.run_id):
            raise Disowned("another runner owns the run now")

    async def _was_ended(self, run_id: str) -> bool:
        """Tell whether nobody owns the run any more: its message is done, and would only come again."""
        try:
            return await self._taking.was_ended(run_id)
        except (UnconfirmedError, PayloadLostError, ValidationError):
            return False

    async def _run_code(self, held: _Held, taken: TakenRun) -> None:
        run = held.run
        if not taken.is_new:
            await self._make_reachable(held)
            await self._say_resumed(run, taken.journal.epoch)
            await self._collect(held)
        await run.finish(await self._end_of(run, taken))
        was_woken = not taken.is_new or held.asked_for
        await conclude(self._chassis, run.run_id, run.history, was_woken=was_woken)
        if run.history.next_number > SNAPSHOT_EVERY:
            await forget_snapshot(self._js, run.run_id)

    async def _end_of(self, run: LiveRun, taken: TakenRun) -> RunFinished:
        if taken.losses < self._max_losses:
            return await execute(run, self._registry)
        run.stop()
        failure = deadly(f"{run.started.component_kind} {run.started.component!r}", taken.losses)
        attempts = run.history.attempt_of_function
        return RunFinished(at=run.clock(), end="failed", failure=failure, attempts=attempts)

    async def _say_resumed(self, run: LiveRun, epoch: int) -> None:
        if epoch > 1:  # the first to take it has nothing to resume
            runner = self._chassis.settings.instance
            await run.append(RunResumed(at=run.clock(), runner=runner, epoch=epoch))

    # --- Being reached ----------------------------------------------------------------------------

    async def _make_reachable(self, held: _Held) -> None:
        async with held.reaching:
            if held.subscription is None and not held.suspending and not held.gone.is_set():
                subject = subjects.live(held.run.run_id)
                held.subscription = await self._js.subscribe(subject, partial(self._on_event, held))

    async def _make_unreachable(self, held: _Held) -> None:
        async with held.reaching:
            subscription, held.subscription = held.subscription, None
            if subscription is not None:
                await self._js.unsubscribe(subscription)

    async def _on_event(self, held: _Held, message: Message) -> None:
        """Take an event for a live run; an empty one asks whether the run is held."""
        if not message.data:
            await self._on_question(held, message)
            return
        taken = not held.suspending and await self._take_event(held.run, message.data)
        await self._js.respond(message, _TAKEN if taken else _NOT_TAKEN)

    async def _on_question(self, held: _Held, message: Message) -> None:
        """Answer a runner that asks who holds the run, and do what it was told to wake the run for: it leaves that to us."""
        if held.suspending or held.run.history.finished is not None:
            return  # who asks takes the run then, or does what is left to do about it
        held.asked_for = True
        held.collecting += 1  # from here on it is not suspended
        try:
            if await held.run.is_ours():
                await self._js.respond(message, RunHeld(dispatch=held.dispatch).to_body())
                await self._collect(held)
        finally:
            held.collecting -= 1

    async def _collect(self, held: _Held) -> None:
        """Take what waits for a run, as soon as the broker can be asked."""
        while not held.gone.is_set():
            try:
                await self._take_inbox(held.run)
            except BrokerError as error:
                log.info("the inbox was not read; it will be", run_id=held.run.run_id, reason=str(error))
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                return

    async def _take_event(self, run: LiveRun, body: bytes) -> bool:
        try:
            return await run.take(read_event(body))
        except (ValidationError, asyncio.CancelledError):
            return False

    async def _take_stored(self, run: LiveRun, event: StoredMessage) -> bool:
        try:
            return await self._take_event(run, (await self._js.whole_stored(event)).body)
        except PayloadLostError:  # the router buries it with the reason
            return False

    async def _take_inbox(self, run: LiveRun) -> None:
        """Take what waits for the run, in the order in which it came; what is not for its code is the router's."""
        inbox, start = subjects.inbox_of(run.run_id), 1
        while waiting := await self._js.following(INBOX, inbox, start=start, limit=_INBOX_PAGE, whole=False):
            taken = [await self._take_stored(run, event) for event in waiting]
            start = waiting[-1].sequence + 1
            if all(taken):  # they are in the journal: in the inbox they would only be read again
                await self._js.delete(INBOX, *(event.sequence for event in waiting))
            if len(waiting) < _INBOX_PAGE:
                return

    # --- Letting go -------------------------------------------------------------------------------

    async def look_after(self) -> None:
        """Suspend, for ever, runs that only wait; make runs that take long reachable."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = _loop_time()
            for held in list(self._held.values()):
                if now - held.taken_at > _REACHABLE_AFTER_S:
                    await self._make_reachable(held)
                if not (held.suspending or held.collecting) and self._only_waits(held.run, now):
                    await self._suspend(held)

    def _only_waits(self, run: LiveRun, now: float) -> bool:
        """Tell whether a run is better dropped from memory until something comes for it."""
        return run.idling.waits_long(self._suspend_after_s) or run.is_idle(now, self._suspend_after_s)

    async def _suspend(self, held: _Held) -> None:
        """Drop a run from memory; an answer that comes from now on finds nobody and goes to the inbox."""
        waiting_for, moves = held.run.waiting_for, held.run.moves
        held.suspending = True
        try:
            await self._make_unreachable(held)
            await held.run.append(RunSuspended(at=held.run.clock(), waiting_for=waiting_for))
        except BaseException:
            held.suspending = False  # where it is not ours any more, `let_go` is set, and the end says so
            if (held.run.let_go.is_set() or held.run.ending) and not _is_being_stopped():
                return
            raise
        if (
            held.run.moves != moves
        ):  # it went on meanwhile, with an answer that was on its way: nobody would wake it
            await self._unsuspend(held)
            return
        log.info("run suspended", run_id=held.run.run_id, waiting_for=waiting_for)
        held.run.let_go.set()

    async def _unsuspend(self, held: _Held) -> None:
        """Keep a run after all; what came while it could not be reached is in its inbox."""
        held.suspending = False
        if not held.gone.is_set():
            await self._make_reachable(held)
            await self._collect(held)

    @property
    def held(self) -> int:
        """How many runs are in memory."""
        return len(self._held)


def _is_being_stopped() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
