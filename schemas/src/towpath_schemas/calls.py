"""Calls of functions and tools, and the answers that go back to the run that asked."""

from typing import Annotated, Any, Literal

from pydantic import Field

from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape


class CallRequested(Shape):
    """A run asks a tool-runner of `service` to execute a function or tool.

    Attributes:
        run_id: The run that waits for the answer.
        key: The place in the run's journal that the answer settles.
        call_id: Derived from run and key; the callee's idempotency key.
        arguments: Object of the callee's parameters, or the value of its only one.
        agent: The agent on whose decision the call is made.
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
    correlation_id: str


class Answered(Shape):
    """The outcome of a call or of an entity invocation.

    Attributes:
        answer_id: Derived from the call's id.
        attempts: How often the callee was tried.
    """

    answer_id: str
    run_id: str
    key: str
    result: Any = None
    failure: Failure | None = None
    attempts: Annotated[int, Field(ge=1)] = 1


class Taken(Shape):
    """Whoever holds a run says whether it took an event; if not, the event belongs in the inbox."""

    taken: bool


class RunDispatched(Shape):
    """A runner is asked to take a run.

    Attributes:
        reason: `start` the first time, `wake` for an event in the inbox, `recover` after a runner was lost.
        first_entry: Body of entry 0 where the sender has it at hand, to spare the runner a read.
    """

    run_id: str
    reason: Literal["start", "wake", "recover"]
    first_entry: str | None = None
