"""The list of streams, and of the durable consumers on them: what each keeps, for how long, by which rule."""

from typing import Literal

from towpath_schemas.shape import Shape
from towpath_schemas.subjects import ENTITY_PARTITIONS, EVERY_ENTITY_ALARM, mailboxes_in, token

DAY_S = 86_400.0


class Stream(Shape):
    """One JetStream stream.

    Attributes:
        purpose: One sentence for people.
        write_once: Whether a subject takes one message ever; the broker refuses a second.
        last_only: Whether only the newest message of a subject is kept.
        max_age_s: Seconds a message is kept; 0 for ever.
        dedupe_s: Seconds within which a repeated message id is dropped.
        append_only: Whether the broker refuses to delete or purge, and refuses new messages when full.
        schedules: Whether messages may be broker schedules (timers).
        expiring: Whether a message may say itself how long it is kept.
        atomic: Whether several messages may be stored together, all or none.
    """

    name: str
    subjects: tuple[str, ...]
    purpose: str
    retention: Literal["limits", "workqueue"] = "limits"
    storage: Literal["file", "memory"] = "file"
    write_once: bool = False
    last_only: bool = False
    max_age_s: float = 0.0
    dedupe_s: float = 120.0
    append_only: bool = False
    schedules: bool = False
    expiring: bool = False
    atomic: bool = False


REQUESTS = Stream(
    name="REQUESTS",
    subjects=("requests.v1.*.*.*", "children.v1.*.*"),
    retention="workqueue",
    purpose="The public door, where anyone with a NATS client publishes request events; and the runners' own door.",
)
RUNS = Stream(
    name="RUNS",
    subjects=("runs.v1.*.*",),
    retention="workqueue",
    purpose="Runs handed to runners, to start or to resume.",
)
TOOLS = Stream(
    name="TOOLS",
    subjects=("tools.v1.*.*",),
    retention="workqueue",
    purpose="Calls of functions and tools.",
)
ENTITIES = Stream(
    name="ENTITIES",
    subjects=(*(mailboxes_in(partition) for partition in range(ENTITY_PARTITIONS)), EVERY_ENTITY_ALARM),
    max_age_s=7 * DAY_S,
    schedules=True,
    purpose="The mailbox of each entity: writes in the order in which they were accepted; alarms of states that expire.",
)
JOURNAL = Stream(
    name="JOURNAL",
    subjects=("journal.v1.>", "claim.v1.>", "entity-log.v1.>"),
    write_once=True,
    expiring=True,
    atomic=True,
    purpose="The truth: one record for each step of a run and each commit of an entity.",
)
SNAPSHOTS = Stream(
    name="SNAPSHOTS",
    subjects=("snapshots.v1.*",),
    last_only=True,
    max_age_s=30 * DAY_S,
    purpose="Copies of the first entries of long journals, each in one message: a convenience, not the truth.",
)
INBOX = Stream(
    name="INBOX",
    subjects=("inbox.v1.*.*.*", "timers.v1.*.*", "handed-over.v1.*"),
    max_age_s=30 * DAY_S,
    schedules=True,
    expiring=True,
    purpose="What arrives for a run that nobody holds in memory; timers are broker schedules into it.",
)
LINES = Stream(
    name="LINES",
    subjects=("lines.v1.*",),
    last_only=True,
    purpose="Of runs that go on from one another the one that goes on now; kept until the first and the last are purged.",
)
AUDIT = Stream(
    name="AUDIT",
    subjects=("audit.v1.>",),
    append_only=True,
    dedupe_s=600.0,
    purpose="The public audit stream.",
)
OUTPUT = Stream(
    name="OUTPUT",
    subjects=("output.v1.*",),
    storage="memory",
    max_age_s=600.0,
    dedupe_s=600.0,
    purpose="Results and streamed chunks, for whoever watches.",
)
DEAD = Stream(
    name="DEAD",
    subjects=("dead.v1.>",),
    max_age_s=90 * DAY_S,
    purpose="What could not be handled, with the reason.",
)
PAYLOADS = Stream(
    name="PAYLOADS",
    subjects=("payloads.v1.*.*.*",),
    last_only=True,
    max_age_s=90 * DAY_S,
    expiring=True,
    purpose="What is too large for a message, in pieces: the message names it.",
)
GATES = Stream(
    name="GATES",
    subjects=("gates.v1.*", "gate-states.v1.*.*.*"),
    purpose="Who came to and left each gate (a limit at work), from which it follows who waits and who passes.",
)
CATALOGUE = Stream(
    name="CATALOGUE",
    subjects=("catalogue.v1.*", "editions.v1.*.*"),
    last_only=True,
    purpose="The components that each service offers, and the editions of its code.",
)
SCHEDULES = Stream(
    name="SCHEDULES",
    subjects=("schedules.v1.*.*", "schedule-alarms.v1.*.*", "schedules-due.v1.*.*"),
    last_only=True,
    schedules=True,
    purpose="What starts runs again and again, how far it has come, and the broker schedules that tell when it is due.",
)

STREAMS = (
    REQUESTS,
    RUNS,
    TOOLS,
    ENTITIES,
    JOURNAL,
    SNAPSHOTS,
    INBOX,
    LINES,
    GATES,
    AUDIT,
    OUTPUT,
    DEAD,
    PAYLOADS,
    CATALOGUE,
    SCHEDULES,
)

REDRIVEN = (REQUESTS, RUNS, TOOLS, ENTITIES, INBOX, SCHEDULES)
"""Streams of what is asked for: a message of theirs that was given up may be published again.

The others tell what is so: what cannot be read there stays where it is, and its reader is mended and reads again.
"""

ROUTER_REQUESTS = "router-requests"
ROUTER_CHILDREN = "router-children"
ROUTER_INBOX = "router-inbox"
ROUTER_CATALOGUE = "router-catalogue"
ROUTER_SCHEDULES = "router-schedules"
RUNS_INDEX = "runs-index"
RUNS_BEGUN = "runs-begun"
MEMORY_INDEX = "memory-index"
AUDIT_SINK = "audit-sink"


def runner_consumer(service: str) -> str:
    """Name the durable consumer that the agent-runners of `service` share."""
    return f"runner-{token(service)}"


def tools_consumer(service: str) -> str:
    """Name the durable consumer that the tool-runners of `service` share."""
    return f"tools-{token(service)}"


def partition_consumer(partition: int) -> str:
    """Name the durable consumer that the owner of an entity partition holds."""
    return f"partition-{partition}"
