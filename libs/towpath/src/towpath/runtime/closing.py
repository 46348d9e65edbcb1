"""Concludes a run that has ended: keeps its dead letter, tells whoever watches, and has the router do the rest.

The rest is to tell its parent, start its successor, clear up. Each part may be done twice without harm.
"""

from functools import partial
from typing import Any

from towpath.engine.closing import closed
from towpath.engine.history import History
from towpath.runtime.letters import keep_letter_of
from towpath.runtime.telling import tell_end
from towpath_chassis.insisting import until_answered
from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import Chassis
from towpath_schemas import subjects


async def conclude(chassis: Chassis[Any], run_id: str, history: History, *, was_woken: bool) -> None:
    """Do what is left to do about a run that has ended; one that has not is left alone.

    Args:
        chassis: What the process talks with.
        run_id: The run.
        history: What happened in it.
        was_woken: Whether somebody wanted it woken, so that something may be left in its inbox.
    """
    started, finished = history.started, history.finished
    if started is not None and finished is not None:
        letter = await keep_letter_of(chassis.js, run_id, started, finished)
        await tell_end(chassis, run_id, started, finished, letter=letter)
        await _report(chassis.js, run_id, history, was_woken=was_woken)


async def _report(js: JetStream, run_id: str, history: History, *, was_woken: bool) -> None:
    left = closed(run_id, history)
    if left is None:
        return
    owes = left.parent or left.children or left.successor or left.gates or left.places
    if not (owes or history.alarmed or was_woken):
        return
    subject = subjects.inbox(run_id, "closed", run_id)
    await until_answered(partial(js.publish, subject, left.to_body(), message_id=f"closed:{run_id}"))
