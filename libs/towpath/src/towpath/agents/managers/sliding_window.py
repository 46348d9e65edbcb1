"""The newest messages stay: the conversation manager of agents that are given none."""

from collections.abc import Mapping
from typing import Any

from towpath.agents.content import DictMessage
from towpath.agents.managers.port import ConversationManager, cannot_shorten
from towpath.agents.managers.trimming import cut
from towpath.agents.managers.truncation import truncated
from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError

DEFAULT_WINDOW_SIZE = 40
"""How many messages stay."""

_LEAST_ON_OVERFLOW = 2
"""How many messages go at the least where the model says that it cannot read so many."""


class SlidingWindowConversationManager(ConversationManager):
    """Keeps the newest messages, from a prompt on where there is one, and never a call without its results.

    Where it must cut within the last turn, the prompt of that turn stays in front of what is kept.

    Args:
        window_size: How many messages stay.
        should_truncate_results: Whether long results of tools are shortened, the oldest first, before messages go,
            where a model cannot read so much.
        per_turn: Whether it tidies before each model call too, and not only after an invocation; a number means
            before each so-manieth.
        proactive_compression: See `ConversationManager`.

    Raises:
        ConfigurationError: If a number is below 1.
    """

    @check_arguments
    def __init__(
        self,
        window_size: int = DEFAULT_WINDOW_SIZE,
        should_truncate_results: bool = True,  # noqa: FBT001, FBT002 - as it is known
        *,
        per_turn: bool | int = False,
        proactive_compression: bool | Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(proactive_compression=proactive_compression)
        self.window_size = _at_least_one("window_size", window_size)
        self.should_truncate_results = should_truncate_results
        self.per_turn = per_turn if isinstance(per_turn, bool) else _at_least_one("per_turn", per_turn)
        self._model_calls = 0
        self._prompt: DictMessage | None = None

    def apply_management(self, agent: Any) -> None:
        """Keep the newest messages; see `ConversationManager.apply_management`."""
        messages: list[DictMessage] = agent.messages
        if len(messages) > self.window_size:
            self._drop(messages, len(messages) - self.window_size)

    async def before_model_call(self, agent: Any) -> None:
        """Keep the newest messages, if this is one of the calls before which that is wanted."""
        if self.per_turn:
            self._model_calls += 1
            if self._model_calls % int(self.per_turn) == 0:
                self.apply_management(agent)
        await super().before_model_call(agent)

    def reduce_context(self, agent: Any, error: Exception | None = None) -> None:
        """Shorten the oldest long result of a tool; where there is none, drop messages, two or more.

        Raises:
            ContextOverflowError: If neither can be done; `error`, where it is given.
        """
        messages: list[DictMessage] = agent.messages
        if error is not None and self.should_truncate_results and _truncate_oldest(messages):
            return
        if not self._drop(messages, max(_LEAST_ON_OVERFLOW, len(messages) - self.window_size)):
            raise cannot_shorten(error)

    def get_state(self) -> dict[str, Any]:
        """Return what a session keeps of it."""
        return {**super().get_state(), "model_call_count": self._model_calls, "prompt": self._prompt}

    def restore_from_session(self, state: Mapping[str, Any]) -> list[DictMessage]:
        """Take in what `get_state` gave, and return the prompt that stands in front, if one does."""
        super().restore_from_session(state)
        self._model_calls = int(state.get("model_call_count", 0))
        self._prompt = state.get("prompt")
        return [] if self._prompt is None else [self._prompt]

    def reset(self) -> None:
        """Forget the conversation that it has kept."""
        super().reset()
        self._model_calls, self._prompt = 0, None

    def _drop(self, messages: list[DictMessage], remove: int) -> bool:
        found = cut(messages, remove)
        if found is None:
            return False
        self.removed_message_count += found.at - (self._prompt is not None)
        self._prompt = None if found.prompt is None else messages[found.prompt]
        messages[:] = found.of(messages)
        return True


def _truncate_oldest(messages: list[DictMessage]) -> bool:
    for index, message in enumerate(messages):
        shorter = truncated(message)
        if shorter is not None:
            messages[index] = shorter
            return True
    return False


def _at_least_one(name: str, number: int) -> int:
    if number < 1:
        raise ConfigurationError(f"SlidingWindowConversationManager({name}={number}): give 1 or more")
    return number
