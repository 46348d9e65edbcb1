"""Claims a run, and reads its journal: what whoever writes a run's records has to do with the broker.

Only one can create a claim, and each record names the claim it was written under: with a newer one, the broker
refuses it.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from operator import itemgetter
from typing import NamedTuple

from pydantic import ValidationError

from towpath_chassis.errors import AlreadyWrittenError, FencedError, PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, StoredMessage
from towpath_chassis.payloads import is_by_reference, outline_of
from towpath_schemas import subjects
from towpath_schemas.journal import Claimed, JournalRecord, read_record
from towpath_schemas.streams import JOURNAL

Entry = tuple[int, JournalRecord]
"""A record and its number, from 0."""
ENDING = "router/"
"""How claimants are named that take a run only to write its end, without its code."""
FORGETTING = "forgetting"
"""The claimant of a run that is forgotten: its claim stays for as long as the note of it."""


class Claim(NamedTuple):
    """Who took a run, as which one.

    Attributes:
        epoch: Counted from 1.
        fence: Its sequence in the journal.
    """

    run_id: str
    epoch: int
    fence: int
    claimant: str

    @property
    def expect(self) -> Expect:
        """The condition of each record that is written under it: no newer claim exists."""
        return Expect(self.fence, subjects.claims_of(self.run_id))

    @property
    def ends(self) -> bool:
        """Whether it was made to write the run's end without its code."""
        return self.claimant.startswith(ENDING)

    @property
    def forgets(self) -> bool:
        """Whether it was made to keep everybody off a run that is forgotten."""
        return self.claimant == FORGETTING


async def newest_claim(js: JetStream, run_id: str) -> Claim | None:
    """Read the newest claim of a run; None if nobody has claimed it.

    Raises:
        UnconfirmedError: If the broker could not be asked.
    """
    found = await js.last(JOURNAL, subjects.claims_of(run_id))
    if found is None:
        return None
    claimant = Claimed.from_body(found.body).runner
    return Claim(run_id, subjects.read_claim(found.subject)[1], found.sequence, claimant)


async def first_claimed_at(js: JetStream, run_id: str) -> float | None:
    """Tell when a run was claimed for the first time, in seconds since 1970; None if nobody has claimed it.

    Raises:
        UnconfirmedError: If the broker could not be asked.
    """
    found = await js.last(JOURNAL, subjects.claim(run_id, 1))
    return Claimed.from_body(found.body).at if found else None


async def claim(js: JetStream, run_id: str, claimant: str, *, epoch: int, kept_s: int | None = None) -> Claim:
    """Become the owner of a run for `epoch`, which only one can; for the first, only where there is no claim at all.

    Args:
        js: The broker.
        run_id: The run.
        claimant: Who takes it.
        epoch: As which one, from 1.
        kept_s: Seconds for which the claim stands; None for as long as the run.

    Raises:
        FencedError: If the epoch is taken.
        UnconfirmedError: If that is not known.
    """
    body = Claimed(runner=claimant, at=time.time()).to_body()
    untaken = Expect(0, subjects.claims_of(run_id) if epoch == 1 else None)
    try:
        stored = await js.publish(subjects.claim(run_id, epoch), body, expect=untaken, kept_s=kept_s)
    except AlreadyWrittenError as error:
        raise FencedError(str(error)) from error
    return Claim(run_id, epoch, stored.sequence, claimant)


async def read_journal(js: JetStream, run_id: str, *, after: int = -1) -> list[Entry]:
    """Read all entries of a run, in the order of their places: in that order their writer learned them.

    One that is large may be stored after others that have later places.

    Args:
        js: The broker.
        run_id: The run.
        after: None up to this place is needed; some may come all the same.

    Raises:
        PayloadLostError: If what an entry names is lost.
        UnconfirmedError: If the broker could not be asked.
    """
    entries: list[Entry] = []
    async for number, entry in _stored(js, run_id, after=after):
        try:
            entries.append((number, read_record((await js.whole_stored(entry)).body)))
        except PayloadLostError as error:
            raise PayloadLostError(f"entry {number} of run {run_id} cannot be read: {error}") from error
    return sorted(entries, key=itemgetter(0))


async def salvage_journal(js: JetStream, run_id: str) -> list[Entry]:
    """Do what `read_journal` does as far as that goes: where large values are lost, an entry comes without them.

    Raises:
        UnconfirmedError: If the broker could not be asked.
    """
    entries: list[Entry] = []
    async for number, entry in _stored(js, run_id):
        with suppress(PayloadLostError, ValidationError):
            entries.append((number, read_record((await _salvaged(js, entry)).body)))
    return sorted(entries, key=itemgetter(0))


async def _salvaged(js: JetStream, entry: StoredMessage) -> StoredMessage:
    try:
        return await js.whole_stored(entry)
    except PayloadLostError:
        return await outlined(js, entry)


async def newest_outline(js: JetStream, subject: str) -> StoredMessage | None:
    """Read the newest entry whose subject matches, without large values; None where there is none.

    Raises:
        PayloadLostError: If it says nothing without them, and they are lost.
        UnconfirmedError: If the broker could not be asked.
    """
    found = await js.last(JOURNAL, subject, whole=False)
    return await outlined(js, found) if found else None


async def outlined(js: JetStream, entry: StoredMessage) -> StoredMessage:
    """Take large values out of an entry that was read as it stands; where that cannot be, it comes whole.

    Raises:
        PayloadLostError: If that cannot be, and they are lost.
        UnconfirmedError: If the broker could not be asked.
    """
    outline = outline_of(entry.body) if is_by_reference(entry.headers) else None
    return await js.whole_stored(entry) if outline is None else entry._replace(body=outline.body)


async def _stored(
    js: JetStream, run_id: str, *, after: int = -1
) -> AsyncGenerator[tuple[int, StoredMessage]]:
    chunk = subjects.chunk_of(after + 1)
    while stored := await js.newest_of_each(JOURNAL, subjects.journal_chunk(run_id, chunk), whole=False):
        for entry in stored:
            yield subjects.read_journal_entry(entry.subject)[1], entry
        chunk += 1
