"""Tells whoever watches that a run has ended; the journal has said so before."""

from contextlib import suppress
from typing import Any

from towpath_chassis.errors import BrokerError
from towpath_chassis.service import Chassis
from towpath_schemas import subjects
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.journal import RunFinished, RunStarted
from towpath_schemas.runs import RunEnded, RunView


async def tell_end(
    chassis: Chassis[Any], run_id: str, started: RunStarted, finished: RunFinished, *, letter: int | None
) -> None:
    """Publish the end of a run on OUTPUT, where it is kept for minutes; the journal keeps it for good."""
    envelope = chassis.envelope(
        event_type_of(RunEnded),
        traceparent=started.traceparent,
        correlation_id=started.correlation_id,
        run_id=run_id,
        attribution=started.attribution,
    )
    body = RunEnded(run=RunView.ended(run_id, started, finished, letter=letter)).to_body()
    with suppress(BrokerError):  # who missed it reads the journal
        await chassis.js.publish(subjects.output(run_id), body, headers=envelope.headers())
