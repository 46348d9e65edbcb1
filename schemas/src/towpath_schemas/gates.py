"""The log of a gate: who came, who left, by which rule. Who waits, who is inside and what is due follow from it."""

from typing import Annotated, Literal

from pydantic import Field

from towpath_schemas.limits import Limit
from towpath_schemas.shape import Shape


class Ruling(Shape):
    """The rule of a gate, and the component whose registration says so.

    Attributes:
        lifted: The component does not declare the limit any more: everybody passes.
    """

    limit: Limit
    lifted: bool = False
    component: str
    service: str


class RunEntered(Shape):
    """A run came; from here on it has a place inside or in the line.

    Attributes:
        asked_at: When the run was made, in seconds since 1970: of two that are one, the later one counts.
    """

    kind: Literal["entered"] = "entered"
    run_id: str
    priority: int = 0
    asked_at: float


class RunLeft(Shape):
    """A run ended, or does not wait any more.

    Attributes:
        heir: The run that goes on in its place, and keeps it.
    """

    kind: Literal["left"] = "left"
    run_id: str
    heir: str | None = None


class GateLooked(Shape):
    """Somebody looked whether time, or another rule, lets those pass who wait."""

    kind: Literal["looked"] = "looked"


GateEvent = Annotated[RunEntered | RunLeft | GateLooked, Field(discriminator="kind")]


class Due(Shape):
    """What a gate has decided, and somebody is to do.

    Attributes:
        act: `pass`: the run goes on its way. `merge`: the run, which has not begun, becomes the run `by`.
            `replace`: the run ends, since the run `by` takes over.
    """

    act: Literal["pass", "merge", "replace"]
    run_id: str
    by: str | None = None


class GateMoved(Shape):
    """One record of a gate's log. The broker takes it only from who has read the one before.

    Attributes:
        number: Counted from 1, or from where the log was when it was forgotten.
        at: Seconds since 1970, by the writer's clock; an earlier one than in the record before counts as that.
        from_blank: Nobody was inside or waiting before it, so nothing before it matters.
        ruling: The rule from here on; None where it stays, which a record `from_blank` does not leave to others.
        done: What was due and is done.
    """

    number: Annotated[int, Field(ge=1)]
    at: float
    from_blank: bool = False
    ruling: Ruling | None = None
    events: tuple[GateEvent, ...] = ()
    done: tuple[Due, ...] = ()


class Inside(Shape):
    """A run that passed, and when: until it leaves, or as long as a rate remembers it."""

    run_id: str
    at: float


class InLine(Shape):
    """A run that waits.

    Attributes:
        number: Its place among those of its priority.
        at: When it came.
        since: When the first of those came that it stands for.
    """

    run_id: str
    priority: int = 0
    number: int
    asked_at: float
    at: float
    since: float


class GateStatePart(Shape):
    """A part of the whole state of a gate after a record, so that the log before it can be forgotten.

    Attributes:
        parts: How many there are.
        entered: How many had come.
    """

    parts: Annotated[int, Field(ge=1)]
    now: float
    ruling: Ruling | None = None
    entered: int = 0
    inside: tuple[Inside, ...] = ()
    line: tuple[InLine, ...] = ()
    due: tuple[Due, ...] = ()


class GateTicked(Shape):
    """The moment has come at which a gate may let somebody pass; a broker schedule."""

    gate_id: str
    at: float
