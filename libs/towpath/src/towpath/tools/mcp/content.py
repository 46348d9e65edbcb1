"""What an MCP server says of a tool call, as a tool's result; and the other way round."""

from base64 import b64encode
from typing import Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from towpath.errors import ComponentError
from towpath.tools.results import ToolResult
from towpath_schemas.failure import Failure


def result_of(said: CallToolResult) -> Any:
    """Read what a server answered: an object where it gives one, text where it is only that, else blocks.

    Raises:
        ComponentError: If it says that the tool failed.
    """
    blocks = [_block(one) for one in said.content]
    texts = [block["text"] for block in blocks if "text" in block]
    text = "\n".join(texts)
    if said.is_error:
        raise ComponentError(
            Failure(code="user_error", message=text or "the MCP server says no more than that it failed")
        )
    if len(texts) < len(blocks):
        return {"status": "success", "content": blocks}
    structured = said.structured_content
    return text if structured is None or set(structured) == {"result"} else structured


def _block(content: ContentBlock) -> dict[str, Any]:
    match content:
        case TextContent():
            return {"text": content.text}
        case ImageContent():
            kind = content.mime_type.partition("/")[2]
            return {"image": {"format": kind, "source": {"bytes": content.data}}}
        case AudioContent():
            return {"text": f"[audio, {content.mime_type}: not shown]"}
        case ResourceLink():
            return {"text": f"[{content.name}]({content.uri})"}
        case EmbeddedResource():
            return {"text": _resource_text(content.resource)}


def _resource_text(resource: TextResourceContents | BlobResourceContents) -> str:
    if isinstance(resource, TextResourceContents):
        return resource.text
    return f"[{resource.uri}, {resource.mime_type or 'bytes'}: not shown]"


def said_of(result: ToolResult) -> CallToolResult:
    """Write a tool's result as a server answers it."""
    content: list[ContentBlock] = [_content(part) for part in result["content"]]
    return CallToolResult(content=content, is_error=result["status"] == "error")


def _content(part: dict[str, Any]) -> ContentBlock:
    match part:
        case {"text": str() as text}:
            return TextContent(type="text", text=text)
        case {"image": {"format": str() as kind, "source": {"bytes": bytes() as data}}}:
            return ImageContent(type="image", data=b64encode(data).decode(), mime_type=f"image/{kind}")
        case _:
            kinds = " and ".join(part)
            return TextContent(type="text", text=f"[{kinds}: not shown]")
