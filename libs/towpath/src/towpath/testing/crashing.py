"""Kills the process of a run at every moment there is, and sees that nobody could tell."""

import itertools
import operator
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from towpath.around import Around, Code
from towpath.components import REGISTRY, Registry
from towpath.errors import ComponentError, CrashNotSurvivedError, NonDeterminismError, StuckError
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
    without_limits: bool = False,
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
        without_limits: As of `VirtualPlatform`.
        headers: As of `VirtualPlatform.start`.
        attribution: As of `VirtualPlatform.start`.

    Raises:
        CrashNotSurvivedError: If a killed run ended otherwise, did something again that was settled, or left a journal
            that is replayed to something else; it names the moment.
        StuckError: If the undisturbed run does not end.
        ConfigurationError: If a run would have to pass limits.
    """

    async def live(disturbance: Disturbance) -> _Lived:
        if before_each is not None:
            before_each()
        async with VirtualPlatform(
            registry=registry, seed=seed, disturbance=disturbance, without_limits=without_limits
        ) as platform:
            run = await platform.start(component, input, headers=headers, attribution=attribution)
            if script is not None:
                await script(platform, run)
            finished = await run.ended()
            if after_each is not None:
                after_each(run)
            return _Lived(run.run_id, finished, run.journal)

    trial = _Trial(await live(Disturbance()), live, same, registry)
    crashes = [crash async for crash in trial.crashes()]
    await trial.survive(ReplayAlways(), "after every write")
    return Survived(trial.undisturbed.finished, tuple(crashes))


class _Lived(NamedTuple):
    """What a run has done."""

    run_id: str
    finished: RunFinished
    journal: list[JournalRecord]


class _Trial:
    """Compares what a run does when it is disturbed with what it does when it is not."""

    def __init__(
        self,
        undisturbed: _Lived,
        live: Callable[[Disturbance], Awaitable[_Lived]],
        same: Callable[[Any, Any], bool],
        registry: Registry,
    ) -> None:
        self.undisturbed = undisturbed
        self._live = live
        self._same = same
        self._registry = registry
        self._judge("after its end", undisturbed)

    async def crashes(self) -> AsyncGenerator[Crash]:
        """Kill the run at each moment, until it has come past the last one alive."""
        for moment in ("before write", "after write", "at await"):
            for number in itertools.count(1):
                killing = Kill(moment, number)
                await self.survive(killing, f"{moment} {number}")
                if killing.crash is None:
                    break
                yield killing.crash

    async def survive(self, disturbance: Disturbance, crash: str) -> None:
        """Run it once more, disturbed.

        Raises:
            CrashNotSurvivedError: If anybody could tell.
        """
        try:
            lived = await self._live(disturbance)
        except (AssertionError, ComponentError, StuckError, TimeoutError) as error:
            raise CrashNotSurvivedError(
                _when(disturbance, crash), f"{type(error).__name__}: {error}"
            ) from error
        self._judge(_when(disturbance, crash), lived)

    def _judge(self, crash: str, lived: _Lived) -> None:
        if found := self._difference(lived.finished) or _done_again(lived.journal) or self._replayed(lived):
            raise CrashNotSurvivedError(crash, found)

    def _difference(self, finished: RunFinished) -> str | None:
        """Say how an end differs from the undisturbed one; None if it does not."""
        undisturbed = self.undisturbed.finished
        if (finished.end, finished.failure) != (undisturbed.end, undisturbed.failure):
            return f"the run ended as {_end(finished)}, not as {_end(undisturbed)}"
        if not self._same(finished.result, undisturbed.result):
            return f"the result is {finished.result!r}, and undisturbed {undisturbed.result!r}"
        return None

    def _replayed(self, lived: _Lived) -> str | None:
        """Say how the journal is replayed to another result than was journaled; None if it is not."""
        started, recorded = lived.journal[0], lived.journal[-1]
        if not (isinstance(started, RunStarted) and isinstance(recorded, RunFinished)):
            return None
        try:
            ended = check_replay(
                started.component, lived.journal, registry=self._registry, run_id=lived.run_id
            ).ended
        except NonDeterminismError as error:
            return str(error)
        if ended is None or ended.result == recorded.result:
            return None
        return f"its journal is replayed to {ended.result!r}, not to {recorded.result!r}"


def _when(disturbance: Disturbance, crash: str) -> str:
    return str(disturbance.crash) if isinstance(disturbance, Kill) and disturbance.crash else crash


def _end(finished: RunFinished) -> str:
    return finished.end + (f" ({finished.failure.message})" if finished.failure else "")


def _done_again(journal: list[JournalRecord]) -> str | None:
    """Name the acts that were done again though they were settled; None if there are none."""
    settled = Counter(record.key for record in journal if isinstance(record, StepSettled | CallSettled))
    twice = [key for key, count in settled.items() if count > 1]
    return f"done again though it was settled: {', '.join(twice)}" if twice else None


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


class _Watched(Around[Any]):
    """Code that asks before each step from one await to the next whether it is dead."""

    __slots__ = ("_is_dead",)

    def __init__(self, code: Code[Any], is_dead: Callable[[], bool]) -> None:
        super().__init__(code)
        self._is_dead = is_dead

    def send(self, value: Any, /) -> Any:
        return self.code.throw(killed()) if self._is_dead() else self.code.send(value)
