"""Messages as they come and as they stand in a stream, and what the broker says of a message it was sent."""

from typing import Any, NamedTuple

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from towpath_chassis.errors import (
    AlreadyWrittenError,
    FencedError,
    NotStoredError,
    UnconfirmedError,
    UnsendableError,
)

__all__ = ["Expect", "Message", "Stored", "StoredMessage", "Subscription"]

Message = Msg
"""A message as it came; services name the type by this, since only the chassis knows the client library."""

_FENCED = frozenset({10070, 10071, 10164})
_ALREADY_WRITTEN = 10077
_UNSENDABLE = frozenset({10054, 10097})
_BUSY = 503


class Stored(NamedTuple):
    """The broker's word that a message is stored, at `sequence` of its stream."""

    sequence: int
    duplicate: bool = False


class Expect(NamedTuple):
    """A condition of a publish: the newest message that matches `subject` has `sequence` (0: there is none).

    Without a `subject`, it is the message's own; with `stream_wide`, any message of the stream counts.
    """

    sequence: int
    subject: str | None = None
    stream_wide: bool = False

    def headers(self) -> dict[str, str]:
        """Write the condition as the broker reads it."""
        if self.stream_wide:
            return {"Nats-Expected-Last-Sequence": str(self.sequence)}
        written = {"Nats-Expected-Last-Subject-Sequence": str(self.sequence)}
        if self.subject is not None:
            written["Nats-Expected-Last-Subject-Sequence-Subject"] = self.subject
        return written


class Part(NamedTuple):
    """One of several messages that are stored together, all or none; `expect` is about what was there before."""

    subject: str
    body: bytes
    expect: Expect


class StoredMessage(NamedTuple):
    """A message as it stands in its stream; `at` is RFC 3339 as the broker stamped it."""

    subject: str
    sequence: int
    body: bytes
    headers: dict[str, str]
    at: str


def as_stored(delivery: Msg) -> StoredMessage:
    """Take what a consumer delivers as it stands in the stream."""
    place = delivery.metadata
    headers = dict(delivery.headers or {})
    return StoredMessage(
        delivery.subject, place.sequence.stream, delivery.data, headers, place.timestamp.isoformat()
    )


def conditions(
    headers: dict[str, str] | None,
    message_id: str | None,
    expect: Expect | None,
    kept_s: int | None,
) -> dict[str, str] | None:
    if message_id is None and expect is None and kept_s is None:
        return headers
    written = dict(headers) if headers else {}
    if message_id is not None:
        written["Nats-Msg-Id"] = message_id
    if expect is not None:
        written.update(expect.headers())
    if kept_s is not None:
        written["Nats-TTL"] = f"{kept_s}s"
    return written


def stored(answer: Msg) -> Stored:
    if not answer.data:
        raise UnconfirmedError("JetStream is not available")
    said: dict[str, Any] = orjson.loads(answer.data)
    refusal = said.get("error")
    if refusal is None:
        return Stored(said["seq"], said.get("duplicate", False))
    code, text = refusal.get("err_code", 0), refusal.get("description", "")
    if code in _FENCED:
        raise FencedError(text)
    if code == _ALREADY_WRITTEN:
        raise AlreadyWrittenError(text)
    if code in _UNSENDABLE:
        raise UnsendableError(text)
    if refusal.get("code") == _BUSY:
        raise UnconfirmedError(text)
    raise NotStoredError(f"{text} ({code})")


def status_of(answer: Msg) -> str | None:
    return answer.headers.get("Status") if answer.headers else None


def read_message(answer: Msg) -> StoredMessage:
    headers = dict(answer.headers or {})
    return StoredMessage(
        subject=headers.pop("Nats-Subject"),
        sequence=int(headers.pop("Nats-Sequence")),
        body=answer.data,
        at=headers.pop("Nats-Time-Stamp"),
        headers={name: value for name, value in headers.items() if name not in _DIRECT_GET_HEADERS},
    )


_DIRECT_GET_HEADERS = frozenset(
    {"Nats-Stream", "Nats-Num-Pending", "Nats-Last-Sequence", "Nats-UpTo-Sequence"}
)
