"""Ends runs whose journal names what is lost: nobody can replay them, and nobody shall try for ever."""

import time
from typing import Any

from towpath.engine.history import History
from towpath.runtime.closing import conclude
from towpath.runtime.journal import Journal
from towpath_chassis.delivery import GiveUp
from towpath_chassis.errors import PayloadLostError
from towpath_chassis.journal import salvage_journal
from towpath_chassis.service import Chassis
from towpath_schemas.failure import Failure
from towpath_schemas.journal import RunFinished


async def end_lost(chassis: Chassis[Any], journal: Journal, lost: PayloadLostError) -> None:
    """End a claimed run as failed, and do what is left to do about it; one that has ended stays as it ended.

    Raises:
        GiveUp: If not even the run's first entry can be read.
        ClaimLostError: If a newer claim exists.
    """
    history = History(await salvage_journal(chassis.js, journal.run_id))
    if history.started is None:
        raise GiveUp(str(lost)) from lost
    if history.finished is None:
        failure = Failure(code="payload_missing", message=str(lost))
        ended = RunFinished(
            at=time.time(), end="failed", failure=failure, attempts=history.attempt_of_function
        )
        number = history.take_number()
        await journal.append(number, ended.to_body())
        history.add(number, ended)
    await conclude(chassis, journal.run_id, history, was_woken=True)
