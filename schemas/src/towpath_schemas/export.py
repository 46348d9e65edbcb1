"""Writes the contracts for other languages: a JSON Schema for each event type, and one AsyncAPI document."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from towpath_schemas.catalogue import EVENT_TYPES, EventType
from towpath_schemas.streams import STREAMS

_PLACEHOLDER = re.compile(r"{(\w+)}")


def documents() -> dict[str, dict[str, Any]]:
    """Build every document, by its path below `schemas/`."""
    schemas = {f"json/{event.name}.json": json_schema(event) for event in EVENT_TYPES}
    return {**schemas, "asyncapi.json": asyncapi()}


def json_schema(event: EventType) -> dict[str, Any]:
    """Build the JSON Schema of one event's body."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{event.name.replace('.', ':')}",
        **event.shape.model_json_schema(mode="validation"),
    }


def asyncapi() -> dict[str, Any]:
    """Build the AsyncAPI 3.0 document: a channel for each subject pattern, an operation for each event."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Towpath events",
            "version": "1",
            "description": "CloudEvents 1.0 (binary mode) over NATS JetStream. Streams: "
            + " ".join(f"{stream.name}: {stream.purpose}" for stream in STREAMS),
        },
        "defaultContentType": "application/json",
        "channels": {_channel_id(subject): _channel(subject) for subject in _subjects()},
        "operations": {f"send-{event.shape.__name__}": _operation(event) for event in _distinct()},
        "components": {"messages": {event.name: _message(event) for event in EVENT_TYPES}},
    }


def _subjects() -> list[str]:
    return sorted({event.subject for event in EVENT_TYPES})


def _distinct() -> list[EventType]:
    return list({event.name: event for event in EVENT_TYPES}.values())


def _channel_id(subject: str) -> str:
    return _PLACEHOLDER.sub(r"\1", subject).replace(".", "-")


def _channel(subject: str) -> dict[str, Any]:
    events = [event for event in EVENT_TYPES if event.subject == subject]
    return {
        "address": subject,
        "parameters": {name: {} for name in _PLACEHOLDER.findall(subject)},
        "messages": {event.name: {"$ref": f"#/components/messages/{event.name}"} for event in events},
    }


def _operation(event: EventType) -> dict[str, Any]:
    channel = f"#/channels/{_channel_id(event.subject)}"
    return {
        "action": "send",
        "summary": f"{event.sender} -> {event.receiver}",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{event.name}"}],
        "tags": [{"name": "public" if event.public else "internal"}],
    }


def _message(event: EventType) -> dict[str, Any]:
    return {
        "name": event.name,
        "summary": (event.shape.__doc__ or "").strip().splitlines()[0],
        "payload": {"$ref": f"json/{event.name}.json"},
    }


def write(folder: Path) -> None:
    """Write all documents below `folder` and remove schemas of events that no longer exist."""
    written = documents()
    for stale in (folder / "json").glob("*.json"):
        if f"json/{stale.name}" not in written:
            stale.unlink()
    for path, document in written.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(as_text(document))


def as_text(document: dict[str, Any]) -> str:
    """Write a document as it is committed."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
