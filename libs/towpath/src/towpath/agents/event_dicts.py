"""The events of an agent as dicts, by the keys that `stream_async` and callback handlers know."""

from collections.abc import Iterator
from typing import Any

from towpath.agents.events import Event

EventDict = dict[str, Any]


class DictProjection:
    """Writes the events of one invocation as dicts, in their order.

    Args:
        invocation_state: What the caller gave along; events of pieces carry it.
    """

    def __init__(self, invocation_state: dict[str, Any]) -> None:
        self._state = invocation_state
        self._block: str | None = None
        """Of the provider's content block that is open: the id of its tool call, or "text" or "reasoning"."""

    def of(self, event: Event) -> Iterator[EventDict]:
        """Write one event: as no dict, one or several."""
        match event.type:
            case "init":
                yield {"init_event_loop": True, **self._state}
            case "cycle":
                yield from self._cycle()
            case "response.delta":
                yield from self._piece("text", {"text": event.content}, {"data": event.content})
            case "thinking":
                yield from self._thought(event)
            case "signature":
                yield from self._signature(event)
            case "citation":
                yield from self._piece("text", {"citation": event.detail}, {"citation": event.detail})
            case "tool_call.delta":
                yield from self._tool_piece(event)
            case "reply":
                yield from self._reply(event)
            case _:
                yield from _plain(event)

    def _cycle(self) -> Iterator[EventDict]:
        yield {"start": True}
        yield {"start_event_loop": True}
        yield {"event": {"messageStart": {"role": "assistant"}}}

    def _piece(self, block: str, delta: dict[str, Any], said: EventDict) -> Iterator[EventDict]:
        yield from self._open(block, {})
        yield {"event": {"contentBlockDelta": {"delta": delta}}}
        yield {**self._state, **said, "delta": delta}

    def _thought(self, event: Event) -> Iterator[EventDict]:
        delta = {"reasoningContent": {"text": event.content}}
        yield from self._piece("reasoning", delta, {"reasoningText": event.content, "reasoning": True})

    def _signature(self, event: Event) -> Iterator[EventDict]:
        if event.detail:
            data = event.content.encode()
            delta, said = {"redactedContent": data}, {"reasoningRedactedContent": data}
        else:
            delta, said = {"signature": event.content}, {"reasoning_signature": event.content}
        yield from self._piece("reasoning", {"reasoningContent": delta}, {**said, "reasoning": True})

    def _tool_piece(self, event: Event) -> Iterator[EventDict]:
        use = event.detail
        begin = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        yield from self._open(use["toolUseId"], begin)
        delta = {"toolUse": {"input": event.content}}
        yield {"event": {"contentBlockDelta": {"delta": delta}}}
        yield {"type": "tool_use_stream", "delta": delta, "current_tool_use": use}

    def _reply(self, event: Event) -> Iterator[EventDict]:
        usage, stop_reason = event.detail
        yield from self._close()
        yield {"event": {"messageStop": {"stopReason": stop_reason}}}
        yield {"event": {"metadata": {"usage": usage}}}
        if event.content:
            yield {"data": "", "complete": True}

    def _open(self, block: str, start: dict[str, Any]) -> Iterator[EventDict]:
        if self._block == block:
            return
        yield from self._close()
        self._block = block
        yield {"event": {"contentBlockStart": {"start": start}}}

    def _close(self) -> Iterator[EventDict]:
        if self._block is not None:
            self._block = None
            yield {"event": {"contentBlockStop": {}}}


def _plain(event: Event) -> Iterator[EventDict]:
    """Write an event of which one dict tells everything; what only `stream` tells is left out."""
    match event.type:
        case "message":
            yield {"message": event.detail}
        case "tool_stream":
            yield {
                "type": "tool_stream",
                "tool_stream_event": {"tool_use": event.detail, "data": event.result},
            }
        case "tool_cancelled":
            yield {"tool_cancel_event": {"tool_use": event.detail, "message": event.content}}
        case "tool_interrupted":
            yield {"tool_interrupt_event": {"tool_use": event.detail, "interrupts": event.result}}
        case "structured_output":
            yield {"structured_output": event.result}
        case "throttled":
            yield {"event_loop_throttled_delay": event.detail}
        case "error":
            yield {"force_stop": True, "force_stop_reason": str(event.error)}
        case "result":
            yield {"result": event.result}
        case _:
            pass
