"""How many tokens a request may be at the most, as its size says: no provider is asked."""

from towpath.models.port import Message, ModelRequest

_BYTES_PER_TOKEN = 2
"""Text has three to four bytes a token, and what has the least, such as base64, a little more than two."""
_AROUND = 16
"""Tokens that stand around a message or a tool."""
_IMAGE = 2_048
"""Tokens of an image."""


def most_tokens(request: ModelRequest) -> int:
    """Return a number of tokens that a model will hardly read more than."""
    words = len(request.system.encode()) if request.system else 0
    words += sum(map(_message, request.messages))
    described = sum(len(tool.to_body()) for tool in request.tools)
    images = sum(len(message.images) for message in request.messages)
    around = _AROUND * (len(request.messages) + len(request.tools) + 1)
    return (words + described) // _BYTES_PER_TOKEN + _IMAGE * images + around


def _message(message: Message) -> int:
    calls = sum(len(call.to_body()) for call in message.tool_calls)
    return len(message.content.encode()) + len(message.reasoning.encode()) + calls
