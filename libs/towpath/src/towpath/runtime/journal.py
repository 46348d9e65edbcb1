"""Writes a run's journal to the broker, under a claim of `towpath_chassis.journal`.

The broker fences: an append names the claim it was made under and is refused once a newer claim exists;
each entry can be written once. Whoever lost is told so by `ClaimLostError`.
"""

from functools import partial

from towpath.engine.ports import ClaimLostError
from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.insisting import until_answered
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import Claim
from towpath_chassis.messages import StoredMessage
from towpath_schemas import subjects
from towpath_schemas.streams import JOURNAL


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
        try:
            await until_answered(partial(self._js.publish, subject, body, expect=self._expect))
        except FencedError as error:
            raise ClaimLostError(self.run_id) from error
        except AlreadyWrittenError as error:
            if not await self._was_written(subject, body):
                raise ClaimLostError(self.run_id) from error

    async def are_ours(self) -> bool:
        """Tell whether no newer claim exists, however long the broker is away."""
        newest = await self._newest(subjects.claims_of(self.run_id))
        return newest is not None and newest.sequence == self._expect.sequence

    async def _was_written(self, subject: str, body: bytes) -> bool:
        stored = await self._newest(subject)
        return stored is not None and stored.body == body

    async def _newest(self, subject: str) -> StoredMessage | None:
        return await until_answered(partial(self._js.last, JOURNAL, subject))
