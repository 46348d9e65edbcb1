"""Claims a run, and reads its journal: what whoever writes a run's records has to do with the broker.

Only one can create a claim, and each record names the claim it was written under: with a newer one, the broker
refuses it.
"""

import time
from typing import NamedTuple

from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_schemas import subjects
from towpath_schemas.journal import Claimed, JournalRecord, read_record
from towpath_schemas.streams import JOURNAL

Entry = tuple[int, JournalRecord]
"""A record and its number, from 0."""


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


async def claim(js: JetStream, run_id: str, claimant: str, *, epoch: int) -> Claim:
    """Become the owner of a run for `epoch`, which only one can.

    Raises:
        FencedError: If the epoch is taken.
        UnconfirmedError: If that is not known.
    """
    body = Claimed(runner=claimant, at=time.time()).to_body()
    try:
        stored = await js.publish(subjects.claim(run_id, epoch), body, expect=Expect(0))
    except AlreadyWrittenError as error:
        raise FencedError(str(error)) from error
    return Claim(run_id, epoch, stored.sequence, claimant)


async def read_journal(js: JetStream, run_id: str) -> list[Entry]:
    """Read all entries of a run, in the order in which they were stored.

    Raises:
        UnconfirmedError: If the broker could not be asked.
    """
    entries: list[Entry] = []
    chunk = 0
    while stored := await js.newest_of_each(JOURNAL, subjects.journal_chunk(run_id, chunk)):
        entries += [
            (subjects.read_journal_entry(entry.subject)[1], read_record(entry.body)) for entry in stored
        ]
        chunk += 1
    return entries
