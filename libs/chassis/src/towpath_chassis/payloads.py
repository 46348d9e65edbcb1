"""Keeps bodies that are too large for a message, in pieces, and puts them together again.

A payload is stored before the message that names it, under the digest of what it is. So a crash in between leaves
nothing but pieces that nobody names: whoever sends the same again finds them, else they age, or are purged with their
run. Whoever reads a payload checks its digest.

A codec for what is stored belongs in `keep` and `fetch`, and nowhere else.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import orjson
from pydantic import ValidationError
from pydantic_core import from_json

from towpath_chassis.digests import canonical
from towpath_chassis.errors import PayloadLostError, UnsendableError
from towpath_chassis.messages import Stored, StoredMessage
from towpath_schemas import subjects
from towpath_schemas.envelope import PAYLOAD_HEADER
from towpath_schemas.payloads import MAX_MESSAGE_BYTES, MAX_WRAPPED_BYTES, LeftOut, PayloadStored, too_large
from towpath_schemas.shape import problems
from towpath_schemas.streams import PAYLOADS

_AT_ONCE = 4
_LOOKS = 3
_LOOK_AGAIN_S = 0.1
_SOON = {"Nats-TTL": "1h"}
_FOR_EVER = {"Nats-TTL": "never"}
_LASTING = ("journal.v1.", "entity-log.v1.", "timers.v1.", "catalogue.v1.", "editions.v1.")
_LEFT_OUT_FROM_BYTES = 4 * 1024
_OUTLINED = ("journal.v1.", "dead.v1.", "tools.v1.", "entities.v1.", "children.v1.", "inbox.v1.")
_LARGE_FIELDS = frozenset({"input", "result", "payload", "value", "body", "headers", "arguments"})
"""What makes such a message large; each may be absent in its shape."""

Headers = Mapping[str, str]


class Put(Protocol):
    """Stores one message; see `JetStream.publish`."""

    async def __call__(
        self, subject: str, body: bytes, *, headers: dict[str, str] | None, message_id: str
    ) -> Stored:
        """Store it."""
        ...


Read = Callable[..., Awaitable[list[StoredMessage]]]
"""Reads the newest message of each subject; see `JetStream.newest_of_each`."""


class Outline(NamedTuple):
    """A body without its large values, and the digests of those by the names of their fields."""

    body: bytes
    left_out: Mapping[str, LeftOut]


class Payloads:
    """The payloads, as one connection reaches them."""

    def __init__(self, put: Put, read: Read) -> None:
        self._put = put
        self._read = read

    async def checked_in(
        self, subject: str, body: bytes, headers: Headers | None, *, lasting: bool
    ) -> tuple[bytes, dict[str, str]]:
        """Store the body of a message, and return what travels in its place.

        Args:
            subject: Where the message goes, which says whose the payload is.
            body: The body.
            headers: The message's headers.
            lasting: Whether a stream keeps the message; else it is only under way, and its payload for an hour.

        Raises:
            UnsendableError: If it is larger than any payload may be.
            NotStoredError: If the broker refuses it.
            UnconfirmedError: If it could not be stored; send the message again.
        """
        if len(body) > MAX_WRAPPED_BYTES:
            raise UnsendableError(
                too_large(f"the message to {subject}", len(body), limit=MAX_WRAPPED_BYTES).message
            )
        stored = await self.keep(subject, body, _age(subject, lasting=lasting))
        if subject.startswith(_OUTLINED):
            stored = _outlined(stored, body)
        return stored.to_body(), {**(headers or {}), PAYLOAD_HEADER: "stored"}

    async def keep(self, subject: str, body: bytes, age: dict[str, str] | None) -> PayloadStored:
        """Store a payload; storing it again changes nothing but how long it is kept."""
        owner, digest = subjects.payload_owner(subject), hashlib.sha256(body).hexdigest()
        pieces = range(-(-len(body) // MAX_MESSAGE_BYTES))
        for some in _batches(pieces):
            putting = (self._put_piece(owner, digest, body, number, age) for number in some)
            await asyncio.gather(*putting)
        return PayloadStored(owner=owner, sha256=digest, size=len(body), pieces=len(pieces))

    async def _put_piece(
        self, owner: str, digest: str, body: bytes, number: int, age: dict[str, str] | None
    ) -> None:
        place = subjects.payload_piece(owner, digest, number)
        piece = body[number * MAX_MESSAGE_BYTES : (number + 1) * MAX_MESSAGE_BYTES]
        await self._put(place, piece, headers=age, message_id=place)

    async def fetch(self, stored: PayloadStored) -> bytes:
        """Read a payload.

        Raises:
            PayloadLostError: If it is not there, or not what was stored.
            UnconfirmedError: If the broker could not be asked.
        """
        if stored.size > MAX_WRAPPED_BYTES or stored.pieces > stored.size:
            raise PayloadLostError(
                f"payload {stored.sha256} is said to have {stored.size:,} bytes, which none has"
            )
        found: list[bytes] = []
        for some in _batches(range(stored.pieces)):
            found += await self._pieces(stored, some)
        body = b"".join(found)
        if hashlib.sha256(body).hexdigest() != stored.sha256:
            raise PayloadLostError(
                f"payload {stored.sha256} is damaged: what is kept of it has another digest"
            )
        return body

    async def _pieces(self, stored: PayloadStored, numbers: range) -> list[bytes]:
        places = [subjects.payload_piece(stored.owner, stored.sha256, number) for number in numbers]
        for look in range(_LOOKS):  # a replica of the broker may lag behind
            if look:
                await asyncio.sleep(_LOOK_AGAIN_S)
            found = {piece.subject: piece.body for piece in await self._read(PAYLOADS, *places)}
            if len(found) == len(places):
                return [found[place] for place in places]
        raise PayloadLostError(f"payload {stored.sha256} of {stored.size:,} bytes is missing")


def is_by_reference(headers: Headers | None) -> bool:
    """Tell whether a message's body only names its payload."""
    return headers is not None and PAYLOAD_HEADER in headers


