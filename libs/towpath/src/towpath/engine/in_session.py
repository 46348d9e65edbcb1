"""Says of each act in which session it was: that of the agent whose code does it, or for whom it was begun."""

from typing import Any, TypeVar, cast

from towpath.engine.history import History
from towpath.scopes import SessionScope, current_scope
from towpath_schemas.attribution import SessionOwner
from towpath_schemas.journal import ActAttemptFailed, CallIntended, CallSettled, JournalRecord, StepSettled

AnyRecord = TypeVar("AnyRecord", bound=JournalRecord)


def in_its_session(record: AnyRecord, history: History) -> AnyRecord:
    """Attribute a record to its session, if it has one."""
    known = _session_of(record, history)
    return cast("AnyRecord", record.model_copy(update=known)) if known else record


def _session_of(record: JournalRecord, history: History) -> dict[str, Any]:
    match record:
        case CallSettled() if (intended := history.intended(record.key)) is not None:
            return {"session_id": intended.session_id} if intended.session_id else {}
        case CallIntended() if (session := current_scope().session) is not None:
            return {"session_id": session.id, "session_owner": _owner_of(session)}
        case StepSettled() | CallSettled() | ActAttemptFailed() if (
            session := current_scope().session
        ) is not None:
            return {"session_id": session.id}
        case _:
            return {}


def _owner_of(session: SessionScope) -> SessionOwner | None:
    """Tell whose it is, for those who do the act elsewhere."""
    if session.user_id is None and session.app_name is None:
        return None
    return SessionOwner(user_id=session.user_id, app_name=session.app_name)
