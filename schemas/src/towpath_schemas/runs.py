"""A run as people see it: its status, when, for whom, and how it ended."""

from typing import Annotated, Any, Literal

from pydantic import Field

from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ComponentKind
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape

RunStatus = Literal["accepted", "running", "suspended", "completed", "failed", "cancelled", "refused"]


class RunView(Shape):
    """One run; times are seconds since 1970."""

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


class RunsAsked(Shape):
    """Which runs to list, newest first; None matches any."""

    component: str | None = None
    status: RunStatus | None = None
    tenant: str | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50


class RunsListed(Shape):
    """The runs asked for, without their results."""

    runs: tuple[RunView, ...]


class RunEnded(Shape):
    """What the OUTPUT stream tells when a run has ended."""

    run: RunView
