"""What can be asked for at the public door: each verb, what its requests say, and who does it."""

from typing import Any

from towpath_chassis.service import Chassis
from towpath_router.admission import Admission
from towpath_router.broadcasting import Broadcaster
from towpath_router.catalogue import Catalogue
from towpath_router.deciding import Decider
from towpath_router.door import Verb
from towpath_router.ending import Ending
from towpath_router.entity_calls import EntityCalls
from towpath_router.finishing import Finisher
from towpath_router.forking import Forker
from towpath_router.lines import Lines
from towpath_router.purging import VERB as PURGE, Purger
from towpath_router.redriving import VERB as REDRIVE, Redriving
from towpath_router.runs import Runs
from towpath_router.schedules.changing import ScheduleChanger
from towpath_router.sending import Sender
from towpath_router.starting import Starter
from towpath_router.stopping import Stopper
from towpath_router.succession import Succession
from towpath_schemas.requests import (
    BroadcastRequested,
    ControlRequested,
    DecisionRequested,
    EntityCallRequested,
    ForkRequested,
    RedriveRequested,
    ScheduleControlRequested,
    ScheduleRequested,
    SignalRequested,
    StartRequested,
)


def verbs(
    chassis: Chassis[Any],
    catalogue: Catalogue,
    runs: Runs,
    succession: Succession,
    starter: Starter,
    *,
    lines: Lines,
    ending: Ending,
    finisher: Finisher,
    schedules: ScheduleChanger,
) -> dict[str, Verb[Any]]:
    """List the verbs; another one is another line."""
    js = chassis.js
    sender = Sender(js, succession)
    stopper = Stopper(js, runs, succession, sender, ending=ending, finisher=finisher)
    return {
        "start": Verb(StartRequested, Admission(catalogue, starter).start),
        "signal": Verb(SignalRequested, sender.signal),
        "broadcast": Verb(BroadcastRequested, Broadcaster(js).broadcast),
        "pause": Verb(ControlRequested, sender.pause),
        "unpause": Verb(ControlRequested, sender.unpause),
        "cancel": Verb(ControlRequested, stopper.cancel),
        "terminate": Verb(ControlRequested, stopper.terminate),
        PURGE: Verb(ControlRequested, Purger(js, runs, succession, lines).purge),
        "decide": Verb(DecisionRequested, Decider(js, runs).decide),
        "entity": Verb(EntityCallRequested, EntityCalls(js, catalogue).call),
        "fork": Verb(ForkRequested, Forker(js, runs, starter).fork),
        "schedule": Verb(ScheduleRequested, schedules.set),
        "unschedule": Verb(ScheduleControlRequested, schedules.delete),
        "pause-schedule": Verb(ScheduleControlRequested, schedules.pause),
        "unpause-schedule": Verb(ScheduleControlRequested, schedules.unpause),
        "trigger-schedule": Verb(ScheduleControlRequested, schedules.trigger),
        REDRIVE: Verb(RedriveRequested, Redriving(js).redrive),
    }
