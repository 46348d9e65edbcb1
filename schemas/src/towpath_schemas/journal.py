"""The records of a run's journal: the truth from which everything else is rebuilt.

A record is internal: it has no CloudEvents headers, its place is its subject. Every record after the
first was written under a claim, and the broker refused it if a newer claim existed.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ComponentKind
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape

Act = Literal["model", "tool", "task", "entity"]
RunEnd = Literal["completed", "failed", "cancelled"]


class Usage(Shape):
    """What a model call consumed, in tokens."""

    input_tokens: int = 0
    output_tokens: int = 0


class Record(Shape):
    """What all records have: when (`at`, seconds since 1970) it was written, by the writer's clock."""

    at: float


class RunStarted(Record):
    """The run exists. Written by the router, under no claim; it is entry 0."""

    kind: Literal["run.started"] = "run.started"
    component: str
    component_kind: ComponentKind
    service: str
    input: Any = None
    attribution: Attribution
    correlation_id: str
    traceparent: str | None = None


class StartRefused(Record):
    """A request was refused. Entry 0 of a journal of its own, so that refusals are audited like acts."""

    kind: Literal["request.refused"] = "request.refused"
    subject: str
    failure: Failure
    attribution: Attribution
    correlation_id: str
    stripped_headers: dict[str, str] = {}


class StepSettled(Record):
    """A step of user code ended; its result is never computed again."""

    kind: Literal["step.settled"] = "step.settled"
    key: str
    result: Any = None
    failure: Failure | None = None
    attempts: int = 1
    agent: str | None = None


class CallIntended(Record):
    """An act with an outside effect is about to begin.

    Attributes:
        target: Name of the model, tool, function, or `Type.method` of the entity.
        service: The service that acts; None for models.
        input: Arguments of the call; for a model call a digest of the conversation, never its text.
    """

    kind: Literal["call.intended"] = "call.intended"
    key: str
    act: Act
    target: str
    service: str | None = None
    input: Any = None
    agent: str | None = None


class CallSettled(Record):
    """An act ended; its outcome is never asked for again.

    Attributes:
        attempts: How often it was tried, as far as is known.
    """

    kind: Literal["call.settled"] = "call.settled"
    key: str
    act: Act
    target: str
    result: Any = None
    failure: Failure | None = None
    attempts: int = 1
    usage: Usage | None = None
    agent: str | None = None


class ValueDrawn(Record):
    """A clock reading or a random value that replay must repeat."""

    kind: Literal["value.drawn"] = "value.drawn"
    key: str
    source: Literal["now", "uuid", "random"]
    value: str | float


class HandedOff(Record):
    """One agent gave the conversation to another, who answers from here on."""

    kind: Literal["agent.handed_off"] = "agent.handed_off"
    key: str
    agent: str
    to: str


class RunSuspended(Record):
    """The run waits and was dropped from memory; an event in its inbox wakes it."""

    kind: Literal["run.suspended"] = "run.suspended"
    waiting_for: tuple[str, ...]


class RunResumed(Record):
    """A runner took the run up again: after a suspension, or because its last owner was lost."""

    kind: Literal["run.resumed"] = "run.resumed"
    runner: str
    epoch: int


class RunFinished(Record):
    """The run ended; nothing can be written after it."""

    kind: Literal["run.finished"] = "run.finished"
    end: RunEnd
    result: Any = None
    failure: Failure | None = None


JournalRecord = Annotated[
    RunStarted
    | StartRefused
    | StepSettled
    | CallIntended
    | CallSettled
    | ValueDrawn
    | HandedOff
    | RunSuspended
    | RunResumed
    | RunFinished,
    Field(discriminator="kind"),
]

_RECORD: TypeAdapter[JournalRecord] = TypeAdapter(JournalRecord)


def read_record(body: bytes) -> JournalRecord:
    """Read a journal record of any kind.

    Raises:
        pydantic.ValidationError: If `body` is no record that this version knows.
    """
    return _RECORD.validate_json(body)


class Claimed(Shape):
    """The body of a claim: who took the run."""

    runner: str
    at: float
