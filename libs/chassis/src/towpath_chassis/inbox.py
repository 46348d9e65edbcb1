"""Brings an event to a run: to whoever holds the run in memory, else into its inbox. Nothing is lost in between.

A holder says "taken" only once the event is in the run's journal, so one of the two places always has it.
"""

from pydantic import ValidationError

from towpath_chassis.errors import NoResponderError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.calls import Answered, Taken

RESULT = "result"
_TAKEN_WITHIN_S = 2.0


async def bring(js: JetStream, answered: Answered) -> None:
    """Bring an answer to its run.

    Raises:
        UnconfirmedError: If the broker could not be reached; bring it again.
    """
    body = answered.to_body()
    if not await taken_live(js, answered.run_id, body):
        subject = subjects.inbox(answered.run_id, RESULT, answered.answer_id)
        await js.publish(subject, body, message_id=answered.answer_id)


async def taken_live(js: JetStream, run_id: str, body: bytes) -> bool:
    """Offer an event to whoever holds the run; tell whether it is in the journal now."""
    try:
        answer = await js.request(subjects.live(run_id), body, within_s=_TAKEN_WITHIN_S)
        return Taken.from_body(answer.data).taken
    except (NoResponderError, UnconfirmedError, ValidationError):
        return False
