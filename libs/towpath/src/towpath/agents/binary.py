"""Bytes in JSON: what a conversation holds of images and documents, as files and snapshots keep it."""

import base64
from typing import Any, cast

_MARK = "__bytes_encoded__"


def encoded(value: Any) -> Any:
    """Return a copy of `value` in which bytes are `{"__bytes_encoded__": true, "data": <base64>}`."""
    match value:
        case bytes():
            return {_MARK: True, "data": base64.b64encode(value).decode()}
        case dict():
            return {key: encoded(item) for key, item in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [encoded(item) for item in cast("list[Any]", value)]
        case _:
            return value


def decoded(value: Any) -> Any:
    """Return a copy of what `encoded` gave as it was before."""
    match value:
        case {"__bytes_encoded__": True, "data": str() as data}:
            return base64.b64decode(data)
        case dict():
            return {key: decoded(item) for key, item in cast("dict[str, Any]", value).items()}
        case list():
            return [decoded(item) for item in cast("list[Any]", value)]
        case _:
            return value
