"""A held run with nothing behind it: a journal that is a list, and an outbox that answers as it is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from towpath.engine.history import History
from towpath.engine.live_run import LiveRun
from towpath.engine.ports import Clock
from towpath.local.memories import Memories
from towpath_schemas.calls import Answered, RunEvent
from towpath_schemas.journal import CallIntended, JournalRecord, read_record
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked
from towpath_testkit.builders import answered
from towpath_testkit.journals import run_started


class Notebook:
    """A journal that writes when it is let: `open` is clear while it is not."""

    def __init__(self) -> None:
        self.records: list[JournalRecord] = []
        self.open = asyncio.Event()
        self.open.set()

    async def append(self, number: int, body: bytes) -> None:
        """Write one entry."""
        await self.open.wait()
        self.records.append(read_record(body))

    async def are_ours(self) -> bool:
        """Tell whether nobody else writes here."""
        return True


@dataclass
class Outbox:
    """Notes what a run asks of others, and brings it what `answer` makes of its intents, if it is given."""

    answer: Callable[[CallIntended], Awaitable[RunEvent]] | None = None
    sent: list[CallIntended] = field(default_factory=list[CallIntended])
    disarmed: list[str] = field(default_factory=list[str])
    emitted: list[tuple[str, Any, str | None]] = field(default_factory=list[tuple[str, Any, str | None]])
    chunks: list[tuple[int, Any]] = field(default_factory=list[tuple[int, Any]])
    cancelled: list[str] = field(default_factory=list[str])
    questions: list[MemoryAsked] = field(default_factory=list[MemoryAsked])
    memories: Memories = field(default_factory=Memories)
    run: LiveRun | None = None
    _seen: set[str] = field(default_factory=set[str])
    _answering: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])

    async def send(self, intent: CallIntended) -> Answered | None:
        """Note an intent; one that was sent before is known, as the broker knows it."""
        self.sent.append(intent)
        if self.answer is not None and intent.key not in self._seen:
            self._seen.add(intent.key)
            task = asyncio.create_task(self._answer(intent, self.answer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return None

    async def _answer(
        self, intent: CallIntended, answer: Callable[[CallIntended], Awaitable[RunEvent]]
    ) -> None:
        event = await answer(intent)
        assert self.run is not None
        await self.run.take(event)

    async def disarm(self, intent: CallIntended) -> None:
        """Note it."""
        self.disarmed.append(intent.key)

    async def read(self, intent: CallIntended) -> Answered:
        """Answer nothing."""
        return answered(intent.key, None)

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        """Note the question, and answer from what is remembered."""
        self.questions.append(asked)
        return self.memories.answer(asked)

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        """Erase what is remembered."""
        return self.memories.erase(asked)[1]

    async def emit(self, signal_id: str, name: str, payload: Any, run_id: str | None) -> None:
        """Note it."""
        self.emitted.append((name, payload, run_id))

    async def tell_chunk(
        self, index: int, chunk: Any, attempt: int = 1, *, key: str | None = None, piece: int | None = None
    ) -> None:
        """Note it."""
        self.chunks.append((index, chunk))

    async def cancel(self, run_id: str, event_id: str, reason: str | None) -> None:
        """Note it."""
        self.cancelled.append(run_id)


def held(
    *past: JournalRecord,
    entries: Any = None,
    outbox: Outbox | None = None,
    history: Iterable[tuple[int, JournalRecord]] | None = None,
    clock: Clock = time.time,
) -> LiveRun:
    """Hold a run that has done what the records say."""
    known = History(history if history is not None else enumerate([run_started(), *past]))
    started = known.started or run_started()
    outbox = outbox or Outbox()
    run = LiveRun("run-1", started, known, entries=entries or Notebook(), outbox=outbox, clock=clock)
    outbox.run = run
    return run
