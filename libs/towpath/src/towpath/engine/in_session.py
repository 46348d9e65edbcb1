"""Says of each act in which session it was: that of the agent whose code does it, or for whom it was begun."""

from typing import TypeVar, cast

from towpath.engine.history import History
from towpath.scopes import current_scope
from towpath_schemas.journal import CallIntended, CallSettled, JournalRecord, StepSettled

AnyRecord = TypeVar("AnyRecord", bound=JournalRecord)


def in_its_session(record: AnyRecord, history: History) -> AnyRecord:
    """Attribute a record to its session, if it has one."""
    session_id = _session_of(record, history)
    if session_id is None:
        return record
    return cast("AnyRecord", record.model_copy(update={"session_id": session_id}))


def _session_of(record: JournalRecord, history: History) -> str | None:
    match record:
        case CallSettled() if (intended := history.intended(record.key)) is not None:
            return intended.session_id
        case StepSettled() | CallIntended() | CallSettled():
            return current_scope().session
        case _:
            return None
