"""The records of a run's journal: the truth from which everything else is rebuilt.

A record is internal: it has no CloudEvents headers, its place is its subject. Every record after the
first was written under a claim, and the broker refused it if a newer claim existed.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from towpath_schemas.attribution import Attribution, SessionOwner
from towpath_schemas.components import ComponentKind
from towpath_schemas.entities import Changes
from towpath_schemas.failure import Failure
from towpath_schemas.limits import GatePassed
from towpath_schemas.schedules import ScheduleDefinition
from towpath_schemas.shape import Shape, is_none
from towpath_schemas.usage import Usage

Act = Literal["model", "tool", "task", "entity", "memory", "run", "signal", "timer", "approval"]
"""What a run may wait for: a model, a tool, a function, an entity, memories, a child run; a signal, a moment, a person."""

RunEnd = Literal["completed", "failed", "cancelled", "terminated", "continued"]
ClosePolicy = Literal["abandon", "cancel"]
"""What becomes of a child run that still works when its parent ends."""


class Record(Shape):
    """What all records have: when (`at`, seconds since 1970) it was written, by the writer's clock."""

    at: float


class Parent(Shape):
    """The run that started this one, and the place in its journal that this one's end settles.

    Attributes:
        close_policy: What becomes of this run if its parent ends first.
    """

    run_id: str
    key: str
    close_policy: ClosePolicy = "abandon"


class InLine(Shape):
    """Where a run stands among those of which each goes on from the one before (`ctx.continue_as_new`).

    Attributes:
        first: The run that they all go on from.
        number: How many were before it.
        heard: Digests of the newest signals and wishes that those before it have taken, and that it does not take again.
    """

    first: str
    number: Annotated[int, Field(ge=1)]
    heard: tuple[str, ...] = ()


class RunStarted(Record):
    """The run exists. Written by the router, under no claim; it is entry 0.

    Attributes:
        version: Version of the component's code that the run is pinned to; None takes any.
        headers: What the requester said beside the input, for `ctx.headers()`.
        parent: The run that started it, if one did.
        continues: The run that it goes on from (`ctx.continue_as_new`), if it does.
        line: Of one that goes on from another, where it stands among those that do.
        forked_from: The run whose first acts it has taken over, if it has; it is on behalf of the same.
        forked_by: Who asked for that.
        taken_over: How many entries it has of that run; they follow this one. Its id may be among their arguments.
        gates: What it passes before it is handed to a runner, in this order.
        priority: Where it waits at a gate, higher ones go first.
    """

    kind: Literal["run.started"] = "run.started"
    component: str
    component_kind: ComponentKind
    service: str
    input: Any = None
    attribution: Attribution
    correlation_id: str
    traceparent: str | None = None
    version: str | None = None
    headers: dict[str, str] = {}
    parent: Parent | None = None
    continues: str | None = None
    line: InLine | None = None
    forked_from: str | None = None
    forked_by: Attribution | None = None
    taken_over: Annotated[int, Field(ge=0)] = 0
    gates: tuple[GatePassed, ...] = ()
    priority: int = 0


class StartRefused(Record):
    """A request was refused. Entry 0 of a journal of its own, so that refusals are audited like acts."""

    kind: Literal["request.refused"] = "request.refused"
    subject: str
    failure: Failure
    attribution: Attribution
    correlation_id: str
    stripped_headers: dict[str, str] = {}


class LetterRedriven(Record):
    """The message of a dead letter was published again. Entry 0 of a journal of its own, so that it happens once.

    Attributes:
        letter_id: Which letter; its journal's id is derived from it.
        place: Its sequence in DEAD.
        stream: The stream that has the message again.
        subject: Where it was published again.
        attribution: Who asked for it.
    """

    kind: Literal["letter.redriven"] = "letter.redriven"
    letter_id: str
    place: int
    stream: str
    subject: str
    attribution: Attribution
    correlation_id: str


class RunPurged(Record):
    """A run that had ended was forgotten. Written by the router; for some days it is all that is left of the journal.

    Attributes:
        component: What ran.
        line: Where other runs have gone on from it, or it from others: the first of them all.
        reason: A sentence for people.
        attribution: Who asked for it.
    """

    kind: Literal["run.purged"] = "run.purged"
    component: str
    line: str | None = None
    reason: str | None = None
    attribution: Attribution
    correlation_id: str


ScheduleChange = Literal["set", "paused", "unpaused", "deleted"]


class ScheduleChanged(Record):
    """A schedule was made or changed. Entry 0 of a journal of its own.

    Attributes:
        change: What was done to it.
        schedule_id: Which schedule; another of its name has another.
        name: What it is called by.
        definition: What it is to do, where that was set.
        service: The service whose code declares it so, if that is why.
        reason: A sentence for people.
        attribution: Who asked for it.
    """

    kind: Literal["schedule.changed"] = "schedule.changed"
    change: ScheduleChange
    schedule_id: str
    name: str
    definition: ScheduleDefinition | None = None
    service: str | None = None
    reason: str | None = None
    attribution: Attribution
    correlation_id: str


class MemoriesErased(Record):
    """Memories were erased: an entry before anything is, and one once nothing is left. A journal for each tenant.

    Attributes:
        done: Whether nothing is left; else it begins.
        namespace: Whose memories, or `user_id`.
        items: How many items were erased; so `records` of their logs, and `points`, their versions in the index.
        reason: A sentence for people.
        attribution: Who asked for it.
    """

    kind: Literal["memories.erased"] = "memories.erased"
    done: bool
    namespace: str | None = None
    user_id: str | None = None
    items: int = 0
    records: int = 0
    points: int = 0
    reason: str | None = None
    attribution: Attribution
    correlation_id: str


