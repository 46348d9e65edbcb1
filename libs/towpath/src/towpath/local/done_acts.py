"""What was done in this process is not done again: by an act of the same key, or in a further attempt of what is around."""

import copy
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from towpath.errors import DuplicateStepError
from towpath.retry import Attempted, RetryPolicy
from towpath.scopes import current_scope
from towpath_schemas.entities import Changes

Done = dict[str, Attempted]
"""How acts ended, by their places."""


class StepDone(NamedTuple):
    """The outcome of a step that has ended well: its result, and what it has changed in the state."""

    result: Any
    changes: Changes | None


def done_of(policy: RetryPolicy) -> Done | None:
    """Make the place where all attempts of one call keep what they have done; None where there is only one attempt."""
    return {} if policy.max_attempts > 1 else None


class DoneActs:
    """How the acts of one context ended that its code may ask for again, and which steps are running.

    Args:
        done: What the attempts before have done, and where this one keeps what it does; None if it is the only one.
    """

    def __init__(self, done: Done | None) -> None:
        self._keeps_all = done is not None
        self._done: Done = {} if done is None else done
        self._inside: defaultdict[str, list[str]] = defaultdict(list)
        self._running: set[tuple[str, int]] = set()

    def ended(self, place: str) -> Attempted | None:
        """Tell how the act at `place` ended, if it did and is kept; changing its value changes nothing that is kept."""
        ended = self._done.get(place)
        return None if ended is None else _copy(ended)

    async def once(
        self, place: str, do: Callable[[], Awaitable[Attempted]], *, key: str | None = None
    ) -> Attempted:
        """Do an act, unless it was done."""
        ended = self.ended(place)
        if ended is None:
            ended = await do()
            self._keep(place, key, ended)
        return ended

    async def step_once(
        self, name: str, place: str, do: Callable[[], Awaitable[Attempted]], *, key: str | None
    ) -> Attempted:
        """Do a step that was not done, and forget then what is inside of it.

        Raises:
            DuplicateStepError: If one of this key is running.
        """
        with self._in_flight(name, place):
            ended = await do()
        self._keep(place, key, ended)
        for inner in self._inside.pop(f"{place}/", ()):
            self._done.pop(inner, None)
        return ended

    def _keep(self, place: str, key: str | None, ended: Attempted) -> None:
        step = current_scope().step
        if key is None and not step and not self._keeps_all:
            return
        self._done[place] = _copy(ended)
        if step:
            self._inside[step].append(place)

    @contextmanager
    def _in_flight(self, name: str, place: str) -> Generator[None]:
        running = place, current_scope().attempt
        if running in self._running:
            raise DuplicateStepError(name)
        self._running.add(running)
        try:
            yield
        finally:
            self._running.discard(running)


def _copy(ended: Attempted) -> Attempted:
    return replace(ended, value=copy.deepcopy(ended.value))
