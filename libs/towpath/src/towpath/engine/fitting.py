"""Keeps records within what one message may carry; what is too large is journaled as a failure that says so."""

from typing import TypeVar

from towpath.errors import ComponentError
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallSettled, JournalRecord, RunFinished, SignalReceived, StepSettled
from towpath_schemas.requests import MAX_PAYLOAD_BYTES

AnyRecord = TypeVar("AnyRecord", bound=JournalRecord)


def fitting(record: AnyRecord) -> tuple[AnyRecord, bytes]:
    """Return the record with its body, or in place of one that is too large the same with a failure that says so.

    Raises:
        ComponentError: If it is an intent: then the act must not begin.
    """
    body = record.to_body()
    if len(body) <= MAX_PAYLOAD_BYTES or isinstance(record, SignalReceived):
        return record, body  # a signal was measured at the door
    failure = Failure(
        code="payload_too_large",
        message=f"the {record.kind} record has {len(body):,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}; "
        "keep large values elsewhere and pass their place",
    )
    if not isinstance(record, StepSettled | CallSettled | RunFinished):
        raise ComponentError(failure)
    end = {"end": "failed"} if isinstance(record, RunFinished) else {}
    without = record.model_copy(update={"result": None, "failure": failure, **end})
    return without, without.to_body()