class StepSettled(Record):
    """A step of user code ended; its result is never computed again.

    Attributes:
        changes: What it has set in the run's state.
        agent: The agent that did it, if one did; so with calls.
        session_id: The session in which that agent speaks.
    """

    kind: Literal["step.settled"] = "step.settled"
    key: str
    result: Any = None
    changes: Changes | None = Field(default=None, exclude_if=is_none)
    failure: Failure | None = None
    attempts: int = 1
    agent: str | None = None
    session_id: str | None = None


class CallIntended(Record):
    """An act with an outside effect is about to begin.

    Attributes:
        target: Name of the model, tool, function, child component, signal, timer or approval, or `Type.method`
            of the entity.
        service: The service that acts; None where none does.
        input: Arguments of the call; for a model call a digest of the conversation, never its text.
        until: When (seconds since 1970) it ends by itself: a timer's moment, the others' deadline.
        session_owner: Whose the session is; None where nobody says.
    """

    kind: Literal["call.intended"] = "call.intended"
    key: str
    act: Act
    target: str
    service: str | None = None
    input: Any = None
    until: float | None = None
    agent: str | None = None
    session_id: str | None = None
    session_owner: SessionOwner | None = None


class CallSettled(Record):
    """An act ended; its outcome is never asked for again.

    Attributes:
        attempts: How often it was tried, as far as is known.
        source: Of a signal that was waited for, its id: it is consumed.
    """

    kind: Literal["call.settled"] = "call.settled"
    key: str
    act: Act
    target: str
    result: Any = None
    failure: Failure | None = None
    attempts: int = 1
    usage: Usage | None = None
    source: str | None = None
    agent: str | None = None
    session_id: str | None = None


class ActGivenUp(Record):
    """The code gave an act up before it was told how that ended: no replay tells it. The act may end nevertheless.

    Attributes:
        act: What was given up; a wait for what nobody does, such as a signal, has ended instead.
        target: As of its intent; of a step, its key.
    """

    kind: Literal["act.given_up"] = "act.given_up"
    key: str
    act: Act | Literal["step"]
    target: str
    agent: str | None = None


Source = Literal["now", "uuid", "random", "config", "patched"]


class ValueDrawn(Record):
    """A value from outside that replay must repeat: a clock reading, a random value, a setting, a patch taken."""

    kind: Literal["value.drawn"] = "value.drawn"
    key: str
    source: Source
    value: Any = None


class SignalReceived(Record):
    """A signal came that nobody waits for yet; it is kept for the first wait of its name."""

    kind: Literal["signal.received"] = "signal.received"
    signal_id: str
    name: str
    payload: Any = None
    attribution: Attribution


class SignalReturned(Record):
    """The code gave up the wait `key` before it was told of the signal that had settled it: the next wait gets it."""

    kind: Literal["signal.returned"] = "signal.returned"
    key: str
    signal_id: str
    name: str


class CancelReceived(Record):
    """Somebody asked the run to end: its code is told so at its next await, and may clean up."""

    kind: Literal["run.cancelling"] = "run.cancelling"
    event_id: str
    reason: str | None = None
    attribution: Attribution


class PauseReceived(Record):
    """Somebody asked the run to stand still (`paused`), or to go on."""

    kind: Literal["run.paused"] = "run.paused"
    event_id: str
    paused: bool
    reason: str | None = None
    attribution: Attribution


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


OwnAct = Literal["model", "step"]
"""What a run does itself, and tries again itself."""


class ActAttemptFailed(Record):
    """An attempt of what the run does itself failed, and another follows.

    Attributes:
        target: As of its end; of a step, its key.
        attempt: Its number, from 1.
        failure: How it failed.
        next_at: When (seconds since 1970) the next attempt begins.
    """

    kind: Literal["act.attempt_failed"] = "act.attempt_failed"
    key: str
    act: OwnAct
    target: str
    attempt: Annotated[int, Field(ge=1)]
    failure: Failure
    next_at: float
    agent: str | None = None
    session_id: str | None = None


class AttemptFailed(Record):
    """An attempt of a function that is a run of its own failed, and another follows.

    Attributes:
        attempt: Its number, from 1.
        failure: How it failed.
        next_at: When (seconds since 1970) the next attempt begins.
    """

    kind: Literal["attempt.failed"] = "attempt.failed"
    attempt: Annotated[int, Field(ge=1)]
    failure: Failure
    next_at: float


class RunFinished(Record):
    """The run ended; nothing can be written after it.

    Attributes:
        successor: The run that goes on in its place, where it `continued`.
        attempts: How often a function was tried.
        attribution: Who ended it, where that was not the run itself.
    """

    kind: Literal["run.finished"] = "run.finished"
    end: RunEnd
    attribution: Attribution | None = None
    successor: str | None = None
    result: Any = None
    failure: Failure | None = None
    attempts: int | None = None

    def leaves_letter(self, component_kind: ComponentKind | None) -> bool:
        """Tell whether a run of this kind leaves a dead letter: it is a function, and failed for good."""
        return component_kind == "function" and self.end == "failed"


JournalRecord = Annotated[
    RunStarted
    | StartRefused
    | LetterRedriven
    | RunPurged
    | ScheduleChanged
    | MemoriesErased
    | StepSettled
    | CallIntended
    | CallSettled
    | ActGivenUp
    | ValueDrawn
    | HandedOff
    | SignalReceived
    | SignalReturned
    | CancelReceived
    | PauseReceived
    | RunSuspended
    | RunResumed
    | ActAttemptFailed
    | AttemptFailed
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
