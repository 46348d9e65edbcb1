"""Reads requests: what came, whose it is, what it asks for; and says why one is not taken."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import ValidationError

from towpath_chassis.messages import StoredMessage
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.envelope import header_value
from towpath_schemas.failure import Failure, FailureCode
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large
from towpath_schemas.requests import Requested
from towpath_schemas.shape import problems
from towpath_schemas.subjects import RequestAddress

_ID_HEADERS = ("ce-id", "Nats-Msg-Id")
_ID_CHARS = 512
_QUOTED_CHARS = 2_000

RequestedT = TypeVar("RequestedT", bound=Requested)


@dataclass(frozen=True, slots=True)
class Request:
    """A request event as it came.

    Attributes:
        own_id: Its id as the sender gave it, else one that stays the same when it is delivered again.
        at: When the broker got it, in seconds since 1970: the same when it is delivered again.
        sequence: Its place in the stream.
    """

    subject: str
    headers: Mapping[str, str]
    body: bytes
    own_id: str
    at: float
    sequence: int

    @classmethod
    def received(
        cls, subject: str, headers: Mapping[str, str] | None, body: bytes, *, sequence: int, at: datetime
    ) -> "Request":
        """Make a request of a message that was delivered; its place and time stand for an id where it has none."""
        given = (header_value(headers, name) for name in _ID_HEADERS)
        own_id = next((one for one in given if one), f"at:{sequence}:{at.isoformat()}")
        short = own_id if len(own_id) <= _ID_CHARS else identity.derived_id("long", own_id)
        return cls(subject, headers or {}, body, short, at.timestamp(), sequence)

    @classmethod
    def stored(cls, message: StoredMessage) -> "Request":
        """Make the same request of a message as it stands in the stream."""
        at = _as_delivered(message.at)
        return cls.received(message.subject, message.headers, message.body, sequence=message.sequence, at=at)

    @property
    def traceparent(self) -> str | None:
        """The trace that its sender wants it to be part of."""
        given = header_value(self.headers, "traceparent")
        return given if given is not None and len(given) <= _ID_CHARS else None


@dataclass(frozen=True, slots=True)
class Asked(Generic[RequestedT]):
    """A request that was read.

    Attributes:
        said: Its body.
        by: On whose behalf it is, within the tenant that its subject proves.
        traceparent: The trace that what it causes is part of.
    """

    request: Request
    address: RequestAddress
    said: RequestedT
    by: Attribution
    traceparent: str | None

    @property
    def own_id(self) -> str:
        """The request's id."""
        return self.request.own_id

    @property
    def at(self) -> float:
        """When the broker got it, in seconds since 1970."""
        return self.request.at

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.address.tenant

    @property
    def target(self) -> str:
        """What it is about: a component, a run, an approval."""
        return self.address.target


class RefusedError(Exception):
    """A request is not taken.

    Attributes:
        failure: Why.
    """

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(code=code, message=cut(message))


def read_address(subject: str) -> RequestAddress:
    """Read whose request it is, and what for.

    Raises:
        RefusedError: If the subject does not say so.
    """
    try:
        address = subjects.read_request(subject)
        Attribution.vouched(address.tenant, None)
    except ValidationError as error:
        raise RefusedError("malformed", f"the subject names no tenant: {problems(error)}") from error
    except ValueError as error:
        raise RefusedError("malformed", f"the subject names no tenant: {error}") from error
    if len(subjects.token(address.tenant)) > subjects.LONGEST_TOKEN:
        message = f"the tenant takes more than {subjects.LONGEST_TOKEN:,} characters of a subject"
        raise RefusedError("malformed", message)
    return address


def read_body(
    request: Request, address: RequestAddress, shape: type[RequestedT], traceparent: str | None
) -> Asked[RequestedT]:
    """Read what a request asks for.

    Raises:
        RefusedError: If it is too large, or not what `shape` says.
    """
    if len(request.body) > MAX_PAYLOAD_BYTES:
        excess = too_large("the request", len(request.body))
        raise RefusedError(excess.code, excess.message)
    said = _read(request.body, shape)
    if said.reply_to is not None and subjects.is_ours(said.reply_to):
        raise RefusedError(
            "malformed", f"reply_to is {said.reply_to!r}, the platform's own; name an inbox of yours"
        )
    return Asked(request, address, said, Attribution.vouched(address.tenant, said.attribution), traceparent)


def read_reply_to(body: bytes) -> str | None:
    """Read where the sender of a request that is none wants to be told so; None where that cannot be read either."""
    try:
        wished = Requested.model_validate({"reply_to": json.loads(body)["reply_to"]}).reply_to
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return None if wished is None or subjects.is_ours(wished) else wished


def check_tenant(request: Request, address: RequestAddress) -> None:
    """See that a request does not claim what nobody vouches for.

    Raises:
        RefusedError: If it names another tenant than its subject does.
    """
    claimed = header_value(request.headers, "ce-tenant")
    if claimed is not None and claimed != address.tenant:
        raise RefusedError(
            "forged_attribution",
            f"header ce-tenant says {claimed!r}, the subject {address.tenant!r}; leave the header out",
        )


def _read(body: bytes, shape: type[RequestedT]) -> RequestedT:
    try:
        return shape.from_body(body)
    except ValidationError as error:
        message = (
            f"the body is not a request of this kind ({problems(error)}); send a {shape.__name__} as JSON"
        )
        raise RefusedError("malformed", message) from error


def _as_delivered(at: str) -> datetime:
    """Read when a message was stored as a delivery tells it: from nanoseconds, which no `datetime` has."""
    seconds, _, fraction = at.removesuffix("Z").partition(".")
    whole = int(datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp())
    return datetime.fromtimestamp((whole * 10**9 + int(fraction.ljust(9, "0"))) / 1e9, UTC)


def cut(text: str) -> str:
    """Shorten what a requester may have made as long as a message."""
    return text if len(text) <= _QUOTED_CHARS else f"{text[:_QUOTED_CHARS]}... ({len(text):,} characters)"
