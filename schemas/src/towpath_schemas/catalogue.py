"""Every event type there is: its name, its shape, where it travels, and who sends it to whom."""

from typing import NamedTuple

from towpath_schemas import (
    approvals,
    audit,
    calls,
    components,
    dead,
    entities,
    gates,
    journal,
    memory,
    payloads,
    presence,
    projections,
    requests,
    runs,
    schedules,
    succession,
)
from towpath_schemas.shape import Shape


class EventType(NamedTuple):
    """One kind of event: `subject` is the pattern it travels on, `public` whether users may rely on it."""

    shape: type[Shape]
    subject: str
    sender: str
    receiver: str
    public: bool = False

    @property
    def name(self) -> str:
        """The CloudEvents type."""
        return event_type_of(self.shape)


def event_type_of(shape: type[Shape]) -> str:
    """Name the CloudEvents type of a shape.

    >>> event_type_of(requests.StartRequested)
    'io.towpath.requests.StartRequested.v1'
    """
    return f"io.towpath.{shape.__module__.rsplit('.', 1)[-1]}.{shape.__name__}.v1"


_JOURNAL = "journal.v1.{run}.{chunk}.{number}"

EVENT_TYPES: tuple[EventType, ...] = (
    EventType(
        requests.StartRequested, "requests.v1.{tenant}.start.{component}", "anyone", "router", public=True
    ),
    EventType(requests.SignalRequested, "requests.v1.{tenant}.signal.{run}", "anyone", "router", public=True),
    EventType(
        requests.BroadcastRequested,
        "requests.v1.{tenant}.broadcast.{signal}",
        "anyone",
        "router",
        public=True,
    ),
    EventType(
        requests.ControlRequested,
        "requests.v1.{tenant}.{cancel|terminate|pause|unpause|purge}.{run}",
        "anyone",
        "router",
        public=True,
    ),
    EventType(
        requests.DecisionRequested, "requests.v1.{tenant}.decide.{approval}", "anyone", "router", public=True
    ),
    EventType(requests.ForkRequested, "requests.v1.{tenant}.fork.{run}", "anyone", "router", public=True),
    EventType(
        requests.RedriveRequested, "requests.v1.{tenant}.redrive.{place}", "anyone", "router", public=True
    ),
    EventType(
        requests.ScheduleRequested,
        "requests.v1.{tenant}.schedule.{schedule}",
        "anyone",
        "router",
        public=True,
    ),
    EventType(
        requests.ScheduleControlRequested,
        "requests.v1.{tenant}.{unschedule|pause-schedule|unpause-schedule|trigger-schedule}.{schedule}",
        "anyone",
        "router",
        public=True,
    ),
    EventType(
        requests.EntityCallRequested, "requests.v1.{tenant}.entity.{type}", "anyone", "router", public=True
    ),
    EventType(requests.RequestDone, "{reply_to}", "router", "requester", public=True),
    EventType(requests.RunAccepted, "{reply_to}", "router", "requester", public=True),
    EventType(requests.RequestRefused, "{reply_to}", "router", "requester", public=True),
    EventType(calls.RunDispatched, "runs.v1.{verb}.{service}", "router", "agent-runner"),
    EventType(calls.CallRequested, "tools.v1.{service}.{name}", "agent-runner", "tool-runner"),
    EventType(
        calls.Answered,
        "inbox.v1.{run}.{kind}.{id}",
        "tool-runner, entity-store, router",
        "agent-runner, router",
    ),
    EventType(calls.SignalSent, "inbox.v1.{run}.signal.{id}", "router", "agent-runner, router"),
    EventType(calls.ControlSent, "inbox.v1.{run}.control.{id}", "router", "agent-runner, router"),
    EventType(calls.ChildRequested, "children.v1.{tenant}.{component}", "agent-runner", "router"),
    EventType(calls.RunClosed, "inbox.v1.{run}.closed.{run}", "agent-runner", "router"),
    EventType(succession.RunLine, "lines.v1.{run}", "router", "router, clients"),
    EventType(calls.RunFollowed, "inbox.v1.{run}.follower.{id}", "router", "router"),
    EventType(gates.GateTicked, "inbox.v1.{gate}.gate.tick", "broker", "router"),
    EventType(gates.GateMoved, "gates.v1.{gate}", "router", "router"),
    EventType(gates.GateStatePart, "gate-states.v1.{gate}.{sequence}.{part}", "router", "router"),
    EventType(calls.Taken, "{reply}", "agent-runner", "tool-runner, entity-store, router"),
    EventType(calls.RunHeld, "{reply}", "agent-runner", "agent-runner"),
    EventType(
        entities.InvocationRequested,
        "entities.v1.{partition}.{tenant}.{type}.{key}",
        "agent-runner",
        "entity-store",
    ),
    EventType(entities.TurnsRequested, "entity-turn.v1.{service}", "entity-store", "agent-runner"),
    EventType(entities.TurnProgress, "{reply}", "agent-runner", "entity-store"),
    EventType(
        entities.EntityCommitted,
        "entity-log.v1.{tenant}.{type}.{key}.{number}",
        "entity-store",
        "entity-store",
    ),
    EventType(memory.MemoryAsked, "memories.v1.{tenant}.ask", "agent-runner, clients", "entity-store"),
    EventType(memory.MemoriesFound, "{reply}", "entity-store", "agent-runner, clients"),
    EventType(memory.ErasureAsked, "memories.v1.{tenant}.erase", "agent-runner, clients", "entity-store"),
    EventType(memory.ErasureDone, "{reply}", "entity-store", "agent-runner, clients"),
    EventType(projections.RebuildAsked, "rebuilds.v1.{projection}", "clients", "entity-store"),
    EventType(projections.RebuildProgress, "{reply}", "entity-store", "clients"),
    EventType(journal.Claimed, "claim.v1.{run}.{epoch}", "agent-runner, router", "broker"),
    EventType(journal.RunStarted, _JOURNAL, "router", "agent-runner, audit-sink"),
    EventType(journal.StartRefused, _JOURNAL, "router", "audit-sink"),
    EventType(journal.LetterRedriven, _JOURNAL, "router", "audit-sink"),
    EventType(journal.RunPurged, _JOURNAL, "router", "audit-sink"),
    EventType(journal.ScheduleChanged, _JOURNAL, "router", "audit-sink"),
    EventType(journal.MemoriesErased, _JOURNAL, "entity-store", "entity-store, audit-sink"),
    EventType(journal.StepSettled, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.CallIntended, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.CallSettled, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.ActGivenUp, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.ValueDrawn, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.HandedOff, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.SignalReceived, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.SignalReturned, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.CancelReceived, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.PauseReceived, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.RunSuspended, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.RunResumed, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.ActAttemptFailed, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.AttemptFailed, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.RunFinished, _JOURNAL, "agent-runner, router", "audit-sink"),
    EventType(
        audit.AuditEvent, "audit.v1.{tenant}.{agent}.{kind}.{action}", "audit-sink", "anyone", public=True
    ),
    EventType(runs.RunEnded, "output.v1.{run}", "agent-runner, router", "anyone", public=True),
    EventType(runs.ChunkStreamed, "output.v1.{run}", "agent-runner, tool-runner", "anyone", public=True),
    EventType(payloads.PayloadStored, "output.v1.{run}", "agent-runner, tool-runner", "anyone", public=True),
    EventType(runs.RunsAsked, "runs-index.v1.list", "clients, router", "entity-store"),
    EventType(runs.RunsListed, "{reply}", "entity-store", "clients, router"),
    EventType(approvals.ApprovalsAsked, "runs-index.v1.approvals", "clients", "entity-store"),
    EventType(approvals.ApprovalsListed, "{reply}", "entity-store", "clients"),
    EventType(schedules.ScheduleRecord, "schedules.v1.{tenant}.{name}", "router", "router, clients"),
    EventType(schedules.ScheduleDue, "schedules-due.v1.{tenant}.{name}", "broker", "router"),
    EventType(components.ServiceRegistered, "catalogue.v1.{service}", "agent-runner, tool-runner", "router"),
    EventType(
        components.EditionSeen,
        "editions.v1.{service}.{edition}",
        "agent-runner, tool-runner",
        "agent-runner, tool-runner, clients",
    ),
    EventType(presence.Heartbeat, "presence.v1.{role}.{instance}", "every service", "router"),
    EventType(
        dead.DeadLetter, "dead.v1.{stream}.{consumer}.{letter}", "every service", "operators", public=True
    ),
)
