"""Spans of what an agent does, by OpenTelemetry's names for it; made only where somebody records spans.

An invocation is a span, in it each cycle is one, in it the model call and each tool call. What was said is no part of
them.
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from towpath.agents.result import AgentResult
from towpath.context import Context
from towpath.models.port import ModelReply
from towpath_schemas.telemetry import (
    AGENT_NAME,
    FINISH_REASON,
    INPUT_TOKENS,
    MODEL_NAME,
    OPERATION,
    OUTPUT_TOKENS,
    TOOL_CALL_ID,
    TOOL_NAME,
)
from towpath_schemas.usage import Usage

_API = "opentelemetry.trace"
_NOTHING: AbstractContextManager[Any] = nullcontext()


class Tracing:
    """The spans of one invocation.

    Args:
        context: In whose trace they are.
        attributes: Of each of them.
    """

    def __init__(self, context: Context, attributes: Mapping[str, Any]) -> None:
        self._context = context if _is_recorded() else None
        self._attributes = attributes

    def invocation(self, agent: str) -> AbstractContextManager[Any]:
        """Record an invocation."""
        return self._span(f"invoke_agent {agent}", {OPERATION: "invoke_agent", AGENT_NAME: agent})

    def cycle(self) -> AbstractContextManager[Any]:
        """Record one cycle: a model call, and what it asks for."""
        return self._span("execute_event_loop_cycle", {})

    def chat(self, model: str) -> AbstractContextManager[Any]:
        """Record a model call."""
        return self._span("chat", {OPERATION: "chat", MODEL_NAME: model})

    def tool(self, name: str, call_id: str) -> AbstractContextManager[Any]:
        """Record a tool call."""
        return self._span(
            f"execute_tool {name}", {OPERATION: "execute_tool", TOOL_NAME: name, TOOL_CALL_ID: call_id}
        )

    def _span(self, name: str, attributes: Mapping[str, Any]) -> AbstractContextManager[Any]:
        if self._context is None:
            return _NOTHING
        return self._context.trace_span().start(name, **{**self._attributes, **attributes})


def note_reply(span: Any, reply: ModelReply) -> None:
    """Write into the span of a model call, if there is one, how it ended."""
    if span is not None:
        span.set_attribute(FINISH_REASON, reply.stop_reason)
        _note_usage(span, reply.usage)


def note_result(span: Any, result: AgentResult) -> None:
    """Write into the span of an invocation, if there is one, how it ended."""
    if span is not None:
        span.set_attribute(FINISH_REASON, result.stop_reason)
        _note_usage(span, result.usage)


def _note_usage(span: Any, usage: Usage) -> None:
    span.set_attribute(INPUT_TOKENS, usage.input_tokens)
    span.set_attribute(OUTPUT_TOKENS, usage.output_tokens)


def _is_recorded() -> bool:
    """Tell whether spans go anywhere: somebody has loaded OpenTelemetry, and said where to."""
    api: Any = sys.modules.get(_API)
    return api is not None and not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)
