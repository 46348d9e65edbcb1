"""Begins the acts that the code of a run has named, each under the key that it has from where it is begun."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from towpath.engine.asked import Asked
from towpath.engine.history import History
from towpath.errors import DuplicateStepError
from towpath.scopes import current_scope, key_of_begun

T = TypeVar("T")


class Beginning(Protocol):
    """A run whose code begins acts; see `LiveRun`."""

    @property
    def history(self) -> History:
        """What is known of it."""
        ...

    @property
    def in_flight(self) -> set[str]:
        """The keys of the acts that its code has begun and has not been told the end of."""
        ...


_AGAIN = "!"
"""What follows the key of an act, with a number, that an attempt of the step around it does not have from those before."""


async def begun(run: Beginning, named: Asked, named_in: str, act: Callable[[str], Awaitable[T]]) -> T:
    """Do an act.

    Args:
        run: The run whose act it is.
        named: The act, at the place that it took when it was called.
        named_in: The scope of the step in which that was.
        act: Does it, under the key it is told.

    Raises:
        DuplicateStepError: If an act of this key is in flight.
    """
    key = key_of(run.history, named, named_in)
    if key in run.in_flight:
        raise DuplicateStepError(named.key.rpartition("/")[2].partition("#")[0])
    run.in_flight.add(key)
    try:
        return await act(key)
    finally:
        run.in_flight.discard(key)


def key_of(history: History, named: Asked, named_in: str) -> str:
    """Tell the key of an act that begins now; see `begun`.

    A further attempt of a step is told what those before it have done. What they have given up, or called with other
    arguments, it does anew.
    """
    first = key = key_of_begun(named.key, named_in)
    for number in range(2, current_scope().attempt + 1):
        if history.repeats(key, named):
            break
        key = f"{first}{_AGAIN}{number}"
    return key
