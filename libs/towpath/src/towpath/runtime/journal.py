"""A run's journal on the broker: claim it, append to it under the claim, read it.

The broker fences: an append names the claim it was made under and is refused once a newer claim exists;
each entry can be written once. Whoever lost is told so by `ClaimLostError`.
"""

import asyncio
import time

from towpath.engine.ports import ClaimLostError
from towpath_chassis.errors import AlreadyWrittenError, FencedError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, StoredMessage
from towpath_schemas import subjects
from towpath_schemas.journal import Claimed, JournalRecord, read_record
from towpath_schemas.streams import JOURNAL

_AGAIN_AFTER_S = 0.05


class Journal:
    """The journal of one run, under one claim."""

    def __init__(self, js: JetStream, run_id: str, *, epoch: int, fence: int) -> None:
        self._js = js
        self.run_id = run_id
        self.epoch = epoch
        self._expect = Expect(fence, subjects.claims_of(run_id))

    async def append(self, number: int, body: bytes) -> None:
        """Write one entry, a record's body, however long the broker is away.

        Raises:
            ClaimLostError: If a newer claim exists.
        """
        subject = subjects.journal_entry(self.run_id, number)
        while True:
            try:
                await self._js.publish(subject, body, expect=self._expect)
            except FencedError as error:
                raise ClaimLostError(self.run_id) from error
            except AlreadyWrittenError as error:
                if await self._is_ours(subject, body):
                    return
                raise ClaimLostError(self.run_id) from error
            except UnconfirmedError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return

    async def _is_ours(self, subject: str, body: bytes) -> bool:
        stored = await _until_answered(self._js, subject)
        return stored is not None and stored.body == body


async def _until_answered(js: JetStream, subject: str) -> StoredMessage | None:
    while True:
        try:
            return await js.last(JOURNAL, subject)
        except UnconfirmedError:
            await asyncio.sleep(_AGAIN_AFTER_S)


async def claim(js: JetStream, run_id: str, runner: str, *, epoch: int) -> Journal:
    """Become the owner of a run for `epoch`, which only one can; `runner` is the claiming process.

    Raises:
        ClaimLostError: If the epoch is taken.
    """
    body = Claimed(runner=runner, at=time.time()).to_body()
    try:
        stored = await js.publish(subjects.claim(run_id, epoch), body, expect=Expect(0))
    except (FencedError, AlreadyWrittenError) as error:
        raise ClaimLostError(run_id) from error
    return Journal(js, run_id, epoch=epoch, fence=stored.sequence)


async def newest_epoch(js: JetStream, run_id: str) -> int:
    """Read the newest epoch of a run; 0 if nobody has claimed it."""
    newest = await js.last(JOURNAL, subjects.claims_of(run_id))
    return subjects.read_claim(newest.subject)[1] if newest else 0


async def read_journal(js: JetStream, run_id: str) -> list[tuple[int, JournalRecord]]:
    """Read all entries of a run, in the order in which they were stored."""
    entries: list[tuple[int, JournalRecord]] = []
    chunk = 0
    while stored := await js.newest_of_each(JOURNAL, subjects.journal_chunk(run_id, chunk)):
        entries += [
            (subjects.read_journal_entry(entry.subject)[1], read_record(entry.body)) for entry in stored
        ]
        chunk += 1
    return entries
