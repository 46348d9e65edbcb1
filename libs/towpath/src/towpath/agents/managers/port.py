"""What a conversation manager is: it keeps a history short enough for the model."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from copy import copy
from typing import Any, Self

from towpath.agents.content import DictMessage
from towpath.errors import ConfigurationError, ContextOverflowError, InvalidInputError
from towpath_schemas.failure import Failure
from towpath_schemas.usage import Usage

DEFAULT_COMPRESSION_THRESHOLD = 0.7
"""How full of what a model can read a request may be before `proactive_compression` acts."""

DEFAULT_CONTEXT_WINDOW = 128_000
"""How many tokens a model is taken to read that does not say it (`model.context_window_limit`)."""


class ConversationManager(ABC):
    """Decides what becomes of a history that grows too long.

    Its methods run in the run's own code, so a run that is replayed calls them again, and they do the same again;
    a model that one of them asks is asked as a durable act.

    Args:
        proactive_compression: Whether to act before a model refuses, once a request fills 0.7 of what the model can
            read; or `{"compression_threshold": 0.5, "context_window": 200_000}`.

    Attributes:
        removed_message_count: Where what is left begins among all messages there were; one in front of it, such as a
            summary, is not counted.

    Raises:
        ConfigurationError: If a number cannot be.
    """

    def __init__(self, *, proactive_compression: bool | Mapping[str, float] | None = None) -> None:
        self.removed_message_count: int = 0
        self.compression_threshold, self.context_window = _compression(proactive_compression)

    @abstractmethod
    def apply_management(self, agent: Any) -> Awaitable[None] | None:
        """Tidy `agent.messages`, in place; called after each invocation."""

    @abstractmethod
    def reduce_context(self, agent: Any, error: Exception | None = None) -> Awaitable[None] | None:
        """Make `agent.messages` shorter, in place.

        Args:
            agent: Whose conversation it is.
            error: What the model said to it, where it did not fit.

        Raises:
            ContextOverflowError: If it cannot be made shorter; `error`, where it is given.
        """

    async def before_model_call(self, agent: Any) -> None:
        """Make `agent.messages` shorter before a model is asked, if `proactive_compression` says so."""
        if self.compression_threshold is None or not self._is_full(agent, self.compression_threshold):
            return
        with suppress(ContextOverflowError):  # perhaps the model reads it all the same
            reduced = self.reduce_context(agent)
            if reduced is not None:
                await reduced

    def _is_full(self, agent: Any, threshold: float) -> bool:
        last: Usage = agent.event_loop_metrics.latest_usage
        limit = getattr(agent.language_model(), "context_window_limit", None) or self.context_window
        return last.input_tokens + last.output_tokens >= threshold * limit

    def get_state(self) -> dict[str, Any]:
        """Return what a session keeps of it, as JSON."""
        return {"__name__": type(self).__name__, "removed_message_count": self.removed_message_count}

    def restore_from_session(self, state: Mapping[str, Any]) -> list[DictMessage]:
        """Take in what `get_state` gave.

        Returns:
            Messages that stand before those from `removed_message_count` on.

        Raises:
            InvalidInputError: If it is the state of another kind of manager.
        """
        name = state.get("__name__")
        if name != type(self).__name__:
            raise InvalidInputError(
                f"the session was kept with a {name}, and the agent has a {type(self).__name__}; give it the same"
            )
        self.removed_message_count = int(state["removed_message_count"])
        return []

    def for_run(self) -> Self:
        """Return a manager of this kind for a conversation of its own, of which nothing has been removed yet."""
        made = copy(self)
        made.reset()
        return made

    def reset(self) -> None:
        """Forget the conversation that it has kept."""
        self.removed_message_count = 0


def cannot_shorten(error: Exception | None) -> Exception:
    """Return what to raise where a history cannot be made shorter: what the model said to it, if it was asked."""
    if error is not None:
        return error
    return ContextOverflowError(
        Failure(code="context_overflow", message="the conversation cannot be made shorter than it is")
    )


def _compression(asked: Any) -> tuple[float | None, int]:
    """Read `proactive_compression`: how full a request may be, if that counts, and how much a model reads."""
    said = {} if isinstance(asked, bool) or asked is None else dict(asked)
    threshold = said.get("compression_threshold", DEFAULT_COMPRESSION_THRESHOLD)
    window = said.get("context_window", DEFAULT_CONTEXT_WINDOW)
    if said.keys() - {"compression_threshold", "context_window"} or not 0 < threshold <= 1 or window < 1:
        raise ConfigurationError(
            f"proactive_compression={asked!r}: give True, or a compression_threshold over 0 and up to 1 and, where "
            "the model does not say it, how many tokens it reads as context_window"
        )
    return (None if asked in (None, False) else float(threshold)), int(window)
