"""What passes between a parent and its child when either ends, as the router has it."""

from typing import Any

from towpath_schemas import identity
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, ControlSent, RunClosed
from towpath_schemas.failure import Failure
from towpath_schemas.journal import Parent


def answer_to(parent: Parent, *, result: Any = None, failure: Failure | None = None) -> Answered:
    """Write what a parent is told of its child's end."""
    call = identity.call_id(parent.run_id, parent.key)
    return Answered(
        answer_id=identity.answer_id(call),
        run_id=parent.run_id,
        key=parent.key,
        result=result,
        failure=failure,
    )


def orphaned(child: str, parent: str, by: Attribution) -> ControlSent:
    """Write the wish that a child end because its parent has."""
    return ControlSent(
        event_id=identity.derived_id("orphaned", parent, child),
        run_id=child,
        control="cancel",
        reason="its parent has ended",
        attribution=by,
    )


def told_failure(closed: RunClosed) -> Failure | None:
    """Tell a parent why its child has no result."""
    match closed:
        case RunClosed(failure=None, end="cancelled" | "terminated" as end):
            return Failure(code=end, message=f"run {closed.run_id} was {end}")
        case _:
            return closed.failure
