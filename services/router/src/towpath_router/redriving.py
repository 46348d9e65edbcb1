"""Redrives dead letters: publishes their messages again, each once, and writes down who asked for it.

First the message is published, with an id by which the broker drops a repetition; then the journal says so, at a
place that is written once. Who finds that place taken does nothing. Whoever dies in between is made up for by the
next delivery of the request. The letter stays where it is.
"""

import re
import time
from collections.abc import Mapping
from contextlib import suppress

from towpath_chassis.errors import AlreadyWrittenError, FencedError, UnsendableError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import Letter, letter_at, letters, redriven
from towpath_chassis.messages import Expect
from towpath_router.requests import Asked, RefusedError
from towpath_schemas import identity, subjects
from towpath_schemas.dead import DeadLetter
from towpath_schemas.envelope import senders_headers
from towpath_schemas.journal import LetterRedriven
from towpath_schemas.requests import RedriveRequested, RequestDone
from towpath_schemas.streams import DEAD, REDRIVEN

VERB = "redrive"
EVERY = "all"
_AGAIN = {stream.name: stream for stream in REDRIVEN}
_KEPT_S = int(DEAD.max_age_s)
"""Seconds for which the journal knows that a letter was redriven: as long as there may be the letter."""
_PLACE = re.compile(r"[0-9]{1,18}")


class Redriving:
    """Redrives the letters of the tenant that asks."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def redrive(self, asked: Asked[RedriveRequested]) -> RequestDone:
        """Redrive what a request asks for; tell which letters those were.

        Raises:
            RefusedError: If it names no letter that can be redriven.
            BrokerError: If it could not be done to its end.
        """
        places = await self._all(asked) if asked.target == EVERY else await self._one(asked)
        return RequestDone(subject=asked.request.subject, targets=tuple(map(str, places)))

    async def _one(self, asked: Asked[RedriveRequested]) -> list[int]:
        place = int(asked.target) if _PLACE.fullmatch(asked.target) else 0
        letter = await letter_at(self._js, place)
        if letter is None or letter.tenant != asked.tenant:
            message = f"there is no dead letter {asked.target!r} of {asked.tenant!r}; name its place in DEAD, or all"
            raise RefusedError("unknown_letter", message)
        if (reason := _irrevocable(letter)) is not None:
            raise RefusedError("not_redrivable", reason)
        before = await redriven(self._js, [letter])
        try:
            return [place] if await self._redrive_once(asked, Letter(place, letter), before) else []
        except UnsendableError as error:
            raise RefusedError("not_redrivable", f"it cannot be published again: {error}") from error

    async def _all(self, asked: Asked[RedriveRequested]) -> list[int]:
        """Redrive in the order in which they were kept, up to the limit; what cannot be redriven is passed over."""
        said, done = asked.said, list[int]()
        async for page in letters(self._js, said.only, after=said.after, through=said.through):
            theirs = [
                one for one in page if one.letter.tenant == asked.tenant and not _irrevocable(one.letter)
            ]
            before = await redriven(self._js, [one.letter for one in theirs])
            for one in theirs:
                whole = await letter_at(self._js, one.place)
                with suppress(UnsendableError):
                    if whole and await self._redrive_once(asked, Letter(one.place, whole), before):
                        done.append(one.place)
                if len(done) == said.limit:
                    return done
        return done

    async def _redrive_once(
        self, asked: Asked[RedriveRequested], found: Letter, before: Mapping[str, LetterRedriven]
    ) -> bool:
        """Publish the message of a letter again, unless that was done; tell whether it was for this request.

        Raises:
            UnsendableError: If the broker takes no such message any more.
        """
        letter = found.letter
        if (done := before.get(letter.letter_id)) is not None:
            return done.correlation_id == asked.own_id
        headers, message_id = _headers(letter), f"redrive:{letter.letter_id}"
        await self._js.publish(letter.subject, letter.raw, headers=headers, message_id=message_id)
        record = LetterRedriven(
            at=time.time(),
            letter_id=letter.letter_id,
            place=found.place,
            stream=letter.stream,
            subject=letter.subject,
            attribution=asked.by,
            correlation_id=asked.own_id,
        )
        place = subjects.journal_entry(identity.redrive_id(letter.letter_id), 0)
        try:
            await self._js.publish(place, record.to_body(), expect=Expect(0), kept_s=_KEPT_S)
        except (FencedError, AlreadyWrittenError):  # at the same time, by another request or by this one
            done = (await redriven(self._js, [letter])).get(letter.letter_id)
            return done is not None and done.correlation_id == asked.own_id
        return True


def _asked_to_redrive(subject: str) -> bool:
    try:
        return subjects.read_request(subject).verb == VERB
    except ValueError:
        return False


def _headers(letter: DeadLetter) -> dict[str, str]:
    """Keep what its sender said; what was said to the broker is not said again, except by which id it is known."""
    said, own_id = senders_headers(letter.headers), letter.headers.get("Nats-Msg-Id")
    return {"ce-id": own_id, **said} if own_id else said


def _irrevocable(letter: DeadLetter) -> str | None:
    """Tell why a message cannot be published again; None where it can."""
    stream = _AGAIN.get(letter.stream)
    if stream is None:
        return f"a message of {letter.stream} tells what is so, and stays where it is; mend who reads it"
    if _asked_to_redrive(letter.subject):
        return "it asked for letters to be redriven itself; ask again"
    if not any(subjects.matches(pattern, letter.subject) for pattern in stream.subjects):
        return f"{letter.stream} keeps nothing of {letter.subject!r} any more"
    return None
