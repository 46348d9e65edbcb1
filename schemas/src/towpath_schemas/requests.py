"""What people ask of the platform at its public door, and what they are told at once."""

from typing import Annotated, Any

from pydantic import Field

from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape

MAX_PAYLOAD_BYTES = 512 * 1024


class StartRequested(Shape):
    """Start a run of the component that the subject names.

    Attributes:
        input: The component's input: an object of its parameters, or the value of its only one.
        idempotency_key: Requests of one tenant with the same key and component are one run.
        attribution: Who is behind the request.
        reply_to: Core subject on which to tell `RunAccepted` or `RequestRefused`.
    """

    input: Any = None
    idempotency_key: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    attribution: AttributionClaim | None = None
    reply_to: Annotated[str, Field(pattern=r"^[^\s*>]+$", max_length=256)] | None = None


class RunAccepted(Shape):
    """The run exists: it is written down and cannot be lost any more.

    Attributes:
        existed: Whether an earlier request with the same idempotency key had started it.
    """

    run_id: str
    component: str
    existed: bool = False


class RequestRefused(Shape):
    """The request was not taken, and why; it is also kept as a dead letter."""

    subject: str
    failure: Failure
