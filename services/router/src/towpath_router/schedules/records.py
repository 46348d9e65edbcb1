"""Makes schedules, and changes them: pure functions of the record, and of who changes it when."""

from towpath_schemas import identity
from towpath_schemas.attribution import Attribution
from towpath_schemas.schedules import ScheduleDefinition, ScheduleRecord, Timing


def made(
    name: str,
    definition: ScheduleDefinition,
    by: Attribution,
    *,
    changed_by: str,
    at: float,
    declared_by: str | None = None,
) -> ScheduleRecord:
    """Make a schedule; its first moment is later than `at`."""
    return ScheduleRecord(
        schedule_id=identity.schedule_id(by.tenant, name, changed_by),
        name=name,
        definition=definition,
        attribution=by,
        created_at=at,
        changed_by=changed_by,
        declared_by=declared_by,
        seen_to=at,
    ).seen(at)


def set_anew(
    record: ScheduleRecord,
    definition: ScheduleDefinition,
    by: Attribution,
    *,
    changed_by: str,
    at: float,
    declared_by: str | None = None,
) -> ScheduleRecord:
    """Give a schedule another definition: what it has done stays; with other moments, they are later than `at`."""
    changed = {
        "definition": definition,
        "attribution": by,
        "changed_by": changed_by,
        "declared_by": declared_by,
        "trouble": None,
    }
    same = _timing(record.definition) == _timing(definition)
    return record.seen(record.seen_to if same else at, **changed)


def paused(record: ScheduleRecord, *, by: str) -> ScheduleRecord:
    """Have a schedule stand still; `by` is the id of the request."""
    return record.model_copy(update={"paused": True, "changed_by": by})


def unpaused(record: ScheduleRecord, *, by: str, at: float) -> ScheduleRecord:
    """Have a schedule go on with its first moment that is later than `at`."""
    changed = {"paused": False, "changed_by": by}
    return record.seen(at if record.paused else record.seen_to, **changed)


def _timing(definition: ScheduleDefinition) -> dict[str, object]:
    return definition.model_dump(include=set(Timing.model_fields))
