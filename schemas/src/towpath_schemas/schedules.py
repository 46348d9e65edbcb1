"""Schedules: what starts runs of a component again and again, and how far it has come."""

from datetime import UTC, datetime
from math import floor
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from towpath_schemas.attribution import Attribution, ShortText
from towpath_schemas.failure import Failure
from towpath_schemas.recurrence import cron_of
from towpath_schemas.shape import Shape
from towpath_schemas.subjects import LONGEST_TOKEN, token

Misfire = Literal["skip", "once", "all"]
"""What becomes of moments that were missed: none of them, one run for all of them, a run for each."""
Overlap = Literal["allow", "skip", "cancel"]
"""What becomes of a moment while the run before it goes on: both run, it is left out, the run before is cancelled."""

MOST_AT_ONCE = 1_000
MAX_INPUT_BYTES = 64 * 1024
_YEAR_S = 366 * 86_400.0
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def fitting(name: str) -> str:
    """Check that a name takes no more of a subject than there is room for.

    Raises:
        ValueError: If it does.
    """
    if (length := len(token(name))) > LONGEST_TOKEN:
        raise ValueError(f"it takes {length:,} characters of a subject; the limit is {LONGEST_TOKEN:,}")
    return name


def _small(given: Any) -> Any:
    """Check that an input is one that JSON carries and that may be written anew with each moment."""
    if (size := len(_ANY.dump_json(given))) > MAX_INPUT_BYTES:
        raise ValueError(
            f"it has {size:,} bytes as JSON; the limit of a schedule's input is {MAX_INPUT_BYTES:,}"
        )
    return given


Moment = Annotated[float, Field(ge=0, le=4e9)]
ScheduleName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(fitting)]
ComponentName = Annotated[str, Field(min_length=1, max_length=256)]


class Timing(Shape):
    """The moments of a schedule: those of `cron`, or every `every_s` seconds; exactly one of them is given.

    Attributes:
        cron: Minute, hour, day, month, day of the week; with a sixth field before them, the second.
        every_s: Seconds between two moments, counted from `start_at`, else from when the schedule was made.
        tz: Of the cron expression. Where clocks are changed there, certain hours follow the clock on the wall: a
            time that is left out comes right after, one that comes twice counts once.
        start_at: No moment before this one (seconds since 1970).
        end_at: No moment after this one.
    """

    cron: str | None = None
    every_s: Annotated[float, Field(ge=1, le=_YEAR_S)] | None = None
    tz: str = "UTC"
    start_at: Moment | None = None
    end_at: Moment | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.cron is None) == (self.every_s is None):
            raise ValueError('give either cron, such as "0 2 * * *", or every_s, such as 3600')
        cron_of("* * * * *" if self.cron is None else self.cron, self.tz)
        if self.start_at is not None and self.end_at is not None and self.end_at < self.start_at:
            raise ValueError("end_at is before start_at; give a later one")
        return self

    def next_after(self, moment: float, *, made_at: float) -> float | None:
        """Compute the first moment that is later than `moment`; None where none is left.

        Args:
            moment: In seconds since 1970.
            made_at: When the schedule was made.
        """
        anchor = made_at if self.start_at is None else self.start_at
        found = self._of_cron(moment) if self.every_s is None else _of_interval(self.every_s, moment, anchor)
        return None if found is None or (self.end_at is not None and found > self.end_at) else found

    def _of_cron(self, moment: float) -> float | None:
        since = moment if self.start_at is None else max(moment, self.start_at - 1e-6)
        found = cron_of(self.cron or "", self.tz).after(datetime.fromtimestamp(since, UTC))
        return None if found is None else found.timestamp()


def _of_interval(every_s: float, moment: float, anchor: float) -> float:
    passed = max(0, floor((moment - anchor) / every_s) - 1)  # one less: what floats make of it is not exact
    while (found := anchor + passed * every_s) <= moment:
        passed += 1
    return found


class Scheduling(Timing):
    """When runs start, and what becomes of moments at which they cannot.

    Attributes:
        input: The input of each run.
        misfire: What becomes of moments that are more than `grace_s` past when they could be seen to.
        grace_s: Seconds by which a run may be late and is yet on time.
        catch_up_limit: How many runs are started at once at the most: older moments are dropped.
        overlap: What becomes of a moment while the schedule's run before it goes on.
        jitter_s: Each run is handed to a runner up to so many seconds later, chosen at random.
        max_runs: How many moments start a run; None for no end.
    """

    input: Annotated[Any, AfterValidator(_small)] = None
    misfire: Misfire = "once"
    grace_s: Annotated[float, Field(ge=1, le=_YEAR_S)] = 60.0
    catch_up_limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = 100
    overlap: Overlap = "allow"
    jitter_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    max_runs: Annotated[int, Field(ge=1)] | None = None


class ScheduleDeclared(Scheduling):
    """A schedule as code declares it on a workflow.

    Attributes:
        name: What it is called by; as the workflow is, if not given.
        tenant: For whom its runs work.
    """

    name: ScheduleName | None = None
    tenant: Annotated[ShortText, AfterValidator(fitting)] = "default"


class ScheduleDefinition(Scheduling):
    """What a schedule is to do."""

    component: ComponentName


class ScheduleRecord(Shape):
    """A schedule as it is kept: what it is to do, and how far it has come. Times are seconds since 1970.

    Attributes:
        schedule_id: One that is deleted and made again has another.
        attribution: Who made it, or changed it last: its runs work for them.
        changed_by: Id of the request, or of the registration, that changed it last.
        declared_by: The service whose code declares it; None where a request made it.
        seen_to: All moments up to here have been seen to.
        next_at: The next moment; None where none is left.
        starting: Moments that are to start a run, whose runs may not all be there yet.
        last_at: The last moment that started a run.
        last_run_id: The last run, whether its moment or a request started it.
        started: How many moments started a run.
        missed: How many were dropped because they had passed; of very many at once not all are counted.
        overlapped: How many were left out because of the run before.
        trouble: Why the last moment could not start a run; None where it could.
    """

    schedule_id: str
    name: str
    definition: ScheduleDefinition
    attribution: Attribution
    created_at: float
    changed_by: str
    declared_by: str | None = None
    paused: bool = False
    seen_to: float
    next_at: float | None = None
    starting: tuple[float, ...] = ()
    last_at: float | None = None
    last_run_id: str | None = None
    started: int = 0
    missed: int = 0
    overlapped: int = 0
    trouble: Failure | None = None

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.attribution.tenant

    def seen(self, through: float, **progress: Any) -> Self:
        """Write the schedule as it is once all moments up to `through` have been seen to."""
        changed = self.model_copy(update={**progress, "seen_to": max(through, self.seen_to)})
        left, timing = changed.runs_left, changed.definition
        next_at = None if left == 0 else timing.next_after(changed.seen_to, made_at=changed.created_at)
        return changed.model_copy(update={"next_at": next_at})

    @property
    def runs_left(self) -> int | None:
        """How many more moments may start a run; None for no limit."""
        limit = self.definition.max_runs
        return None if limit is None else max(0, limit - self.started - len(self.starting))


class ScheduleDue(Shape):
    """A moment of a schedule has come: somebody is to look at the schedule. It says no more, so it may come twice.

    Attributes:
        schedule_id: Which schedule was meant; another that has its name by now is not.
    """

    schedule_id: str
