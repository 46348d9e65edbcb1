"""The public audit stream: one event for each governed act, told from the journal."""

from typing import Literal

from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ComponentKind
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape
from towpath_schemas.usage import Usage

AuditKind = Literal[
    "run",
    "request",
    "letter",
    "schedule",
    "step",
    "model",
    "tool",
    "task",
    "entity",
    "memory",
    "child",
    "signal",
    "timer",
    "approval",
    "value",
    "agent",
    "record",
]
"""`child` is what a run has to do with a run it started: `run` tells of the run itself. `record` is a journal entry
that the teller could not read: it is told, not passed over."""

AuditOutcome = Literal["ok", "error", "unknown"]


class AuditEvent(Shape):
    """What happened, on whose behalf, and which record proves it.

    Attributes:
        at: Seconds since 1970, as the record says.
        kind: What kind of act.
        action: What became of it: started, intended, settled, finished, ...
        target: What it was done to or with: the component, tool, model, entity method.
        key: Its place in the run; of a refused request the verb, of a redriven letter its place in DEAD.
        outcome: How it ended, where it ended.
        failure: Why it did not succeed; a long message is cut, and the journal has the whole.
        attribution: Who is behind the run; where somebody else acted on it (a signal, a decision), who that was.
        input_sha256: Digest of the input; the text itself stays in the journal.
        output_sha256: Digest of the result.
        component_kind: Of a run that starts, what kind of component it is of.
        service: Where the component runs, or who acts.
        parent: Of a run that starts, the run that started it.
        forked_by: Of a run that starts as a fork of another, on whose behalf it is, who asked for it.
        successor: Of a run that ends, the run that goes on in its place.
        recalled: Of a question about memories, those that were found: their namespaces and keys, as entity keys; of
            more than one message can name, the first.
        attempts: How often it was tried; of an attempt that failed, and is followed by another, its number.
        next_at: Of an attempt that failed, when (seconds since 1970) the next one begins.
        letter_id: Of a function's run that failed for good, the id of its dead letter.
        waiting_for: Of a run that is dropped from memory, what it waits for: keys of acts.
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
    component_kind: ComponentKind | None = None
    service: str | None = None
    parent: str | None = None
    forked_by: Attribution | None = None
    successor: str | None = None
    recalled: tuple[str, ...] | None = None
    next_at: float | None = None
    letter_id: str | None = None
    waiting_for: tuple[str, ...] | None = None
    source_stream: str
    source_sequence: int
