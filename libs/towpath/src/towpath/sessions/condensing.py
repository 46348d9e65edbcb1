"""What a model does to a history: it says what is important, or writes a summary.

It is told the history page by page, however long that is; each page is an act of the run, in order.
"""

from collections.abc import Iterable, Iterator, Sequence

from towpath.context import Context
from towpath.models.port import LanguageModel
from towpath.sessions.events import Said, SessionMessage

Model = str | LanguageModel | None

_PAGE = 100_000
"""Characters that a model reads at once: some 25,000 tokens of English, and of no language more tokens than a model that
reads 128,000 has room for, with the summary so far and its answer."""

_IMPORTANT = (
    "Below is a conversation, one message a line, each with its number. Say which messages somebody must know to go on "
    "with it: decisions, facts, wishes, promises, and what is still open. Answer with the list of their numbers."
)
_SUMMARY = (
    "Summarize the conversation below for somebody who goes on with it: decisions, facts, wishes, promises, and what is "
    "still open. Answer with the summary alone."
)
_GOES_ON = "Summary of what came before, which goes into yours: {so_far}\n\nThe conversation goes on:\n{page}"


async def important(context: Context, messages: Sequence[SessionMessage], model: Model) -> list[int]:
    """Ask a model which messages are important, and return their numbers."""
    numbers: list[int] = []
    for page in _pages(messages):
        answer = await context.llm.generate(
            page, system=_IMPORTANT, model=model, schema=list[int], temperature=0
        )
        numbers += answer.object
    return numbers


async def summary(context: Context, messages: Sequence[SessionMessage], model: Model) -> Said:
    """Have a model write what stands in the place of messages; of each page, with the summary of those before it."""
    so_far = ""
    for page in _pages(messages):
        told = _GOES_ON.format(so_far=so_far, page=page) if so_far else page
        so_far = (await context.llm.generate(told, system=_SUMMARY, model=model, temperature=0)).text
    text = f"Summary of the conversation so far: {so_far}"
    return Said(role="system", content=text, metadata={"summarizes": len(messages)})


def _pages(messages: Iterable[SessionMessage]) -> Iterator[str]:
    """Write what a model is told, in pages that it can read."""
    page: list[str] = []
    size = 0
    for line in _lines(messages):
        if page and size + len(line) > _PAGE:
            yield "\n".join(page)
            page, size = [], 0
        page.append(line)
        size += len(line) + 1
    yield "\n".join(page)


def _lines(messages: Iterable[SessionMessage]) -> Iterator[str]:
    """Write a line for each message: of one that is longer than a page several, each of which says whose it is."""
    for message in messages:
        start, words = f"{message.number}. {message.role}: ", _words(message)
        room = _PAGE - len(start)
        for begin in range(0, max(1, len(words)), room):
            yield start + words[begin : begin + room]


def _words(message: SessionMessage) -> str:
    calls = [f"calls {call.name} with {call.arguments}" for call in message.tool_calls]
    return "; ".join([*([message.content] if message.content else []), *calls])
