"""How what a run intends reaches the rest of its platform, which is in the same process."""

from functools import partial
from typing import Any, Protocol

from towpath.engine.alarms import alarm
from towpath.engine.commands import Command, command, excess, fitting_signal, invocation, refusal
from towpath.remembering.asking import MemoryIndex
from towpath.testing.stored_run import StoredRun, Streamed
from towpath.testing.timeline import Timeline
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, ControlSent, RunEvent, SignalSent
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.journal import CallIntended
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked
from towpath_schemas.requests import SignalRequested


class Post(Protocol):
    """The rest of the platform, as a run sees it."""

    def begin(self, question: Command) -> None:
        """Have a command done, unless it was begun before."""
        ...

    def deliver(self, event: RunEvent) -> None:
        """Bring an event to its run."""
        ...

    def broadcast(self, signal_id: str, name: str, payload: Any, sender: Attribution) -> None:
        """Bring a signal to all runs of the sender's tenant that wait for it."""
        ...

    async def read(self, asked: InvocationRequested) -> Answered:
        """Execute a shared method of an entity."""
        ...

    @property
    def memories(self) -> MemoryIndex:
        """The memories of all entities."""
        ...


class VirtualOutbox:
    """The `Outbox` of one run."""

    def __init__(self, stored: StoredRun, timeline: Timeline, post: Post) -> None:
        self._stored = stored
        self._timeline = timeline
        self._post = post

    async def send(self, intent: CallIntended) -> Answered | None:
        """Command what a journaled intent says; see `Outbox.send`."""
        run_id, started = self._stored.run_id, self._stored.started
        if intent.until is not None:
            self._arm(intent, intent.until)
        question = command(run_id, started, intent)
        if question is None:
            return None
        if (failure := excess(intent, len(question.to_body()))) is not None:
            return refusal(run_id, intent, failure)
        self._post.begin(question)
        return None

    def _arm(self, intent: CallIntended, until: float) -> None:
        self._disarm(intent.key)
        ring = partial(self._post.deliver, alarm(self._stored.run_id, intent))
        self._stored.alarms[intent.key] = self._timeline.call_at(until, ring)

    async def disarm(self, intent: CallIntended) -> None:
        """Remove the alarm of an intent that has ended."""
        self._disarm(intent.key)

    def _disarm(self, key: str) -> None:
        if (take_back := self._stored.alarms.pop(key, None)) is not None:
            take_back()

    async def read(self, intent: CallIntended) -> Answered:
        """Ask a shared method of an entity."""
        return await self._post.read(invocation(self._stored.run_id, self._stored.started, intent))

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        """Ask the memories of the platform."""
        return await self._post.memories.ask_memory(asked)

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        """Erase memories of the platform."""
        return await self._post.memories.erase_memory(asked)

    async def emit(self, signal_id: str, name: str, payload: Any, run_id: str | None) -> None:
        """Send a signal to one run, or to all of the tenant that wait for it."""
        sender = self._stored.started.attribution
        fitting_signal(name, SignalRequested(name=name, payload=payload).to_body())
        if run_id is None:
            self._post.broadcast(signal_id, name, payload, sender)
        else:
            sent = SignalSent(
                signal_id=signal_id, run_id=run_id, name=name, payload=payload, attribution=sender
            )
            self._post.deliver(sent)

    async def tell_chunk(
        self, index: int, chunk: Any, attempt: int = 1, *, key: str | None = None, piece: int | None = None
    ) -> None:
        """Keep what the run streams; pieces are kept until the chunk comes."""
        if piece is None:
            self._stored.stream(key, index, chunk, attempt)
        else:
            self._stored.streams.setdefault(key, Streamed())

    async def cancel(self, run_id: str, event_id: str, reason: str | None) -> None:
        """Ask a child run to end."""
        by = self._stored.started.attribution
        self._post.deliver(
            ControlSent(event_id=event_id, run_id=run_id, control="cancel", reason=reason, attribution=by)
        )