def size_whole(message: StoredMessage) -> int:
    """Tell how many bytes the body of a message has, whole."""
    with suppress(PayloadLostError):
        if is_by_reference(message.headers):
            return named(message.body).size
    return len(message.body)


def named(body: bytes) -> PayloadStored:
    """Read which payload a message names.

    Raises:
        PayloadLostError: If it names none.
    """
    try:
        return PayloadStored.from_body(body)
    except ValidationError as error:
        raise PayloadLostError(
            f"header {PAYLOAD_HEADER} says that the body names a payload; it does not: {problems(error)}"
        ) from error


def without_reference(headers: Headers | None) -> dict[str, str]:
    """Write the headers of a message whose body is whole again."""
    return {name: value for name, value in (headers or {}).items() if name != PAYLOAD_HEADER}


def outline_of(body: bytes) -> Outline | None:
    """Read, of a message that names its payload, what it says without it; None where it says too little.

    Raises:
        PayloadLostError: If it names none.
    """
    stored = named(body)
    return None if stored.outline is None else Outline(orjson.dumps(stored.outline), stored.left_out)


def _age(subject: str, *, lasting: bool) -> dict[str, str] | None:
    """Tell how long a payload is kept: at least as long as the message that names it."""
    if subject.startswith(_LASTING):
        return _FOR_EVER
    kept_long = lasting and not subject.startswith("output.v1.")
    return None if kept_long or subject.startswith("live.v1.") else _SOON


def _outlined(stored: PayloadStored, body: bytes) -> PayloadStored:
    """Say what the body says without its large values; whoever needs only that need not read the payload."""
    try:
        said: dict[str, Any] = from_json(body)
        large = {name: canonical(said[name]) for name in _LARGE_FIELDS & said.keys()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return stored  # it is no object, or none that can be written again
    left_out = {
        name: LeftOut(sha256=hashlib.sha256(value).hexdigest(), size=len(value))
        for name, value in large.items()
        if len(value) > _LEFT_OUT_FROM_BYTES
    }
    outline = {name: value for name, value in said.items() if name not in left_out}
    told = stored.model_copy(update={"outline": outline, "left_out": left_out})
    return told if len(told.to_body()) <= MAX_MESSAGE_BYTES else stored


def _batches(numbers: range) -> Iterable[range]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))
