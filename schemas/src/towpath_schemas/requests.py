"""What people ask of the platform at its public door, and what they are told at once."""

from typing import Annotated, Any, Literal

from pydantic import Field

from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.dead import LetterFilter
from towpath_schemas.failure import Failure
from towpath_schemas.schedules import ComponentName, ScheduleDefinition, Scheduling
from towpath_schemas.shape import Shape

ReplyTo = Annotated[str, Field(pattern=r"^[^\s*>]+$", max_length=256)]
Key = Annotated[str, Field(min_length=1, max_length=512)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class Requested(Shape):
    """What every request may say.

    Attributes:
        attribution: Who is behind the request.
        reply_to: Core subject on which to tell at once what became of it.
    """

    attribution: AttributionClaim | None = None
    reply_to: ReplyTo | None = None


class StartRequested(Requested):
    """Start a run of the component that the subject names; answered by `RunAccepted` or `RequestRefused`.

    Attributes:
        input: The component's input: an object of its parameters, or the value of its only one.
        idempotency_key: Requests of one tenant with the same key and component are one run.
        headers: What else the component may ask for (`ctx.headers()`).
        delay_s: Seconds to wait before it is handed to a runner.
        priority: Where runs wait for their turn, higher ones go first.
    """

    input: Any = None
    idempotency_key: Key | None = None
    headers: dict[str, str] = {}
    delay_s: Annotated[float, Field(ge=0, le=366 * 86_400)] = 0.0
    priority: Annotated[int, Field(ge=-100, le=100)] = 0


class SignalRequested(Requested):
    """Send a signal to the run that the subject names.

    Attributes:
        signal_id: The same signal sent twice is one; the request's id if not given.
    """

    name: Name
    payload: Any = None
    signal_id: Key | None = None


class BroadcastRequested(Requested):
    """Send a signal to every run of the tenant that waits for the name in the subject."""

    payload: Any = None
    signal_id: Key | None = None


class EntityCallRequested(Requested):
    """Call a method of an entity of the type that the subject names; `Answered` by the entity, or refused.

    Attributes:
        key: Which entity of the type.
        method: The method; `<state>` returns the whole state.
        arguments: An object of its parameters, or the value of its only one.
        idempotency_key: Requests with the same key, entity and method are one call, as long as the entity remembers
            its outcome (1,000 later writes, unless the platform is set otherwise).
    """

    key: Annotated[str, Field(min_length=1, max_length=1_024)]
    method: Name
    arguments: Any = None
    idempotency_key: Key | None = None


class ControlRequested(Requested):
    """Cancel, terminate, pause, unpause or purge (forget) the run that the subject names; the verb says which.

    Attributes:
        reason: A sentence for people.
    """

    reason: Annotated[str, Field(max_length=1_000)] | None = None


class DecisionRequested(Requested):
    """Decide the approval that the subject names.

    Attributes:
        content_sha256: Digest of what the person was shown; a decision about something else is refused.
    """

    decision: Literal["approved", "rejected"]
    comment: Annotated[str, Field(max_length=10_000)] | None = None
    content_sha256: str | None = None


class ForkRequested(Requested):
    """Start a new run that has done what the run in the subject had done, up to a place, and goes on from there.

    Attributes:
        until: Key of the first act that the new run does anew, such as `charge#0`.
        idempotency_key: The same fork asked for twice is one.
    """

    until: Key
    idempotency_key: Key | None = None


class RedriveRequested(Requested):
    """Publish messages of the tenant's dead letters again: of the one whose place the subject names, or of `all`.

    `all` are those that the fields here mean, at most `limit` of them and none that was redriven before.

    Attributes:
        only: Which letters.
        after: None at this place in DEAD or before it.
        through: None behind this place; in any case none that comes after the request.
    """

    only: LetterFilter = LetterFilter()
    after: Annotated[int, Field(ge=0)] = 0
    through: Annotated[int, Field(ge=0)] | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 1_000


class ScheduleRequested(Requested, Scheduling):
    """Start runs of a component again and again, by the schedule whose name is in the subject.

    One that has this name is changed: it keeps what it has done so far, and whether it is paused.
    """

    component: ComponentName

    @property
    def definition(self) -> ScheduleDefinition:
        """What the schedule is to do."""
        return ScheduleDefinition(**{name: getattr(self, name) for name in ScheduleDefinition.model_fields})


class ScheduleControlRequested(Requested):
    """Delete, pause, unpause or trigger (start a run now) the schedule that the subject names; the verb says which.

    Attributes:
        reason: A sentence for people.
    """

    reason: Annotated[str, Field(max_length=1_000)] | None = None


class RequestDone(Shape):
    """A request that starts no run was taken.

    Attributes:
        targets: What it reached: ids of runs, the name of a schedule, places of dead letters.
    """

    subject: str
    targets: tuple[str, ...] = ()


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
