"""Tells whether a held run only waits, and for how long that may be: who only waits can be dropped from memory."""

from collections.abc import Iterable

from towpath.engine.history import History
from towpath.engine.ports import Clock
from towpath.engine.replay import Replay
from towpath.engine.tasks import RunTasks
from towpath.engine.waiters import Waiters
from towpath.engine.work import Work
from towpath.engine.writing import Writing

_MAY_TAKE_LONG = frozenset({"signal", "timer", "approval"})


class Idling:
    """What the parts of one held run say about whether it goes on by itself."""

    def __init__(
        self,
        history: History,
        clock: Clock,
        *,
        waiters: Waiters,
        work: Work,
        tasks: RunTasks,
        writing: Writing,
        replay: Replay,
    ) -> None:
        self._history = history
        self._clock = clock
        self._waiters = waiters
        self._work = work
        self._tasks = tasks
        self._writing = writing
        self._replay = replay

    @property
    def working(self) -> int:
        """How many pieces of its code are at work, without steps that wait for an act inside of them, or for its record."""
        return self._work.beside({*self._waiters.keys, *self._writing.waiting})

    @property
    def steps_rest(self) -> bool:
        """Whether nothing is at work but steps, and the code of these waits: for acts, or for other tasks of the run."""
        return self._work.only_steps and self._tasks.at_rest

    @property
    def does_something(self) -> bool:
        """Whether its code goes on by itself: acts of it are at work, or it awaits what is no act."""
        return bool(self._work) or not self._tasks.at_rest

    def goes_on_beside(self, held: Iterable[str]) -> bool:
        """Tell whether its code goes on by itself, where acts with these keys are held back."""
        return self._work.beside({*held, *self._waiters.keys}) > 0 or not self._tasks.at_rest

    @property
    def catching_up(self) -> bool:
        """Whether it will go on by itself, though it seems to wait: replay is not over, or the code is to end."""
        return self._replay.holding_back.for_replay > 0 or self._replay.cancelling.pending

    @property
    def only_waits(self) -> bool:
        """Whether nothing of the run goes on but waiting for what comes from outside."""
        waits = bool(self._waiters) or self._replay.holding_back.for_pause > 0
        return waits and not (self._writing.busy or self.catching_up or self.does_something)

    def waits_long(self, patience_s: float) -> bool:
        """Tell whether all it waits for are people, signals, or moments more than `patience_s` away."""
        is_far = self._history.incoming.paused or all(
            self._is_far(key, patience_s) for key in self._waiters.keys
        )
        return is_far and self.only_waits

    def _is_far(self, key: str, patience_s: float) -> bool:
        intended = self._history.intended(key)
        if intended is None or intended.act not in _MAY_TAKE_LONG:
            return False
        return intended.until is None or intended.until - self._clock() > patience_s
