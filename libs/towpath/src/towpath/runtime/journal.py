"""Writes a run's journal to the broker, under a claim of `towpath_chassis.journal`.

The broker fences: an append names the claim it was made under and is refused once a newer claim exists;
each entry can be written once. Whoever lost is told so by `ClaimLostError`.
"""

import asyncio

from towpath.engine.ports import ClaimLostError
from towpath_chassis.errors import AlreadyWrittenError, FencedError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import Claim
from towpath_chassis.messages import StoredMessage
from towpath_schemas import subjects
from towpath_schemas.streams import JOURNAL

_AGAIN_AFTER_S = 0.05


class Journal:
    """The journal of one run, under one claim."""

    def __init__(self, js: JetStream, claim: Claim) -> None:
        self._js = js
        self.run_id = claim.run_id
        self.epoch = claim.epoch
        self._expect = claim.expect

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
                if await self._was_written(subject, body):
                    return
                raise ClaimLostError(self.run_id) from error
            except UnconfirmedError:
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                return

    async def are_ours(self) -> bool:
        """Tell whether no newer claim exists, however long the broker is away."""
        newest = await _until_answered(self._js, subjects.claims_of(self.run_id))
        return newest is not None and newest.sequence == self._expect.sequence

    async def _was_written(self, subject: str, body: bytes) -> bool:
        stored = await _until_answered(self._js, subject)
        return stored is not None and stored.body == body


async def _until_answered(js: JetStream, subject: str) -> StoredMessage | None:
    while True:
        try:
            return await js.last(JOURNAL, subject)
        except UnconfirmedError:
            await asyncio.sleep(_AGAIN_AFTER_S)
