"""Kills the process of a run at every moment there is, and sees that nobody could tell."""

import itertools
import operator
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from towpath.components import REGISTRY, Registry
from towpath.engine.tasks import Code
from towpath.errors import ComponentError, CrashNotSurvivedError, StuckError
from towpath.testing.disturbance import Disturbance, ReplayAlways, Victim, killed
from towpath.testing.platform import VirtualPlatform
from towpath.testing.replaying import check_replay
from towpath.testing.run import VirtualRun
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.journal import CallSettled, JournalRecord, RunFinished, RunStarted, StepSettled

Script = Callable[[VirtualPlatform, VirtualRun], Awaitable[None]]
"""What the world outside does about a run: signals, decisions, the passing of time."""

Moment = Literal["before write", "after write", "at await"]


@dataclass(frozen=True, slots=True)
class Crash:
    """A moment at which a run was killed.

    Attributes:
        number: Of the write or the await, from 1.
        record: Of a write, what is written, such as `step.settled charge#0`.
    """

    moment: Moment
    number: int
    record: str = ""

    def __str__(self) -> str:
        return f"{self.moment} {self.number}" + (f" ({self.record})" if self.record else "")


@dataclass(frozen=True, slots=True)
class Survived:
    """What `crash_everywhere` has tried.

    Attributes:
        finished: How the run ended, each time.
        crashes: When it was killed.
    """

    finished: RunFinished
    crashes: tuple[Crash, ...]


async def crash_everywhere(
    component: Any,
    input: Any = None,  # noqa: A002 - the word of the request
    *,
    script: Script | None = None,
    before_each: Callable[[], None] | None = None,
    after_each: Callable[[VirtualRun], None] | None = None,
    same: Callable[[Any, Any], bool] = operator.eq,
    registry: Registry = REGISTRY,
    seed: int = 0,
    headers: dict[str, str] | None = None,
    attribution: AttributionClaim | None = None,
) -> Survived:
    """Run a component undisturbed, then once for each moment at which its process can die, and compare.

    It is killed before and after each record that is written, and at each `await` of its code, in all its tasks;
    each time it goes on from its journal. Last it is replayed after every record. Each of these runs has a platform
    of its own.

    Args:
        component: A workflow, agent or function, or its name.
        input: Its input.
        script: What the world outside does; without it, time passes until the run has ended.
        before_each: Called before each run: put the test's own doubles back.
        after_each: Called after each run: see that nothing happened twice outside.
        same: Compares the result with the undisturbed one.
        registry: Which components there are.
        seed: As of `VirtualPlatform`.
        headers: As of `VirtualPlatform.start`.
        attribution: As of `VirtualPlatform.start`.

    Raises:
        CrashNotSurvivedError: If a killed run ended otherwise, or did something again that was settled; it names the
            moment.
        StuckError: If the undisturbed run does not end.
    """

    async def attempt(disturbance: Disturbance) -> RunFinished:
        if before_each is not None:
            before_each()
        async with VirtualPlatform(registry=registry, seed=seed, disturbance=disturbance) as platform:
            run = await platform.start(component, input, headers=headers, attribution=attribution)
            if script is not None:
                await script(platform, run)
            finished = await run.ended()
            _check_journal(run, registry)
            if after_each is not None:
                after_each(run)
            return finished

    undisturbed = await attempt(Disturbance())
    crashes: list[Crash] = []
    async for crash, finished in _attempts(attempt):
        _compare(str(crash), finished, undisturbed, same)
        crashes.append(crash)
    _compare(
        "after every write", await _survive("after every write", attempt, ReplayAlways()), undisturbed, same
    )
    return Survived(undisturbed, tuple(crashes))


Attempt = Callable[[Disturbance], Coroutine[Any, Any, RunFinished]]


async def _attempts(attempt: Attempt) -> AsyncGenerator[tuple[Crash, RunFinished]]:
    """Run with each crash, until it has come past the last moment alive."""
    for moment in ("before write", "after write", "at await"):
        for number in itertools.count(1):
            killing = Kill(moment, number)
            finished = await _survive(f"{moment} {number}", attempt, killing)
            if killing.crash is None:
                break
            yield killing.crash, finished


