"""Hosts the runs of a platform in a test: as the router and the runners do, in one process, with a list for a journal."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any

from towpath.components import Component
from towpath.engine.closing import closed
from towpath.engine.commands import Command
from towpath.engine.tasks import outside
from towpath.errors import ConfigurationError
from towpath.remembering.asking import MemoryIndex
from towpath.testing.callees import Callees
from towpath.testing.environment import Environment
from towpath.testing.family import answer_to, orphaned, told_failure
from towpath.testing.outbox import VirtualOutbox
from towpath.testing.process import Process
from towpath.testing.refusals import check_limits
from towpath.testing.stored_run import StoredRun
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import (
    Answered,
    CallRequested,
    ChildRequested,
    RunClosed,
    RunEvent,
    SignalSent,
)
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.journal import JournalRecord, RunFinished, RunStarted
from towpath_schemas.succession import readdressed

SERVICE = "test"
"""The one service there is; it has every component."""


class Host:
    """Makes runs, brings them what comes for them, holds those in memory that have something to do."""

    def __init__(self, environment: Environment) -> None:
        self.runs: dict[str, StoredRun] = {}
        self.callees = Callees(environment, self._journal, self.runs)
        self._environment = environment
        self._processes: dict[str, Process] = {}
        self._hosted: dict[str, asyncio.Task[None]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._begun: set[str] = set()
        self._error: BaseException | None = None
        self._stopped = False
        self._ids = 0

    # --- Making runs --------------------------------------------------------------------------------

    def start(self, run_id: str, started: RunStarted, *, left: Iterable[RunEvent] = ()) -> bool:
        """Make a run, unless there is one of this id; tell whether there was. What another has `left` comes first.

        Raises:
            ConfigurationError: If it has to pass limits; see `check_limits`.
        """
        if run_id in self.runs:
            return True
        if not (self._environment.without_limits or started.continues):
            check_limits(run_id, started.component, self.runs.values(), self._environment.registry)
        self.runs[run_id] = StoredRun(run_id, started, inbox=list(left))
        self._wake(run_id)
        return False

    def started(
        self, component: Component, payload: Any, attribution: Attribution, **said: Any
    ) -> RunStarted:
        """Write the first record of a run."""
        return RunStarted(
            at=self._environment.timeline.now(),
            component=component.name,
            component_kind=component.kind.value,
            service=SERVICE,
            version=component.version,
            input=payload,
            attribution=attribution,
            **said,
        )

    def _start_child(self, child: ChildRequested, *, left: Iterable[RunEvent] = ()) -> None:
        component = self._environment.registry.runnable(child.component)
        if component is None:
            message = f"no component {child.component!r} is registered; import the module that defines it"
            self._refuse(child, Failure(code="unknown_component", message=message))
            return
        parent = self.runs.get(child.parent.run_id) if child.parent else None
        started = self.started(
            component,
            child.input,
            child.attribution,
            correlation_id=child.correlation_id,
            headers=child.headers,
            parent=child.parent,
            continues=child.continues,
        )
        try:
            existed = self.start(child.run_id, started, left=left)
        except ConfigurationError as error:
            self._error = error  # code may catch what it is told; the test is told, too
            self._refuse(child, Failure(code="user_error", message=str(error)))
            return
        orphan = child.parent is not None and child.parent.close_policy == "cancel"
        if not existed and orphan and parent is not None and parent.finished is not None:
            self.deliver(orphaned(child.run_id, parent.run_id, child.attribution))

    def _refuse(self, child: ChildRequested, failure: Failure) -> None:
        if child.parent is not None:
            self.deliver(answer_to(child.parent, failure=failure))

    async def _journal(self, run_id: str) -> list[JournalRecord]:
        return [record for _, record in self.runs[run_id].journal()]

    # --- Doing what runs command ----------------------------------------------------------------------

    def begin(self, question: Command) -> None:
        """Have a command done, unless it was begun before; see `Post.begin`."""
        if isinstance(question, ChildRequested):
            self._start_child(question)
            return
        asked = question.from_body(question.to_body())  # what the callee does to it, it does to a copy
        question_id = asked.call_id if isinstance(asked, CallRequested) else asked.invocation_id
        if question_id not in self._begun:
            self._begun.add(question_id)
            self._in_background(self._answer(asked), f"call-{asked.key}")

    async def _answer(self, asked: CallRequested | InvocationRequested) -> None:
        if isinstance(asked, CallRequested):
            answered = await self.callees.call(asked)
        else:
            answered = await self.callees.invoke(asked)
        self.deliver(answered)

    async def read(self, asked: InvocationRequested) -> Answered:
        """Execute a shared method of an entity; see `Post.read`."""
        return await self.callees.read(asked)

    @property
    def memories(self) -> MemoryIndex:
        """The memories of all entities; see `Post.memories`."""
        return self.callees.entities

    # --- Bringing runs what comes for them ------------------------------------------------------------

    def deliver(self, event: RunEvent) -> None:
        """Bring an event to its run; one for a run that is not there, or has ended, is nobody's."""
        self._in_background(self._deliver(event), f"deliver-{event.kind}")

    async def _deliver(self, event: RunEvent) -> None:
        stored = self.runs.get(event.run_id)
        if stored is None:
            return
        process = self._processes.get(event.run_id)
        if process is not None and await process.take(event):
            return
        if stored.finished is not None:
            self._pass_on(stored, event)
        else:
            stored.inbox.append(event)
            self._wake(event.run_id)

    def _pass_on(self, stored: StoredRun, event: RunEvent) -> None:
        """Bring what came for a run that has ended to the one that goes on from it; see the router's `Succession`."""
        heir = stored.heir
        passed = readdressed(event, heir) if heir and not stored.has_taken(event) else None
        if passed is None:
            return
        if passed.run_id in self.runs:
            self.deliver(passed)
        else:
            stored.inbox.append(event)  # it is collected when the successor is made

    def newest(self, stored: StoredRun) -> StoredRun:
        """Follow a run to the one that goes on now."""
        while stored.heir in self.runs:
            stored = self.runs[stored.heir]
        return stored

    def broadcast(self, signal_id: str, name: str, payload: Any, sender: Attribution) -> None:
        """Bring a signal to all runs of the sender's tenant that wait for it; see `Post.broadcast`."""
        for stored in self._unfinished():
            same_tenant = stored.started.attribution.tenant == sender.tenant
            if same_tenant and stored.history.waiting_for_signal(name) is not None:
                self.deliver(
                    SignalSent(
                        signal_id=signal_id,
                        run_id=stored.run_id,
                        name=name,
                        payload=payload,
                        attribution=sender,
                    )
                )

    def _unfinished(self) -> Iterator[StoredRun]:
        return (stored for stored in list(self.runs.values()) if stored.finished is None)

    # --- Holding them -------------------------------------------------------------------------------

    def _wake(self, run_id: str) -> None:
        """Hold a run, unless it is held: then it takes its inbox before it is dropped."""
        if run_id not in self._hosted and not self._stopped:
            self._hosted[run_id] = outside(self._host(self.runs[run_id]), f"host-{run_id}")

    async def _host(self, stored: StoredRun) -> None:
        try:
            await self._hold(stored)
            if stored.finished is not None:
                self._close(stored)
        except Exception as error:  # noqa: BLE001 - an error of the engine: the test is told of it
            self._error = error
        finally:
            del self._hosted[stored.run_id]
            self._environment.happened()

    async def _hold(self, stored: StoredRun) -> None:
        """Hold a run, again after each time its process was killed, until it has ended or only waits."""
        while stored.finished is None:
            outbox = VirtualOutbox(stored, self._environment.timeline, self)
            process = self._processes[stored.run_id] = Process(self._environment, stored, outbox)
            try:
                await process.live()
            finally:
                del self._processes[stored.run_id]
            if process.suspending and not stored.inbox:
                return

    def _close(self, stored: StoredRun) -> None:
        """Do what is left to do when a run has ended, as the router does."""
        left = closed(stored.run_id, stored.history)
        if left is not None:
            self._conclude(stored, left)
        stored.forget_alarms()
        stored.inbox.clear()
        stored.ended.set_result(None)

    def _conclude(self, stored: StoredRun, left: RunClosed) -> None:
        if left.parent is not None:
            self.deliver(answer_to(left.parent, result=left.result, failure=told_failure(left)))
        for child in left.children:
            self.deliver(orphaned(child, left.run_id, left.attribution))
        if left.successor is not None:
            self._start_child(left.successor, left=stored.left_to(left.successor.run_id))

    def terminate(self, stored: StoredRun, finished: RunFinished) -> None:
        """End a run under a claim of one's own: whoever holds it can do nothing more."""
        stored.append(stored.claim(), 1 + max(number for number, _ in stored.entries), finished.to_body())
        if (process := self._processes.get(stored.run_id)) is not None:
            process.die()
        self._wake(stored.run_id)

    def successor_of(self, stored: StoredRun) -> StoredRun:
        """Return the run that goes on in the place of one that has continued as new."""
        finished = stored.finished
        assert finished is not None  # noqa: S101 - asked of runs that have ended only
        assert finished.successor is not None  # noqa: S101 - see above
        return self.runs[finished.successor]

    def next_id(self, kind: str) -> str:
        """Make an id for what a test sends; the same test makes the same ids."""
        self._ids += 1
        return f"{kind}-{self._ids}"

    def process_of(self, run_id: str) -> Process | None:
        """Return the process that holds a run; None where it is not in memory."""
        return self._processes.get(run_id)

    # --- What time asks of it -------------------------------------------------------------------------

    @property
    def moves(self) -> int:
        """How much has happened; see `World`."""
        return self._environment.moves + sum(one.run.moves for one in self._processes.values())

    @property
    def unsettled(self) -> bool:
        """Whether the engine has put something off for a moment; see `World`."""
        return any(one.unsettled for one in self._processes.values())

    @property
    def at_work(self) -> bool:
        """Whether something goes on; see `World`."""
        return self.callees.at_work or any(one.at_work for one in self._processes.values())

    def let_go(self, jump_s: float | None) -> bool:
        """Begin to drop runs that only wait; see `World`."""
        idle = [one for one in self._processes.values() if one.is_idle(jump_s)]
        for process in idle:
            self._in_background(process.suspend(), f"suspend-{process.run_id}")
        return bool(idle)

    def waiting(self) -> str:
        """Say what the runs that have not ended wait for; see `World`."""
        said = [f"{one.run_id} ({one.started.component}) {_waits_for(one)}" for one in self._unfinished()]
        return "; ".join(said) or "there is no run that has not ended"

    # --- Its tasks ----------------------------------------------------------------------------------

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = outside(work, name)
        self._work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        self._environment.happened()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error

    def check(self) -> None:
        """Raise what has gone wrong in the platform itself, if something has."""
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """Drop everything."""
        self._stopped = True
        for process in self._processes.values():
            process.die()
        for stored in self._unfinished():
            stored.forget_alarms()
        tasks = [*self._work, *self._hosted.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _waits_for(stored: StoredRun) -> str:
    waits = stored.waits_for
    return f"waits for {', '.join(waits)}" if waits else f"is {stored.status}"
