"""What a model is told of a tool call: its content, or what went wrong."""

from base64 import b64decode
from typing import Any, Literal, cast

from pydantic_core import to_json

from towpath.tools.calls import ToolOutcome
from towpath_schemas.failure import Failure

ToolResult = dict[str, Any]
"""`{"toolUseId": ..., "status": "success" | "error", "content": [{"text": ...} | {"json": ...} | {"image": ...}]}`."""


def tool_result(outcome: ToolOutcome) -> ToolResult:
    """Write what became of a call; a tool that gives `status` and `content` has written it itself."""
    if outcome.error is not None:
        return text_result(outcome.call_id, error_text(outcome.error), "error")
    match outcome.content:
        case {"status": "success" | "error" as status, "content": [*content]}:
            parts = [_decoded(part) for part in content]
            return {"toolUseId": outcome.call_id, "status": status, "content": parts}
        case str() as text:
            return text_result(outcome.call_id, text)
        case content:
            return text_result(outcome.call_id, to_json(content).decode())


def _decoded(part: Any) -> Any:
    """Decode the bytes of an image, which came through JSON as base64."""
    match part:
        case {"image": {"source": {"bytes": str() as data}, **said}}:
            image = cast("dict[str, Any]", said)
            return {"image": {**image, "source": {"bytes": b64decode(data)}}}
        case _:
            return part


def text_result(call_id: str, text: str, status: Literal["success", "error"] = "success") -> ToolResult:
    """Write a result that is one text."""
    return {"toolUseId": call_id, "status": status, "content": [{"text": text}]}


def error_text(failure: Failure) -> str:
    """Say what went wrong so that a model can do better."""
    if failure.code == "invalid_input":
        return f"Error: Validation failed for input parameters: {failure.message}"
    if failure.error_type in {None, "ValueError"}:
        return f"Error: {failure.message}"
    return f"Error: {failure.error_type} - {failure.message}"


def unknown_tool(call_id: str, name: str) -> ToolResult:
    """Say that there is no such tool."""
    return text_result(call_id, f"Unknown tool: {name}", "error")
