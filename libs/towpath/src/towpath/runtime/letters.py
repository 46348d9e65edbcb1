"""Keeps the dead letter of a function's run that failed for good: about the request that it began with.

That request was done when the run was made, and is in no stream any more. So it is written anew, from the run's first
entry: redriving it starts another run, on behalf of the same, with the same input. How this one ended stays. Where
JSON in JSON makes the letter of a very large input too large, there is none.
"""

import asyncio
import time

import structlog

from towpath_chassis.burying import keep_letter, shortened
from towpath_chassis.errors import BrokerError, UnsendableError
from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.dead import DeadLetter, Original
from towpath_schemas.journal import RunFinished, RunStarted
from towpath_schemas.requests import StartRequested
from towpath_schemas.streams import REQUESTS, runner_consumer

log = structlog.get_logger(__name__)

_AGAIN_AFTER_S = 0.2


async def keep_letter_of(
    js: JetStream, run_id: str, started: RunStarted, finished: RunFinished
) -> int | None:
    """Keep the letter of a run that has ended, however long the broker is away; keeping it again finds it.

    Returns:
        Its place; None where the run leaves none.
    """
    if not finished.leaves_letter(started.component_kind):
        return None
    letter = _letter(run_id, started, finished)
    while True:
        try:
            return await keep_letter(js, letter)
        except UnsendableError:
            log.exception("a run that failed has no dead letter", run_id=run_id)
            return None
        except BrokerError:
            await asyncio.sleep(_AGAIN_AFTER_S)


def _letter(run_id: str, started: RunStarted, finished: RunFinished) -> DeadLetter:
    request = StartRequested(
        input=started.input,
        headers=started.headers,
        priority=started.priority,
        attribution=AttributionClaim(**started.attribution.model_dump(exclude={"tenant"})),
    )
    return DeadLetter(
        letter_id=identity.letter_of_run_id(run_id),
        stream=REQUESTS.name,
        consumer=runner_consumer(started.service),
        reason=shortened(finished.failure.message if finished.failure else "it failed"),
        attempts=finished.attempts or 1,
        at=time.time(),
        published_at=started.at,
        subject=subjects.request(started.attribution.tenant, "start", started.component),
        sequence=0,
        attribution=started.attribution,
        run_id=run_id,
        **dict(Original.of(None, request.to_body())),
    )
