"""Begins the acts that the code of a run has named, each under the key that it has from where it is begun."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from towpath.engine.asked import Asked, done_again
from towpath.engine.history import History
from towpath.engine.holding_back import NotGivenUpError
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
    while True:
        if key in run.in_flight:
            raise DuplicateStepError(named.key.rpartition("/")[2].partition("#")[0])
        run.in_flight.add(key)
        try:
            return await act(key)
        except NotGivenUpError:
            key = done_again(key)
        finally:
            run.in_flight.discard(key)


def key_of(history: History, named: Asked, named_in: str) -> str:
    """Tell the key of an act that begins now; see `begun`.

    Work that begins again, for a further attempt or after a crash, is told what it has done before. What it has given up,
    or called with other arguments, a further attempt does anew; after a crash it is given up again, and no other call is
    made: that is no reason to pay twice.
    """
    key = key_of_begun(named.key, named_in)
    inside, failed = current_scope().step, current_scope().attempt - 1 + history.failed_attempts
    while history.was_given_up(key, inside) or history.was_called_otherwise(named, key, inside):
        if failed:
            failed -= 1
        elif not history.has_begun(done_again(key)):
            break
        key = done_again(key)
    return key
