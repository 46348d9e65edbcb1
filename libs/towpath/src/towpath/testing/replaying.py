"""Holds the code as it is now against the journals of runs that began with other code; nothing is done."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from towpath.components import REGISTRY, Component, ComponentType, Registry
from towpath.definitions import component_of
from towpath.engine.asked import Asked, Settled, is_before_attempt
from towpath.engine.execution import execute
from towpath.engine.history import History
from towpath.engine.live_run import AnyRecord, LiveRun
from towpath.errors import ConfigurationError, NonDeterminismError
from towpath.testing.journals import Given, read_journal
from towpath.testing.virtual_loop import VirtualTimeLoop, run_virtual
from towpath_schemas.calls import Answered
from towpath_schemas.journal import (
    AttemptFailed,
    CallIntended,
    CallSettled,
    JournalRecord,
    RunFinished,
    RunStarted,
)
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked

T = TypeVar("T")

_LONGEST_S = 3_600.0
"""Virtual seconds that code may wait by means of asyncio alone."""
_CHOSEN = ("completed", "continued")
"""Ends that the code itself chose, and must choose again; a failed run may be one that new code does not fail."""
_NOTHING_IS_DONE = "a replay that only checks does nothing"


@dataclass(frozen=True, slots=True)
class Replayed:
    """How far the code follows a journal.

    Attributes:
        acts: How many acts of the journal it repeats: all of them.
        stopped_at: What it would do next where the journal ends, or waits for; empty if it ends.
        ended: How it ends, if it does.
    """

    acts: int
    stopped_at: tuple[str, ...] = ()
    ended: RunFinished | None = None


def check_replay(
    component: Any,
    records: str | Iterable[Given],
    *,
    registry: Registry = REGISTRY,
    run_id: str = "replayed",
) -> Replayed:
    """See that a run with this journal can go on with the code as it is now.

    Nothing is done beyond what the journal knows: no step runs, nobody is called, nothing is written. A journal
    without acts, as a plain function's, says nothing about the code, which is not run. Of a function that was tried
    again, the acts of its last attempt count.

    Args:
        component: The code, or its name: then it is the version that the run began with.
        records: The journal: its records, or lines as `VirtualRun.export` writes them.
        registry: What other components there are.
        run_id: The run's id, for code that hands it on: its journal does not say it.

    Raises:
        NonDeterminismError: If the code does not repeat what the journal says; it names both sides.
        ConfigurationError: If there is no such component, or this is no journal of a run.
    """
    entries = read_journal(records)
    history = History(entries)
    if history.started is None:
        raise ConfigurationError(
            "the journal has no run.started record; give all records of one run, from 0 on"
        )
    acts = history.unmatched
    if not acts:
        return Replayed(0)
    known = _with(_found(component, history.started, registry), history.started, registry)
    run, ended = _in_own_loop(lambda: _replay(run_id, history, known))
    return Replayed(acts, tuple(run.stopped_at), ended)


def _found(component: Any, started: RunStarted, registry: Registry) -> Component:
    kind = ComponentType(started.component_kind)
    by_name = isinstance(component, str)
    found = registry.pinned(kind, component, started.version) if by_name else component_of(component)
    if found is None:
        which = f"{started.component_kind}" + (f" of version {started.version}" if started.version else "")
        raise ConfigurationError(
            f"{component!r} is no {which} here; decorate it, or import the module that defines it"
        )
    return found


def _with(component: Component, started: RunStarted, registry: Registry) -> Registry:
    """Make a registry in which `component` is the code of the run."""
    kind = ComponentType(started.component_kind)
    place = (kind, started.component, started.version)
    known = Registry()
    for one in registry:
        if (one.kind, one.name, one.version) != place:
            known.add(one)
    known.add(replace(component, kind=kind, name=started.component, version=started.version))
    return known


def _in_own_loop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run in a loop of virtual time, in a thread if there is a loop here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_virtual(main)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, run_virtual, main).result()


async def _replay(
    run_id: str, history: History, registry: Registry
) -> tuple["_ReplayedRun", RunFinished | None]:
    run = _ReplayedRun(run_id, history)
    ended = await _until_it_stops(run, registry)
    if run.replay.divergence is not None:
        raise run.replay.divergence
    found = ", ".join(run.stopped_at) if ended is None else _end(ended)
    if history.replaying:
        raise history.diverged(found)
    finished = history.finished
    if finished is not None and finished.end in _CHOSEN and (ended is None or ended.end != finished.end):
        raise NonDeterminismError(expected=_end(finished), found=found, entry=history.next_number - 1)
    return run, ended


def _end(finished: RunFinished) -> str:
    if finished.failure is None:
        return f"its end as {finished.end}"
    diverged = finished.failure.code == "non_determinism"
    return "its end" if diverged else f"its end as {finished.end} ({finished.failure.message})"


async def _until_it_stops(run: "_ReplayedRun", registry: Registry) -> RunFinished | None:
    """Run the code as far as the journal goes; return its end, if it comes to that."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)  # noqa: S101 - see `_in_own_loop`
    stopped: asyncio.Future[None] = loop.create_future()

    def stop(seconds: float | None) -> bool:
        if stopped.done() or (seconds is not None and loop.time() + seconds <= _LONGEST_S):
            return False
        stopped.set_result(None)
        return True

    code = asyncio.create_task(execute(run, registry))
    with loop.when_idle(stop):
        await asyncio.wait({code, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if code.done():
        return code.result()
    run.stopped_at += run.waiting_for
    run.let_go.set()
    code.cancel()
    await asyncio.gather(code, return_exceptions=True)
    return None


class _ReplayedRun(LiveRun):
    """A run that repeats what its journal says, and stands still where that ends.

    Attributes:
        stopped_at: What it would do next.
    """

    def __init__(self, run_id: str, history: History) -> None:
        assert history.started is not None  # noqa: S101 - checked by `check_replay`
        nobody, started = _Nobody(), history.started
        super().__init__(run_id, started, history, entries=nobody, outbox=nobody, clock=lambda: started.at)
        self.stopped_at: list[str] = []

    async def ask(self, asked: Asked) -> Settled | None:
        """Tell how an act ended; one that has not is not done, but a child that was started need not be again."""
        if is_before_attempt(asked.key) and self.history.outcome(asked.key) is None:
            return CallSettled(at=self.clock(), key=asked.key, act="timer", target=asked.target)
        settled = await super().ask(asked)
        is_started = asked.kind == "run" and self.history.intended(asked.key) is not None
        if settled is None and not is_started:
            self.stopped_at.append(str(asked))
            self.history.forgive_inside(asked.key)
            await asyncio.Event().wait()
        return settled

    async def append(self, record: AnyRecord) -> AnyRecord:
        """Make a further attempt that the journal does not know: beside its acts, code may fail here that did not there."""
        assert isinstance(record, AttemptFailed), _NOTHING_IS_DONE  # noqa: S101 - it stands still before others
        return record

    def append_soon(self, record: JournalRecord) -> None:
        """Keep no value that is drawn behind the end of the journal."""


class _Nobody:
    """The journal and the outbox of a run that does nothing: it stands still before it would use them."""

    async def append(self, number: int, body: bytes) -> None:
        raise AssertionError(_NOTHING_IS_DONE)

    async def are_ours(self) -> bool:
        raise AssertionError(_NOTHING_IS_DONE)

    async def send(self, intent: CallIntended) -> Answered | None:
        """Start no child that was started before."""

    async def disarm(self, intent: CallIntended) -> None:
        raise AssertionError(_NOTHING_IS_DONE)

    async def read(self, intent: CallIntended) -> Answered:
        raise AssertionError(_NOTHING_IS_DONE)

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        raise AssertionError(_NOTHING_IS_DONE)

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        raise AssertionError(_NOTHING_IS_DONE)

    async def emit(self, signal_id: str, name: str, payload: Any, run_id: str | None) -> None:
        raise AssertionError(_NOTHING_IS_DONE)

    async def tell_chunk(
        self, index: int, chunk: Any, attempt: int = 1, *, key: str | None = None, piece: int | None = None
    ) -> None:
        """Show nobody what was shown before."""

    async def cancel(self, run_id: str, event_id: str, reason: str | None) -> None:
        """Cancel no child: who replays a cancelled run cancels nobody again."""
