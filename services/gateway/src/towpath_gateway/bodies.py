"""The bodies that go over HTTP, as the OpenAPI document shows them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from towpath_schemas.attribution import AttributionClaim


class RunRequested(BaseModel):
    """Which component to run, and on what."""

    model_config = ConfigDict(extra="forbid")

    component: Annotated[str, Field(min_length=1, max_length=256)]
    input: Any = None
    idempotency_key: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    attribution: AttributionClaim | None = None


class Problem(BaseModel):
    """What is wrong: a code for programs, and a sentence for people."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: Problem
