"""Every event type there is: its name, its shape, where it travels, and who sends it to whom."""

from typing import NamedTuple

from towpath_schemas import (
    audit,
    calls,
    components,
    dead,
    entities,
    journal,
    presence,
    requests,
    runs,
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
    EventType(requests.RunAccepted, "{reply_to}", "router", "requester", public=True),
    EventType(requests.RequestRefused, "{reply_to}", "router", "requester", public=True),
    EventType(calls.RunDispatched, "runs.v1.{verb}.{service}", "router", "agent-runner"),
    EventType(calls.CallRequested, "tools.v1.{service}.{name}", "agent-runner", "tool-runner"),
    EventType(
        calls.Answered, "inbox.v1.{run}.{kind}.{id}", "tool-runner, entity-store", "agent-runner, router"
    ),
    EventType(calls.Taken, "{reply}", "agent-runner", "tool-runner, entity-store, router"),
    EventType(
        entities.InvocationRequested, "entities.v1.{partition}.{type}.{key}", "agent-runner", "entity-store"
    ),
    EventType(entities.TurnRequested, "entity-turn.v1.{service}", "entity-store", "agent-runner"),
    EventType(entities.TurnProgress, "{reply}", "agent-runner", "entity-store"),
    EventType(
        entities.EntityCommitted, "entity-log.v1.{type}.{key}.{number}", "entity-store", "entity-store"
    ),
    EventType(journal.Claimed, "claim.v1.{run}.{epoch}", "agent-runner", "broker"),
    EventType(journal.RunStarted, _JOURNAL, "router", "agent-runner, audit-sink"),
    EventType(journal.StartRefused, _JOURNAL, "router", "audit-sink"),
    EventType(journal.StepSettled, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.CallIntended, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.CallSettled, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.ValueDrawn, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.HandedOff, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.RunSuspended, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.RunResumed, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(journal.RunFinished, _JOURNAL, "agent-runner", "audit-sink"),
    EventType(
        audit.AuditEvent, "audit.v1.{tenant}.{agent}.{kind}.{action}", "audit-sink", "anyone", public=True
    ),
    EventType(runs.RunEnded, "output.v1.{run}", "agent-runner", "anyone", public=True),
    EventType(runs.RunsAsked, "runs-index.v1.list", "gateway, cli", "entity-store"),
    EventType(runs.RunsListed, "{reply}", "entity-store", "gateway, cli"),
    EventType(components.ServiceRegistered, "catalogue.v1.{service}", "agent-runner, tool-runner", "router"),
    EventType(presence.Heartbeat, "presence.v1.{role}.{instance}", "every service", "router"),
    EventType(dead.DeadLetter, "dead.v1.{stream}.{consumer}", "every service", "operators", public=True),
)
