"""A run as people see it: its status, when, for whom, and how it ended."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ComponentKind
from towpath_schemas.failure import Failure
from towpath_schemas.journal import RunFinished, RunStarted
from towpath_schemas.paging import PageAsked, PageTold
from towpath_schemas.shape import Shape

RunStatus = Literal[
    "accepted",
    "running",
    "suspended",
    "paused",
    "completed",
    "failed",
    "cancelled",
    "terminated",
    "continued",
    "refused",
]


class RunView(Shape):
    """One run; times are seconds since 1970.

    Attributes:
        waiting_for: What it waits for, as far as is known: keys of acts.
        parent: The run that started it.
        successor: The run that goes on in its place, where it `continued`.
        attempts: Of a function, how often it was tried, as far as is known.
        letter: Of a function that failed for good, the place of its dead letter, as far as is known.
        blocked: Why nobody goes on with it, where the version of its code is deployed nowhere.
    """

    run_id: str
    component: str
    component_kind: ComponentKind | None = None
    service: str | None = None
    status: RunStatus
    created_at: float
    finished_at: float | None = None
    result: Any = None
    failure: Failure | None = None
    attribution: Attribution
    waiting_for: tuple[str, ...] = ()
    parent: str | None = None
    successor: str | None = None
    attempts: int | None = None
    letter: int | None = None
    blocked: str | None = None

    @classmethod
    def ended(
        cls, run_id: str, started: RunStarted, finished: RunFinished, *, letter: int | None = None
    ) -> Self:
        """Show a run that has ended, from its first record and its last, and the place of its dead letter."""
        return cls(
            run_id=run_id,
            component=started.component,
            component_kind=started.component_kind,
            service=started.service,
            status=finished.end,
            created_at=started.at,
            finished_at=finished.at,
            result=finished.result,
            failure=finished.failure,
            attribution=started.attribution,
            parent=started.parent.run_id if started.parent else None,
            successor=finished.successor,
            attempts=finished.attempts,
            letter=letter,
        )


class RunsAsked(PageAsked):
    """Which runs to list, newest first; what is None matches any.

    Attributes:
        status: One, or several of which any will do.
        run_id: Only this one.
        user_id: Only for this user, as the start's attribution has it; so with the five that follow.
        parent: Only those that this run has started.
        waiting_for_signal: Only those that wait for a signal of this name now.
        created_after: Only those that were made at this time (seconds since 1970) or later.
        created_before: Only those that were made before this time.
    """

    component: str | None = None
    status: RunStatus | tuple[RunStatus, ...] | None = None
    run_id: str | None = None
    tenant: str | None = None
    user_id: str | None = None
    user_role: str | None = None
    agent: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    workflow_id: str | None = None
    parent: str | None = None
    waiting_for_signal: str | None = None
    created_after: Annotated[float, Field(allow_inf_nan=False)] | None = None
    created_before: Annotated[float, Field(allow_inf_nan=False)] | None = None


class RunsListed(PageTold):
    """A page of the runs asked for, without their results."""

    runs: tuple[RunView, ...]


class RunEnded(Shape):
    """What the OUTPUT stream tells when a run has ended."""

    run: RunView


class ChunkStreamed(Shape):
    """What the OUTPUT stream tells of each chunk that a function yields, or event that an agent tells, while it goes on.

    Attributes:
        key: Place in the run of the call that streams; None where the run's own component does.
        index: The chunk's number, from 0.
        attempt: In which attempt of what streams it was said, from 2; None in the first. It takes the place of the chunk
            that an earlier attempt told with its number, and of all behind that.
        piece: Of a piece of the chunk that has this number and is still to come, which piece it is, from 0; it may get
            lost, and one that is 0 again begins the chunk anew.
    """

    run_id: str
    key: str | None = None
    index: Annotated[int, Field(ge=0)]
    chunk: Any = None
    attempt: Annotated[int, Field(ge=2)] | None = None
    piece: Annotated[int, Field(ge=0)] | None = None
