"""The streams of a platform: replays one, to look at what happened again or to feed what came too late."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from towpath.errors import InvalidInputError, UnavailableError
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.replaying import Span, replayed
from towpath_schemas import subjects
from towpath_schemas.streams import STREAMS, Stream

_NAME = re.compile(r"[^\s.*>/\\]{1,255}")
_SUBJECT = re.compile(r"[^\s.*>]+(?:\.[^\s.*>]+)*")
_PATTERN = re.compile(r"(?:(?:\*|[^\s.*>]+)\.)*(?:\*|>|[^\s.*>]+)")
_LONGEST = 2_000
"""Bytes of a subject; the broker takes lines of 4,096 bytes, in which more stands beside it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was replayed: how many messages, and the sequences of the first and the last; 0 where there were none."""

    count: int = 0
    first: int = 0
    last: int = 0


class Streams:
    """The streams of the broker; made by a client, as `client.streams`."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def replay(
        self,
        stream: str,
        *,
        into: str,
        from_sequence: int = 1,
        since: datetime | None = None,
        subject: str = ">",
        limit: int | None = None,
    ) -> Replayed:
        """Publish what a stream has again, in its order, on a subject of yours, up to what it has now.

        Each message keeps its body and its sender's headers, and says in `Towpath-Stream`, `Towpath-Sequence`,
        `Towpath-Subject` and `Towpath-Time` where it stands. Nothing is taken out of the stream.

        Args:
            stream: Any stream of the broker, by its name.
            into: A subject that is not the platform's own; where a stream keeps it, each message is stored once.
            from_sequence: The first sequence that is meant.
            since: Only messages that were stored at this time or later.
            subject: Only messages published there; a subject, or a pattern as the broker has them.
            limit: How many at the most.

        Raises:
            InvalidInputError: If there is no such stream, or nothing can be published to `into`.
            UnavailableError: If the broker does not answer; the message says where to go on.
        """
        _refuse(into, subject)
        done = Replayed()
        try:
            chosen = await self._stream(stream)
            span = await self._span(chosen, subject, from_sequence, since)
            async for page in replayed(self._js, chosen, span, into, limit=limit):
                done = Replayed(done.count + len(page), done.first or page[0], page[-1])
        except BrokerError as error:
            remedy = f"; it is replayed through {done.last}, go on from {done.last + 1}" if done.last else ""
            raise UnavailableError(f"stream {stream} cannot be replayed now: {error}{remedy}") from error
        return done

    async def _stream(self, name: str) -> Stream:
        info = await self._js.info(f"STREAM.INFO.{name}") if _NAME.fullmatch(name) else None
        if info is None:
            known = ", ".join(stream.name for stream in STREAMS)
            raise InvalidInputError(f"there is no stream {name!r}; Towpath's are {known}")
        if not info["config"].get("allow_direct"):
            raise InvalidInputError(f"stream {name!r} lets nobody read directly; set its allow_direct")
        return Stream(name=name, subjects=(), purpose="")

    async def _span(self, stream: Stream, subject: str, start: int, since: datetime | None) -> Span:
        end = await self._js.last_sequence(stream)
        if since is not None:
            at = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
            first = await self._js.first_since(stream, subject, at)
            start = max(start, first.sequence if first else end + 1)
        return Span(subject, max(start, 1), end)


def _refuse(into: str, subject: str) -> None:
    """Refuse what nothing can be published to, or what would act again."""
    for named in (into, subject):
        size = len(named.encode(errors="replace"))
        if size > _LONGEST:
            raise InvalidInputError(
                f"a subject of {size:,} bytes is longer than the broker takes; the limit is {_LONGEST:,}"
            )
    if _SUBJECT.fullmatch(into) is None:
        raise InvalidInputError(
            f"nothing can be published to {into!r}; name one subject, such as replay.audit"
        )
    if subjects.is_ours(into):
        raise InvalidInputError(
            f"{into!r} is the platform's own, where a replay would act again; name a subject of yours, or redrive "
            "dead letters instead"
        )
    if _PATTERN.fullmatch(subject) is None:
        raise InvalidInputError(
            f"{subject!r} is no subject and no pattern; write one such as audit.v1.acme.>"
        )
