"""A summary stands in the place of the oldest messages, once a model cannot read all of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from towpath.agents.content import DictMessage
from towpath.agents.managers.port import ConversationManager, cannot_shorten
from towpath.agents.managers.trimming import can_begin
from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError
from towpath.local.running import here

LEAST_RATIO, MOST_RATIO = 0.1, 0.8

DEFAULT_SUMMARY_PROMPT = (
    "Summarize the conversation below for somebody who goes on with it: what was asked for, decisions, facts, what "
    "tools found, and what is still open. Write a list of points in the third person, and nothing else."
)


class SummarizingConversationManager(ConversationManager):
    """Has a model summarize the oldest messages where the conversation is longer than the model can read.

    The summary is a message of the user's in front of what is left. A model that is asked for it is asked as a durable
    act, without tools.

    Args:
        summary_ratio: Which part of the messages is summarized, from 0.1 to 0.8.
        preserve_recent_messages: How many of the newest messages are left as they are.
        summarization_agent: Who writes the summary; the agent's own model if not given.
        summarization_system_prompt: What that model is told, in place of our words.
        proactive_compression: See `ConversationManager`.

    Raises:
        ConfigurationError: If both an agent and a system prompt are given.
    """

    @check_arguments
    def __init__(
        self,
        summary_ratio: float = 0.3,
        preserve_recent_messages: int = 10,
        summarization_agent: Any = None,
        summarization_system_prompt: str | None = None,
        *,
        proactive_compression: bool | Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(proactive_compression=proactive_compression)
        if summarization_agent is not None and summarization_system_prompt is not None:
            raise ConfigurationError(
                "SummarizingConversationManager takes summarization_agent or summarization_system_prompt, not both"
            )
        self.summary_ratio = min(MOST_RATIO, max(LEAST_RATIO, summary_ratio))
        self.preserve_recent_messages = preserve_recent_messages
        self.summarization_agent = summarization_agent
        self.summarization_system_prompt = summarization_system_prompt
        self._summary: DictMessage | None = None

    def apply_management(self, agent: Any) -> None:
        """Do nothing: it acts only where a model cannot read the conversation."""

    async def reduce_context(self, agent: Any, error: Exception | None = None) -> None:
        """Put a summary in the place of the oldest messages.

        Raises:
            ContextOverflowError: If too few messages are old enough; `error`, where it is given.
            ModelError: If the model that was to write the summary failed.
        """
        messages: list[DictMessage] = agent.messages
        count = self._count(messages)
        if count is None:
            raise cannot_shorten(error)
        text = await self._written(agent, messages[:count])
        self.removed_message_count += count - (self._summary is not None)
        self._summary = {"role": "user", "content": [{"text": text}]}
        messages[:] = [self._summary, *messages[count:]]

    def get_state(self) -> dict[str, Any]:
        """Return what a session keeps of it."""
        return {**super().get_state(), "summary_message": self._summary}

    def restore_from_session(self, state: Mapping[str, Any]) -> list[DictMessage]:
        """Take in what `get_state` gave, and return the summary, if there is one."""
        super().restore_from_session(state)
        self._summary = state.get("summary_message")
        return [] if self._summary is None else [self._summary]

    def reset(self) -> None:
        """Forget the conversation that it has kept."""
        super().reset()
        self._summary = None

    def _count(self, messages: Sequence[DictMessage]) -> int | None:
        """Tell how many messages to summarize, so that no call is parted from its results; more than a summary."""
        wanted = max(1, int(len(messages) * self.summary_ratio))
        count = min(wanted, len(messages) - self.preserve_recent_messages)
        if count < 1:
            return None
        least = 1 if self._summary is None else 2
        places = range(max(count, least), len(messages))
        return next((place for place in places if can_begin(messages, place)), None)

    async def _written(self, agent: Any, messages: Sequence[DictMessage]) -> str:
        transcript = "\n".join(map(_line, messages))
        if self.summarization_agent is not None:
            result = await self.summarization_agent.run(f"{DEFAULT_SUMMARY_PROMPT}\n\n{transcript}")
            return result.output
        system = self.summarization_system_prompt or DEFAULT_SUMMARY_PROMPT
        answer = await here().llm.generate(transcript, system=system, model=agent.model)
        return answer.text


def _line(message: DictMessage) -> str:
    return f"{message['role']}: {'; '.join(_words(message['content']))}"


def _words(blocks: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for block in blocks:
        match block:
            case {"text": str() as text}:
                yield text
            case {"toolUse": {"name": name, **use}}:
                yield f"calls {name} with {to_json(use.get('input')).decode()}"
            case {"toolResult": {"content": content}}:
                yield f"result: {' '.join(_words(content))}"
            case {"json": value}:
                yield to_json(value).decode()
            case {"image": _}:
                yield "[an image]"
            case _:
                pass
