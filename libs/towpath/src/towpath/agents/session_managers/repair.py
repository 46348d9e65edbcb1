"""Makes a history whole that was cut off somewhere: each call of a tool has a result, each result a call."""

from collections.abc import Mapping, Sequence
from typing import Any

from towpath.agents.content import DictMessage

INTERRUPTED = "Tool was interrupted."


def repaired(messages: Sequence[DictMessage]) -> list[DictMessage]:
    """Return a history in which calls and results belong together.

    Results that nobody asked for are left out; calls that nobody answered are answered with an error, except those
    of the last message, which may still be.
    """
    whole: list[DictMessage] = []
    open_calls: list[str] = []
    for message in messages:
        kept, missing = _answering(message, open_calls)
        if missing and not _has_results(kept):
            whole.append({"role": "user", "content": missing})
        elif missing:
            kept = [*missing, *kept]
        if kept:
            whole.append(message if kept == message["content"] else {**message, "content": kept})
        open_calls = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
    return whole


def _answering(message: DictMessage, calls: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Return what stays of a message that comes after `calls`, and the results that it lacks."""
    blocks: list[Mapping[str, Any]] = message["content"]
    kept = [block for block in blocks if "toolResult" not in block or _answered(block) in calls]
    answered = {_answered(block) for block in kept if "toolResult" in block}
    return kept, [_interrupted(call) for call in calls if call not in answered]


def _answered(block: Mapping[str, Any]) -> str:
    return block["toolResult"]["toolUseId"]


def _has_results(blocks: Sequence[Mapping[str, Any]]) -> bool:
    return any("toolResult" in block for block in blocks)


def _interrupted(call: str) -> dict[str, Any]:
    content = [{"text": INTERRUPTED}]
    return {"toolResult": {"toolUseId": call, "status": "error", "content": content}}
