"""Has the router do what is left to do when a run has ended: tell its parent, start its successor, clear up."""

import asyncio

from towpath.engine.closing import closed
from towpath.engine.history import History
from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects

_AGAIN_AFTER_S = 0.2


async def close(js: JetStream, run_id: str, history: History, *, was_suspended: bool) -> None:
    """Report the end of a run, if anything is left to do; reporting it twice is harmless."""
    left = closed(run_id, history)
    if left is None:
        return
    owes = left.parent or left.children or left.successor or left.gates or left.places
    if not (owes or history.alarmed or was_suspended):
        return
    while True:
        try:
            subject = subjects.inbox(run_id, "closed", run_id)
            await js.publish(subject, left.to_body(), message_id=f"closed:{run_id}")
        except UnconfirmedError:
            await asyncio.sleep(_AGAIN_AFTER_S)
        else:
            return
