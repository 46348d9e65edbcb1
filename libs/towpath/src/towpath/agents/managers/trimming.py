"""Where a history can be cut so that what stays is one: it begins with a prompt, and calls stand with their results."""

from collections.abc import Sequence
from typing import NamedTuple

from towpath.agents.content import DictMessage


class Cut(NamedTuple):
    """A way to shorten a history.

    Attributes:
        at: Index of the first message that stays.
        prompt: Index of the prompt that the first message belongs to, where that is cut off: it stays in front.
    """

    at: int
    prompt: int | None = None

    @property
    def removed(self) -> int:
        """How many messages go."""
        return self.at - (self.prompt is not None)

    def of(self, messages: Sequence[DictMessage]) -> list[DictMessage]:
        """Return what stays."""
        front = [] if self.prompt is None else [messages[self.prompt]]
        return [*front, *messages[self.at :]]


def holds(message: DictMessage, kind: str) -> bool:
    """Tell whether a message has a block of this kind, such as `toolUse`."""
    return any(kind in block for block in message["content"])


def is_prompt(message: DictMessage) -> bool:
    """Tell whether a message is one that a user began a turn with."""
    return message["role"] == "user" and not holds(message, "toolResult")


def can_begin(messages: Sequence[DictMessage], index: int) -> bool:
    """Tell whether no call is parted from its results where a history is cut before `index`."""
    message = messages[index]
    if holds(message, "toolResult"):
        return False
    return not holds(message, "toolUse") or (
        index + 1 < len(messages) and holds(messages[index + 1], "toolResult")
    )


def cut(messages: Sequence[DictMessage], remove: int) -> Cut | None:
    """Find the first cut that takes away at least `remove` messages (1 or more).

    One before a prompt is best. Within the last turn its prompt stays, since a model must know what it works at.

    Returns:
        None where there is no such cut.
    """
    at_prompts = (Cut(at) for at in range(remove, len(messages)) if is_prompt(messages[at]))
    return next(at_prompts, None) or _cut_within_turn(messages, remove)


def _cut_within_turn(messages: Sequence[DictMessage], remove: int) -> Cut | None:
    """Find a cut where no prompt stands at or behind the first `remove` messages."""
    earlier = reversed(range(min(remove, len(messages))))
    prompt = next((index for index in earlier if is_prompt(messages[index])), None)
    cuts = (Cut(at, prompt) for at in range(remove, len(messages)) if can_begin(messages, at))
    return next((found for found in cuts if found.removed >= remove), None)
