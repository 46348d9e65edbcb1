"""Decides which moments of a schedule start a run: pure functions of the schedule and the time."""

from collections.abc import Iterator, Sequence

from towpath_schemas.schedules import MOST_AT_ONCE, Overlap, ScheduleDefinition, ScheduleRecord

_SPAN_S = 3_600.0


def due(record: ScheduleRecord, now: float) -> list[float]:
    """List the moments that have come and were not seen to, in order: of very many, the last `MOST_AT_ONCE`.

    They are looked for in ever longer spans before `now`: after a long time there may be millions.
    """
    if record.next_at is None or record.next_at > now:
        return []
    span_s = _SPAN_S
    while True:
        since = max(record.seen_to, now - span_s)
        found = list(_between(record, since, now))
        if since == record.seen_to or len(found) >= MOST_AT_ONCE:
            return found[-MOST_AT_ONCE:]
        span_s *= 4


def on_misfire(definition: ScheduleDefinition, moments: Sequence[float], now: float) -> list[float]:
    """Choose, of moments that have come, those that are to start a run, as the misfire policy says.

    A run that is on time makes up for those that were missed before it.
    """
    on_time = [moment for moment in moments if now - moment <= definition.grace_s]
    match definition.misfire:
        case "skip":
            chosen = on_time
        case "once":
            chosen = on_time or list(moments[-1:])
        case "all":
            chosen = list(moments)
    return chosen[-definition.catch_up_limit :]


def on_overlap(policy: Overlap, chosen: Sequence[float], *, goes_on: bool) -> list[float]:
    """Choose, of moments that are to start a run, those that may: each run is the one before the next.

    Args:
        policy: What becomes of a moment while the run before it goes on.
        chosen: The moments, in order.
        goes_on: Whether the run before the first of them does.
    """
    match policy:
        case "allow":
            return list(chosen)
        case "skip":
            return [] if goes_on else list(chosen[:1])
        case "cancel":
            return list(chosen[-1:])


def _between(record: ScheduleRecord, after: float, through: float) -> Iterator[float]:
    moment = record.definition.next_after(after, made_at=record.created_at)
    while moment is not None and moment <= through:
        yield moment
        moment = record.definition.next_after(moment, made_at=record.created_at)
