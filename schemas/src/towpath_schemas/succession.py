"""Succession: the run that goes on in another's place, and what that one leaves to it.

What comes for a run comes for all that go on from it: a signal that nobody took, the wish that it end, or stand still.
"""

from collections.abc import Sequence
from typing import Any

from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, ControlSent, RunEvent, SignalSent, event_id_of
from towpath_schemas.identity import derived_id, successor_run_id
from towpath_schemas.journal import (
    CallSettled,
    CancelReceived,
    JournalRecord,
    PauseReceived,
    RunFinished,
    RunStarted,
    SignalReceived,
    SignalReturned,
)
from towpath_schemas.object_keys import turn_signal
from towpath_schemas.shape import Shape

_HEARD = 1_000
"""How many of the events that were taken before a run knows: so long a repetition is known for one."""

ForAnyOfThem = SignalSent | ControlSent
"""What may be handed on; an answer is for the run that asked."""


class RunLine(Shape):
    """Which run goes on, of those of which each goes on from the one before. Said before that one is written down.

    Attributes:
        newest: The run that goes on now, or is about to be written down.
        number: How many were before it.
        previous: The run before it.
        taking_over: Whether the newest has not yet got what that one leaves to it: what comes now comes after that.
        has_ended: Whether the newest has ended for good, and is forgotten.
    """

    newest: str
    number: int
    previous: str
    taking_over: bool = False
    has_ended: bool = False
    tenant: str


def heir_of(run_id: str, finished: RunFinished) -> str | None:
    """Tell which run goes on in the place of one that has ended; None if none does.

    One that another run stands for ended before it began: that other run is nobody's heir.
    """
    return finished.successor if finished.successor == successor_run_id(run_id) else None


def readdressed(event: RunEvent, run_id: str) -> ForAnyOfThem | None:
    """Address an event to another run, which knows it by the same id; None if it was for the first alone."""
    if isinstance(event, Answered) or (isinstance(event, SignalSent) and _is_turn(event.name)):
        return None
    return event.model_copy(update={"run_id": run_id})


def id_taken(record: JournalRecord) -> str | None:
    """Tell the id of the signal or wish that a record says was taken; None if it says nothing of that kind."""
    match record:
        case SignalReceived():
            return record.signal_id
        case CallSettled():
            return record.source
        case CancelReceived() | PauseReceived():
            return record.event_id
        case _:
            return None


def heard_digest(event_id: str) -> str:
    """Write the id of an event as short as is sure to tell it from others."""
    return derived_id("heard", event_id)[:16]


def heard_before(
    heard: Sequence[str], records: Sequence[JournalRecord], left: Sequence[RunEvent]
) -> tuple[str, ...]:
    """List, as digests, the newest events that an heir does not take again.

    Args:
        heard: What those before the run had taken.
        records: The journal of the run.
        left: What it leaves to the heir, which that one is to take.
    """
    taken = (event_id for record in records if (event_id := id_taken(record)) is not None)
    is_left = {event_id_of(event) for event in left}
    own = (heard_digest(event_id) for event_id in taken if event_id not in is_left)
    return tuple(dict.fromkeys((*heard, *own)))[-_HEARD:]


def left_over(heir: str, records: Sequence[JournalRecord]) -> list[ForAnyOfThem]:
    """List what a run has taken and leaves to its heir: wishes that still hold, and signals that no wait got.

    The wish that it end holds for all that go on from it, whatever its code has made of it.

    Args:
        heir: Whom it is addressed to.
        records: The journal of the run, from its start on.
    """
    return [*_wishes(heir, records), *_signals(heir, records)]


def _wishes(heir: str, records: Sequence[JournalRecord]) -> list[ControlSent]:
    pauses = [record for record in records if isinstance(record, PauseReceived)][-1:]
    cancels = [record for record in records if isinstance(record, CancelReceived)][:1]
    held = [("pause", one) for one in pauses if one.paused] + [("cancel", one) for one in cancels]
    return [
        ControlSent.model_validate(
            {
                "event_id": one.event_id,
                "run_id": heir,
                "control": control,
                "reason": one.reason,
                "attribution": one.attribution,
            }
        )
        for control, one in held
    ]


def _signals(heir: str, records: Sequence[JournalRecord]) -> list[SignalSent]:
    came: dict[str, SignalSent] = {}
    left: set[str] = set()
    for record in records:
        match record:
            case SignalReceived(signal_id=signal_id):
                sent = _signal(heir, signal_id, record.name, record.payload, record.attribution)
                came.setdefault(signal_id, sent)
                left.add(signal_id)
            case CallSettled(source=str() as signal_id):
                sent = _signal(heir, signal_id, record.target, record.result, _requester(records))
                came.setdefault(signal_id, sent)
                left.discard(signal_id)
            case SignalReturned(signal_id=signal_id):
                left.add(signal_id)
            case _:
                pass
    in_order = (one for signal_id, one in came.items() if signal_id in left)  # also those that were returned
    return [one for one in in_order if not _is_turn(one.name)]


def _signal(heir: str, signal_id: str, name: str, payload: Any, by: Attribution) -> SignalSent:
    return SignalSent(signal_id=signal_id, run_id=heir, name=name, payload=payload, attribution=by)


def _requester(records: Sequence[JournalRecord]) -> Attribution:
    """Tell whose the run is: the journal does not say who sent a signal that was waited for."""
    return next(record.attribution for record in records if isinstance(record, RunStarted))


def _is_turn(name: str) -> bool:
    """Tell whether a signal gives the turn at an object key, to whose line the run belonged."""
    return name.startswith(turn_signal(""))
