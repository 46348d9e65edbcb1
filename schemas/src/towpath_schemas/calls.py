"""Calls of functions, tools and child runs, and the events that come back to a run: answers, signals, controls."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from towpath_schemas.attribution import Attribution, SessionOwner
from towpath_schemas.failure import Failure
from towpath_schemas.journal import Parent, RunEnd
from towpath_schemas.limits import GatePassed
from towpath_schemas.object_keys import PlaceInLine
from towpath_schemas.shape import Shape


class CallRequested(Shape):
    """A run asks a tool-runner of `service` to execute a function or tool.

    Attributes:
        run_id: The run that waits for the answer.
        key: The place in the run's journal that the answer settles.
        call_id: Derived from run and key; the callee's idempotency key.
        arguments: Object of the callee's parameters, or the value of its only one.
        agent: The agent on whose decision the call is made.
        session_owner: Whose the session is that the agent speaks in; None where nobody says.
    """

    run_id: str
    key: str
    call_id: str
    service: str
    name: str
    act: Literal["tool", "task"]
    arguments: Any = None
    attribution: Attribution
    agent: str | None = None
    session_owner: SessionOwner | None = None
    correlation_id: str


class ChildRequested(Shape):
    """A run asks for a run of another component, whose end is brought to it as an answer.

    Attributes:
        run_id: Id that the child will have, derived from its parent's and the place there.
        service: The service that offers the component; None where any may.
        parent: None where nobody waits for it: it goes on from another run.
        continues: The run that it goes on from, if it does.
        inherits: Whether that one's journal has any signal or wish; see `succession`.
        priority: Where it waits at a gate, higher ones go first.
    """

    run_id: str
    component: str
    service: str | None = None
    input: Any = None
    parent: Parent | None = None
    continues: str | None = None
    inherits: bool = True
    headers: dict[str, str] = {}
    attribution: Attribution
    correlation_id: str
    priority: int = 0


class Answered(Shape):
    """The outcome of what a run waits for: of a call, an entity invocation, a child run, a timer, a decision.

    Attributes:
        answer_id: Derived from the call's id.
        attempts: How often the callee was tried.
    """

    kind: Literal["answer"] = "answer"
    answer_id: str
    run_id: str
    key: str
    result: Any = None
    failure: Failure | None = None
    attempts: Annotated[int, Field(ge=1)] = 1


class SignalSent(Shape):
    """A signal for a run: kept until the run waits for one of its name.

    Attributes:
        signal_id: The same signal sent twice is one.
    """

    kind: Literal["signal"] = "signal"
    signal_id: str
    run_id: str
    name: str
    payload: Any = None
    attribution: Attribution


Control = Literal["cancel", "pause", "unpause"]


class ControlSent(Shape):
    """Somebody with the right to it wants a run to end, to stand still, or to go on."""

    kind: Literal["control"] = "control"
    event_id: str
    run_id: str
    control: Control
    reason: str | None = None
    attribution: Attribution


RunEvent = Annotated[Answered | SignalSent | ControlSent, Field(discriminator="kind")]
"""What may come for a run from outside."""

_EVENT: TypeAdapter[RunEvent] = TypeAdapter(RunEvent)


def read_event(body: bytes) -> RunEvent:
    """Read what came for a run.

    Raises:
        pydantic.ValidationError: If `body` is no event that this version knows.
    """
    return _EVENT.validate_json(body)


def event_id_of(event: RunEvent) -> str:
    """Tell the id by which an event is known: the same event is taken once."""
    match event:
        case Answered():
            return event.answer_id
        case SignalSent():
            return event.signal_id
        case ControlSent():
            return event.event_id


class RunClosed(Shape):
    """A run has ended: what is left to do about it, by the router. Not an event for the run.

    Attributes:
        parent: Whom to tell; its `key` is settled with `result` or `failure`.
        children: Runs that are cancelled with it.
        successor: The run that goes on in its place.
        merged_into: The run that stands for it, where it ended before it began; its parent hears of that one's end.
        gates: What it passed, or waits for.
        alarmed: Whether it may have timers that have not gone off.
        places: Where it stands in the lines of object keys: its code has not given them up.
    """

    run_id: str
    end: RunEnd
    result: Any = None
    failure: Failure | None = None
    parent: Parent | None = None
    children: tuple[str, ...] = ()
    successor: ChildRequested | None = None
    merged_into: str | None = None
    gates: tuple[GatePassed, ...] = ()
    alarmed: bool = True
    places: tuple[PlaceInLine, ...] = ()
    attribution: Attribution


class RunFollowed(Shape):
    """A run stands for another, whose parent is told of its end. Not an event for the run."""

    run_id: str
    parent: Parent


class Taken(Shape):
    """Whoever holds a run says whether it took an event; if not, the event belongs in the inbox."""

    taken: bool


class RunHeld(Shape):
    """Whoever holds a run says so, and by which dispatch: nobody else may acknowledge that one.

    Attributes:
        dispatch: Its place in RUNS.
    """

    dispatch: int


class RunDispatched(Shape):
    """A runner is asked to take a run.

    Attributes:
        reason: `start` the first time, `wake` for an event in the inbox, `recover` after a runner was lost.
        first_entry: Body of entry 0 where the sender has it at hand, to spare the runner a read.
        epoch: The claim under which its sender let the run go, if it did: while none is newer, nobody acknowledges this
            but who holds the run by it.
    """

    run_id: str
    reason: Literal["start", "wake", "recover"]
    first_entry: str | None = None
    epoch: int | None = None
