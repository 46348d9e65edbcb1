"""Keeps dead letters: of one message one letter of each consumer, whole, however large it is.

Of a message that only names its payload the letter has what it says, and names the payload as well.

A letter is created at its own place or not at all. So a message that is given up again, because nobody could tell
the broker the first time, leaves no second letter.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeGuard, cast

import orjson
import structlog
from pydantic import ValidationError

from towpath_chassis.errors import FencedError, PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_outline
from towpath_chassis.messages import Expect, StoredMessage
from towpath_chassis.payloads import is_by_reference, named, outline_of
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.dead import DeadLetter, Original
from towpath_schemas.journal import read_record
from towpath_schemas.streams import DEAD, Stream

log = structlog.get_logger(__name__)

_REASON_CHARS = 2_000
_RUN_ID_CHARS = 128


class Unhandled(NamedTuple):
    """A message that is given up, and where it stands; `published_at` is in seconds since 1970."""

    stream: str
    consumer: str
    subject: str
    sequence: int
    published_at: float
    headers: Mapping[str, str] | None
    body: bytes

    @classmethod
    def stored(cls, stream: Stream, consumer: str, message: StoredMessage) -> "Unhandled":
        """Make it of a message as it was read from its stream."""
        at = datetime.fromisoformat(message.at).timestamp()
        return cls(
            stream.name, consumer, message.subject, message.sequence, at, message.headers, message.body
        )


async def bury(js: JetStream, message: Unhandled, *, reason: str, attempts: int) -> int:
    """Keep a letter about a message, unless there is one; return its place.

    Raises:
        BrokerError: If it could not be kept; then nobody may let go of the message.
    """
    return await keep_letter(js, _letter(message, reason, attempts, await _attribution(js, message)))


async def keep_letter(js: JetStream, letter: DeadLetter) -> int:
    """Keep a letter, unless it is there; return its place.

    Raises:
        BrokerError: If it could not be kept.
    """
    place = subjects.dead_letter(letter.stream, letter.consumer, letter.letter_id)
    try:
        kept = await js.publish(place, letter.to_body(), expect=Expect(0))
    except FencedError:  # it is there
        there = await js.last(DEAD, place, whole=False)
        return there.sequence if there else 0
    log.warning("a message was given up", subject=letter.subject, reason=letter.reason)
    return kept.sequence


def _letter(message: Unhandled, reason: str, attempts: int, attribution: Attribution | None) -> DeadLetter:
    original = Original.of(message.headers, message.body)
    place = (message.stream, message.consumer, message.sequence, message.published_at)
    return DeadLetter(
        letter_id=identity.letter_id(*place),
        stream=message.stream,
        consumer=message.consumer,
        reason=shortened(reason),
        attempts=attempts,
        at=time.time(),
        published_at=message.published_at,
        subject=message.subject,
        sequence=message.sequence,
        attribution=attribution,
        **dict(original),
    )


def shortened(reason: str) -> str:
    """Write a reason as text of bearable length: it may quote what was wrong, which may be large."""
    text = reason.encode(errors="replace").decode()
    return text if len(text) <= _REASON_CHARS else f"{text[:_REASON_CHARS]}... ({len(text):,} characters)"


# --- On whose behalf --------------------------------------------------------------------------------


async def _attribution(js: JetStream, message: Unhandled) -> Attribution | None:
    """Tell on whose behalf a message is: its subject says so, or it does itself, or the run that it belongs to.

    Raises:
        BrokerError: If that could not be asked.
    """
    said = await said_by(js, message)
    claimed = said.get("attribution")
    tenant = subjects.tenant_of(message.subject)
    if tenant is not None:
        return _attributed({**_known(claimed), "tenant": tenant}) or _attributed({"tenant": tenant})
    run_id = subjects.run_of(message.subject) or said.get("run_id")
    return _attributed(_known(claimed)) or await _of_run(js, run_id)


async def said_by(js: JetStream, message: Unhandled) -> dict[str, Any]:
    """Read what a message says, as far as that can be read: of one whose payload is lost, all but its large values.

    Raises:
        BrokerError: If the broker could not be asked.
    """
    return _read(await _whole(js, message))


async def _whole(js: JetStream, message: Unhandled) -> bytes:
    if not is_by_reference(message.headers):
        return message.body
    with suppress(PayloadLostError):  # that may be why it is given up
        return await js.payloads.fetch(named(message.body))
    with suppress(PayloadLostError):
        outline = outline_of(message.body)
        return outline.body if outline else b""
    return b""


async def _of_run(js: JetStream, run_id: object) -> Attribution | None:
    if not is_run_id(run_id):
        return None
    with suppress(ValidationError, PayloadLostError):
        first = await newest_outline(js, subjects.journal_entry(run_id, 0))
        return getattr(read_record(first.body), "attribution", None) if first else None
    return None


def is_run_id(found: object) -> TypeGuard[str]:
    """Tell whether a run may have this id, so that a subject may be made with it."""
    return isinstance(found, str) and 0 < len(found) <= _RUN_ID_CHARS and subjects.token(found) == found


def _read(body: bytes) -> dict[str, Any]:
    with suppress(orjson.JSONDecodeError):
        said = orjson.loads(body)
        return _known(said)
    return {}


def _known(said: object) -> dict[str, Any]:
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _attributed(said: dict[str, Any]) -> Attribution | None:
    """Read an attribution; None where it is none, or of a tenant that could ask for nothing."""
    with suppress(ValidationError):
        attribution = Attribution.model_validate(said)
        return attribution if len(subjects.token(attribution.tenant)) <= subjects.LONGEST_TOKEN else None
    return None
