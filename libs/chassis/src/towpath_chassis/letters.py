"""Reads dead letters, and tells which of them were redriven."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from towpath_chassis.errors import PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_chassis.payloads import is_by_reference, named, outline_of, without_reference
from towpath_schemas import identity, subjects
from towpath_schemas.dead import DeadLetter, LetterFilter, Original
from towpath_schemas.journal import LetterRedriven, read_record
from towpath_schemas.streams import DEAD, JOURNAL, REQUESTS, runner_consumer

_PAGE = 64
_WINDOW = 512
_ASKED_AT_ONCE = 500


class Letter(NamedTuple):
    """A letter and its place, which is how people name it: its sequence in DEAD."""

    place: int
    letter: DeadLetter


async def letter_at(js: JetStream, place: int) -> DeadLetter | None:
    """Read the letter at a place, whole, with what its message names; None where there is none.

    Where what the message names is lost, the letter only names it too.

    Raises:
        BrokerError: If the broker could not be asked.
    """
    try:
        found = await js.at(DEAD, place) if place > 0 else None
    except PayloadLostError:  # its time is over, and the payload is a moment older than the letter
        return None
    letter = _read(found.body) if found else None
    return letter and await _with_payload(js, letter)


async def place_of_run(js: JetStream, run_id: str, service: str) -> int | None:
    """Tell the place of the letter that a function's run of a service has left; None where there is none any more.

    Raises:
        BrokerError: If the broker could not be asked.
    """
    letter_id = identity.letter_of_run_id(run_id)
    kept = await js.last(
        DEAD, subjects.dead_letter(REQUESTS.name, runner_consumer(service), letter_id), whole=False
    )
    return kept.sequence if kept else None


async def letters(
    js: JetStream, only: LetterFilter, *, after: int = 0, through: int | None = None
) -> AsyncGenerator[list[Letter]]:
    """Read the letters that are meant, page by page in the order in which they were kept, large ones without bodies.

    Args:
        js: The connection.
        only: Which are meant.
        after: None at this place or before it.
        through: None behind this place; those that come while this reads are left out in any case.

    Raises:
        BrokerError: If the broker could not be asked.
    """
    first, last = await _bounds(js, only)
    end = last if through is None else min(last, through)
    async for page in _between(js, only, max(first, after + 1), end):
        yield page


async def newest_letters(js: JetStream, only: LetterFilter) -> AsyncGenerator[list[Letter]]:
    """Read the letters that are meant, page by page, the newest first, large ones without bodies.

    Raises:
        BrokerError: If the broker could not be asked.
    """
    first, last = await _bounds(js, only)
    for end in range(last, first - 1, -_WINDOW):
        found = [one async for page in _between(js, only, max(first, end - _WINDOW + 1), end) for one in page]
        if found:
            yield found[::-1]


async def redriven(js: JetStream, found: Iterable[DeadLetter]) -> dict[str, LetterRedriven]:
    """Tell, by their ids, which letters were redriven, when and for whom.

    Raises:
        BrokerError: If the broker could not be asked.
    """
    places = [subjects.journal_entry(identity.redrive_id(one.letter_id), 0) for one in found]
    records: dict[str, LetterRedriven] = {}
    for start in range(0, len(places), _ASKED_AT_ONCE):
        for stored in await js.newest_of_each(JOURNAL, *places[start : start + _ASKED_AT_ONCE]):
            record = read_record(stored.body)
            if isinstance(record, LetterRedriven):
                records[record.letter_id] = record
    return records


def _pattern(only: LetterFilter) -> str:
    return subjects.EVERY_LETTER if only.stream is None else subjects.dead_in(only.stream)


async def _bounds(js: JetStream, only: LetterFilter) -> tuple[int, int]:
    """Tell the first and the last place at which a letter that is meant may be."""
    state = (await js.api(f"STREAM.INFO.{DEAD.name}"))["state"]
    first, last = int(state["first_seq"]), int(state["last_seq"])
    if only.since is None:
        return max(first, 1), last
    at = datetime.fromtimestamp(only.since, UTC).isoformat().replace("+00:00", "Z")
    found = await js.first_since(DEAD, _pattern(only), at)
    return (last + 1 if found is None else found.sequence), last


async def _between(js: JetStream, only: LetterFilter, start: int, end: int) -> AsyncGenerator[list[Letter]]:
    pattern = _pattern(only)
    while start <= end and (page := await js.following(DEAD, pattern, start=start, limit=_PAGE, whole=False)):
        found = (Letter(one.sequence, letter) for one in page if (letter := _outlined(one)) is not None)
        yield [one for one in found if one.place <= end and only.fits(one.letter)]
        start = page[-1].sequence + 1


async def _with_payload(js: JetStream, letter: DeadLetter) -> DeadLetter:
    if not is_by_reference(letter.headers):
        return letter
    try:
        body = await js.payloads.fetch(named(letter.raw))
    except PayloadLostError:
        return letter
    return letter.model_copy(update=dict(Original.of(without_reference(letter.headers), body)))


def _outlined(stored: StoredMessage) -> DeadLetter | None:
    """Read a letter, one that is large without what makes it so."""
    if not is_by_reference(stored.headers):
        return _read(stored.body)
    with suppress(PayloadLostError):
        outline = outline_of(stored.body)
        return _read(outline.body) if outline else None
    return None


def _read(body: bytes) -> DeadLetter | None:
    with suppress(ValidationError):
        return DeadLetter.from_body(body)
    return None
