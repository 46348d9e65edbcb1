"""Brings an event to a run: to whoever holds the run in memory, else into its inbox. Nothing is lost in between.

A holder says "taken" only once the event is in the run's journal, so one of the two places always has it.
"""

from pydantic import ValidationError

from towpath_chassis.errors import NoResponderError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, Stored
from towpath_schemas import subjects
from towpath_schemas.calls import RunEvent, Taken, event_id_of
from towpath_schemas.identity import derived_id

RESULT = "result"
SIGNAL = "signal"
CONTROL = "control"
CLOSED = "closed"
"""Kind of what says that the run has ended; for the router."""
FOLLOWER = "follower"
"""Kind of what says that the run stands for another, too; for the router."""
GATE = "gate"
"""Kind of what says that a gate is to be looked at; for the router."""
START = "start"
"""Kind of what says that the time of a delayed start has come; for the router."""

_KINDS = {"answer": RESULT, "signal": SIGNAL, "control": CONTROL}
_TAKEN_WITHIN_S = 2.0
_LONGEST_ID = 256


async def bring(js: JetStream, event: RunEvent) -> None:
    """Bring an event to its run.

    Raises:
        UnconfirmedError: If the broker could not be reached; bring it again.
    """
    if not await taken_live(js, event.run_id, event.to_body()):
        await keep(js, event)


async def keep(js: JetStream, event: RunEvent, *, expect: Expect | None = None) -> Stored:
    """Put an event into its run's inbox, from where the router brings it to the run.

    Its place there is its message id, too: one signal may go to many runs.

    Raises:
        FencedError: If `expect` does not hold.
        UnconfirmedError: If the broker could not be reached; keep it again.
    """
    place = place_of(event)
    return await js.publish(place, event.to_body(), message_id=place, expect=expect)


def place_of(event: RunEvent) -> str:
    """Tell where an event waits for its run; a long id, which a sender may have chosen, is written as a digest."""
    event_id = event_id_of(event)
    fits = len(subjects.token(event_id)) <= _LONGEST_ID
    written = event_id if fits else derived_id("event", event_id)
    return subjects.inbox(event.run_id, _KINDS[event.kind], written)


async def taken_live(js: JetStream, run_id: str, body: bytes) -> bool:
    """Offer an event to whoever holds the run; tell whether it is in the journal now."""
    return await offered(js, run_id, body) is True


async def offered(js: JetStream, run_id: str, body: bytes) -> bool | None:
    """Offer an event to whoever holds the run; tell whether it is in the journal now, None where it may come to be."""
    try:
        answer = await js.request(subjects.live(run_id), body, within_s=_TAKEN_WITHIN_S)
        return Taken.from_body(answer.data).taken
    except (NoResponderError, ValidationError):
        return False
    except UnconfirmedError:
        return None
