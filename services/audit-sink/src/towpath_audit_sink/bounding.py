"""Cuts what an audit event quotes to a bearable length, whatever code and its callers make of it: the journal has it all."""

from towpath_chassis.burying import shortened
from towpath_schemas.audit import AuditEvent
from towpath_schemas.failure import Failure

_LISTED = 100


def told_failure(failure: Failure | None) -> Failure | None:
    """Write a failure as it is told: its message and the names of its classes are user code's."""
    if failure is None:
        return None
    return failure.model_copy(
        update={
            "message": shortened(failure.message),
            "error_type": _text(failure.error_type),
            "error_bases": _few(failure.error_bases),
        }
    )


def shorter(event: AuditEvent) -> AuditEvent:
    """Write an event that is too large for a message so that it is not, as what it is."""
    return event.model_copy(
        update={
            "target": shortened(event.target),
            "key": _text(event.key),
            "agent": _text(event.agent),
            "successor": _text(event.successor),
            "recalled": _few(event.recalled),
            "waiting_for": _few(event.waiting_for),
        }
    )


def _text(text: str | None) -> str | None:
    return None if text is None else shortened(text)


def _few(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    more = (f"... and {len(names) - _LISTED:,} more",) if len(names) > _LISTED else ()
    return (*map(shortened, names[:_LISTED]), *more)
