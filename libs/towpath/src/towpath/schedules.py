"""Schedules that code declares: they start runs of a workflow again and again, as long as its service says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from pydantic import ValidationError

from towpath.errors import ConfigurationError, NotSerialisableError, RegistrationError
from towpath.values import to_json_value
from towpath_schemas.recurrence import zone_of
from towpath_schemas.schedules import Misfire, Overlap, ScheduleDeclared
from towpath_schemas.shape import problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Starts a run of a workflow at each moment of `cron`, or every `every_s` seconds.

    No process has to wait for it: the broker tells when a moment has come, and what passes while nothing runs is
    treated as `misfire` says. A run finds its moment in `ctx.headers()["towpath-scheduled-at"]`.

    Args:
        cron: Minute, hour, day, month, day of the week; with a sixth field before them, the second.
        every_s: Seconds between two runs, counted from `start_at`, else from when the schedule was made; at least 1.
        tz: The time zone of the cron expression. Where clocks are changed, a time that is left out comes right
            after, and one that comes twice counts once; what comes every hour comes in each hour.
        name: What the schedule is called by; as the workflow is, if not given. A workflow with several names each.
        tenant: For whom the runs work.
        input: The input of each run.
        misfire: What becomes of moments that were missed: `skip` drops them, `once` starts one run for all of them,
            `all` starts one for each.
        grace_s: Seconds by which a run may be late and is not missed.
        catch_up_limit: How many runs are started at once at the most; older moments are dropped.
        overlap: What becomes of a moment while the run before it goes on: `allow` starts it beside, `skip` leaves the
            moment out, `cancel` cancels the run before.
        jitter_s: Each run is handed to a runner up to so many seconds later, chosen at random.
        start_at: No run before; by the time zone `tz` where it names none.
        end_at: No run after.
        max_runs: How many runs; None for no end.

    Raises:
        RegistrationError: If it can be no schedule; the message names the field.
    """

    cron: str | None = None
    every_s: float | None = None
    tz: str = "UTC"
    name: str | None = None
    tenant: str = "default"
    input: Any = None
    misfire: Misfire = "once"
    grace_s: float = 60.0
    catch_up_limit: int = 100
    overlap: Overlap = "allow"
    jitter_s: float = 0.0
    start_at: datetime | None = None
    end_at: datetime | None = None
    max_runs: int | None = None

    def __post_init__(self) -> None:
        self.described()

    def described(self) -> ScheduleDeclared:
        """Describe it for the catalogue."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        try:
            return ScheduleDeclared.model_validate(as_described(said))
        except ValidationError as error:
            raise RegistrationError(f"no Schedule: {problems(error)}") from error
        except (ValueError, NotSerialisableError) as error:
            raise RegistrationError(f"no Schedule: {error}") from error


def as_described(said: dict[str, Any]) -> dict[str, Any]:
    """Write what was said of a schedule as JSON carries it: its times, and its input.

    Raises:
        ValueError: If a time is no datetime, or there is no such time zone.
        NotSerialisableError: If JSON cannot carry the input.
    """
    times = {name: _seconds(name, said.get(name), said["tz"]) for name in ("start_at", "end_at")}
    return {**said, **times, "input": to_json_value(said.get("input"))}


def described_schedules(
    component: str, declared: Schedule | Sequence[Schedule] | None
) -> tuple[ScheduleDeclared, ...]:
    """Describe the schedules of a workflow for the catalogue.

    Raises:
        RegistrationError: If one is none, or two have the same name.
    """
    every = _each(declared)
    for one in every:
        if not isinstance(one, Schedule):  # pyright: ignore[reportUnnecessaryIsInstance] - whatever users write
            raise RegistrationError(f"schedule={one!r} of {component}: give a Schedule, or several")
    names = [(one.tenant, one.name or component) for one in every]
    if len(set(names)) < len(names):
        raise RegistrationError(f"two schedules of {component} have the same name; give each a name=")
    return tuple(one.described() for one in every)


def _each(declared: Any) -> tuple[Schedule, ...]:
    if declared is None:
        return ()
    return tuple(cast("Iterable[Schedule]", declared)) if isinstance(declared, Iterable) else (declared,)


def _seconds(name: str, moment: object, tz: str) -> float | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise ConfigurationError(
            f"{name} is {moment!r}; give a datetime, which datetime.fromisoformat(...) makes of text"
        )
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone_of(tz))).timestamp()