async def _survive(crash: str, attempt: Attempt, disturbance: Disturbance) -> RunFinished:
    try:
        return await attempt(disturbance)
    except (AssertionError, ComponentError, StuckError, TimeoutError) as error:
        what = str(disturbance.crash) if isinstance(disturbance, Kill) and disturbance.crash else crash
        raise CrashNotSurvivedError(what, f"{type(error).__name__}: {error}") from error


def _compare(
    crash: str, finished: RunFinished, undisturbed: RunFinished, same: Callable[[Any, Any], bool]
) -> None:
    if finished.end != undisturbed.end or finished.failure != undisturbed.failure:
        raise CrashNotSurvivedError(crash, f"the run ended as {_end(finished)}, not as {_end(undisturbed)}")
    if not same(finished.result, undisturbed.result):
        raise CrashNotSurvivedError(
            crash, f"the result is {finished.result!r}, and undisturbed {undisturbed.result!r}"
        )


def _end(finished: RunFinished) -> str:
    return finished.end + (f" ({finished.failure.message})" if finished.failure else "")


def _check_journal(run: VirtualRun, registry: Registry) -> None:
    """See that nothing that was settled was done again, and that the whole journal is replayed to the same end.

    Raises:
        AssertionError: If not so.
        NonDeterminismError: If it cannot be replayed at all.
    """
    settled = Counter(record.key for record in run.journal if isinstance(record, StepSettled | CallSettled))
    twice = [key for key, count in settled.items() if count > 1]
    if twice:
        raise AssertionError(f"done again though it was settled: {', '.join(twice)}")
    started, recorded = run.journal[0], run.journal[-1]
    if not (isinstance(started, RunStarted) and isinstance(recorded, RunFinished)):
        return
    replayed = check_replay(started.component, run.journal, registry=registry)
    if replayed.ended is not None and replayed.ended.result != recorded.result:
        raise AssertionError(
            f"its journal is replayed to {replayed.ended.result!r}, not to {recorded.result!r}"
        )


class Kill(Disturbance):
    """Kills the process of the first run that it meets, once.

    Attributes:
        crash: When it did; None as long as it has not.
    """

    def __init__(self, moment: Moment, number: int) -> None:
        self.crash: Crash | None = None
        self._moment = moment
        self._number = number
        self._victim: str | None = None
        self._counts: Iterator[int] = itertools.count(1)

    def around(self, victim: Victim, code: Code[Any]) -> Code[Any]:
        """Count the awaits of code."""
        self._victim = self._victim or victim.run_id
        if self._moment != "at await" or self.crash is not None or victim.run_id != self._victim:
            return code
        return _Watched(code, lambda: self._is_now(victim, "at await"))

    async def before_write(self, victim: Victim, record: JournalRecord) -> None:
        """Kill it if it is time."""
        self._is_now(victim, "before write", record)

    async def after_write(self, victim: Victim, record: JournalRecord) -> None:
        """Kill it if it is time."""
        self._is_now(victim, "after write", record)

    def _is_now(self, victim: Victim, moment: Moment, record: JournalRecord | None = None) -> bool:
        """Count a moment; kill the run if it is the one."""
        if moment != self._moment or self.crash is not None or victim.run_id != self._victim:
            return False
        if next(self._counts) < self._number:
            return False
        self.crash = Crash(moment, self._number, _shown(record))
        victim.die()
        return True


def _shown(record: JournalRecord | None) -> str:
    if record is None:
        return ""
    return f"{record.kind} {getattr(record, 'key', '')}".strip()


class _Watched(Coroutine[Any, Any, Any], Generator[Any, Any, Any]):
    """Code that asks before each step from one await to the next whether it is dead."""

    def __init__(self, code: Code[Any], is_dead: Callable[[], bool]) -> None:
        self._code = code
        self._is_dead = is_dead

    def send(self, value: Any, /) -> Any:
        return self._code.throw(killed()) if self._is_dead() else self._code.send(value)

    def throw(self, *error: Any) -> Any:
        return self._code.throw(*error)

    def close(self) -> None:
        self._code.close()

    def __await__(self) -> "_Watched":
        return self
