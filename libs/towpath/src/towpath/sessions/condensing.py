"""What a model does to a history: it says what is important, or writes a summary; each is one act of the run."""

from collections.abc import Iterable, Sequence

from towpath.context import Context
from towpath.models.port import LanguageModel
from towpath.sessions.events import Said, SessionMessage

Model = str | LanguageModel | None

_IMPORTANT = (
    "Below is a conversation, one message a line, each with its number. Say which messages somebody must know to go on "
    "with it: decisions, facts, wishes, promises, and what is still open. Answer with the list of their numbers."
)
_SUMMARY = (
    "Summarize the conversation below for somebody who goes on with it: decisions, facts, wishes, promises, and what is "
    "still open. Answer with the summary alone."
)


async def important(context: Context, messages: Sequence[SessionMessage], model: Model) -> list[int]:
    """Ask a model which messages are important, and return their numbers."""
    answer = await context.llm.generate(
        _transcript(messages), system=_IMPORTANT, model=model, schema=list[int], temperature=0
    )
    numbers: list[int] = answer.object
    return numbers


async def summary(context: Context, messages: Sequence[SessionMessage], model: Model) -> Said:
    """Have a model write what stands in the place of messages."""
    answer = await context.llm.generate(_transcript(messages), system=_SUMMARY, model=model, temperature=0)
    text = f"Summary of the conversation so far: {answer.text}"
    return Said(role="system", content=text, metadata={"summarizes": len(messages)})


def _transcript(messages: Iterable[SessionMessage]) -> str:
    return "\n".join(f"{message.number}. {message.role}: {_words(message)}" for message in messages)


def _words(message: SessionMessage) -> str:
    calls = [f"calls {call.name} with {call.arguments}" for call in message.tool_calls]
    return "; ".join([*([message.content] if message.content else []), *calls])
