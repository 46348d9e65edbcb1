"""Keeps records within what one message may carry; what is too large is journaled as a failure that says so."""

from typing import Any, TypeVar

from towpath.errors import ComponentError
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    JournalRecord,
    RunFinished,
    SignalReceived,
    StepSettled,
)
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large

AnyRecord = TypeVar("AnyRecord", bound=JournalRecord)


def fitting(record: AnyRecord) -> tuple[AnyRecord, bytes]:
    """Return the record with its body, or in place of one that is too large the same with a failure that says so.

    Raises:
        ComponentError: If it is an intent: then the act must not begin.
    """
    body = record.to_body()
    if len(body) <= MAX_PAYLOAD_BYTES or isinstance(record, SignalReceived):
        return record, body  # a signal was measured at the door
    failure = too_large(_what(record), len(body))
    if not isinstance(record, StepSettled | CallSettled | RunFinished):
        raise ComponentError(failure)
    without = record.model_copy(update={"result": None, "failure": failure, **_also_without(record)})
    return without, without.to_body()


def _also_without(record: StepSettled | CallSettled | RunFinished) -> dict[str, Any]:
    """Tell what else a record does not say any more once it says that the act failed."""
    match record:
        case StepSettled():
            return {"changes": None}
        case RunFinished():
            return {"end": "failed", "successor": None}
        case CallSettled():
            return {}


def _what(record: JournalRecord) -> str:
    """Name what makes a record large, as whoever wrote the code knows it."""
    match record:
        case StepSettled():
            also = ", with what it sets in the run's state," if record.changes else ""
            return f"the result of step {record.key!r}{also}"
        case CallSettled():
            return f"the result of {record.target!r}"
        case CallIntended():
            return f"the call of {record.target!r} with its arguments"
        case RunFinished(end="continued"):
            return "the input of the new run"
        case RunFinished():
            return "the result of the run"
        case _:
            return f"the {record.kind} record"
