"""The strategies of `session.prune`, by name."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from towpath.context import Context
from towpath.errors import SessionError
from towpath.sessions import pruning
from towpath.sessions.about import keep_last_of
from towpath.sessions.condensing import Model, important
from towpath.sessions.events import SessionMessage

SLIDING_WINDOW = 100
"""Messages that `sliding_window` keeps, if it is not said."""
SUMMARIZE_OVER = 50
"""Messages that `summarize_old` leaves as they are, if it is not said."""

Messages = Sequence[SessionMessage]


class Strategy(NamedTuple):
    """What a strategy does.

    Attributes:
        name: Its name, as it is kept among the events.
        drops: Chooses what it takes out; None where a model does.
        summarizes: Whether a summary stands in the place of what is taken out.
    """

    name: str
    drops: Callable[[Messages], list[SessionMessage]] | None
    summarizes: bool = False

    @property
    def reads_words(self) -> bool:
        """Whether it needs to know what the messages say."""
        return self.summarizes or self.drops is None

    async def dropped(self, context: Context, messages: Messages, model: Model) -> list[SessionMessage]:
        """Choose what is taken out of `messages`."""
        if self.drops is not None or not messages:
            return self.drops(messages) if self.drops else []
        return pruning.unimportant(messages, await important(context, messages, model))


def strategy_of(name: Any, *, window_size: int | None, threshold: int | None) -> Strategy:
    """Read which strategy is meant.

    Raises:
        SessionError: If there is none of this name, or a number cannot be.
    """
    window = SLIDING_WINDOW if window_size is None else _positive("window_size", window_size)
    leaves = SUMMARIZE_OVER if threshold is None else _positive("threshold", threshold)
    if isinstance(name, str) and (count := keep_last_of(name)) is not None:
        return Strategy(name, partial(pruning.older_than, count=count))
    match name:
        case "sliding_window":
            return Strategy(name, partial(pruning.outside_window, count=window))
        case "keep_important":
            return Strategy(name, None)
        case "summarize_old":
            return Strategy(name, partial(pruning.older_than, count=leaves), summarizes=True)
        case "keep_summary":
            return Strategy(name, pruning.closed, summarizes=True)
        case _:
            raise SessionError(
                f"there is no strategy {name!r}; there are keep_last_<n> (such as keep_last_50), sliding_window, "
                "keep_important, summarize_old and keep_summary"
            )


def _positive(name: str, number: Any) -> int:
    if not isinstance(number, int) or number < 1:
        raise SessionError(f"{name}={number!r}: give a number of messages, 1 or more")
    return number
