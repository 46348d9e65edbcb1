"""The public audit stream: one event for each governed act, told from the journal."""

from typing import Literal

from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.journal import Usage
from towpath_schemas.shape import Shape

AuditKind = Literal["run", "request", "step", "model", "tool", "task", "entity", "value", "agent", "record"]
"""`record` is a journal entry that the teller could not read: it is told, not passed over."""

AuditOutcome = Literal["ok", "error", "unknown"]


class AuditEvent(Shape):
    """What happened, on whose behalf, and which record proves it.

    Attributes:
        at: Seconds since 1970, as the record says.
        kind: What kind of act.
        action: What became of it: started, intended, settled, finished, ...
        target: What it was done to or with: the component, tool, model, entity method.
        outcome: How it ended, where it ended.
        input_sha256: Digest of the input; the text itself stays in the journal.
        output_sha256: Digest of the result.
        source_stream: Stream of the record that this event is told from.
        source_sequence: Sequence of that record in its stream.
    """

    at: float
    run_id: str
    kind: AuditKind
    action: str
    target: str
    key: str | None = None
    agent: str | None = None
    outcome: AuditOutcome | None = None
    failure: Failure | None = None
    usage: Usage | None = None
    attempts: int | None = None
    attribution: Attribution
    correlation_id: str
    input_sha256: str | None = None
    output_sha256: str | None = None
    source_stream: str
    source_sequence: int
