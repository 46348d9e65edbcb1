"""The one grammar of subjects: every subject Towpath publishes or filters on is built or read here.

A token is `[A-Za-z0-9_-]+`. Anything else in a user's name or key is written as `-xHH`, one for each
UTF-8 byte, so that ordinary names stay readable and every name comes back as it was.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from towpath_schemas.identity import derived_id

ENTITY_PARTITIONS = 64
ENTRIES_PER_CHUNK = 1_000
EVERY_PRESENCE = "presence.v1.*.*"
EVERY_REGISTRATION = "catalogue.v1.*"
EVERY_GATE = "gates.v1.*"
EVERY_REQUEST = "requests.v1.*.*.*"
EVERY_CHILD = "children.v1.*.*"
EVERY_INBOX_EVENT = "inbox.v1.*.*.*"
EVERY_FIRST_CLAIM = "claim.v1.*.1"
EVERY_ENTITY_ALARM = "entity-alarms.v1.*.*.*"
EVERY_ENTITY_RECORD = "entity-log.v1.*.*.*.*"
EVERY_ENTITY_READ = "entity-read.v1.*.*.*"
EVERY_MEMORY_QUESTION = "memories.v1.*.ask"
EVERY_MEMORY_ERASURE = "memories.v1.*.erase"
EVERY_REBUILD = "rebuilds.v1.*"
EVERY_JOURNAL_ENTRY = "journal.v1.>"
EVERY_AUDIT_EVENT = "audit.v1.>"
EVERY_LETTER = "dead.v1.*.*.*"
EVERY_SCHEDULE = "schedules.v1.*.*"
EVERY_SCHEDULE_ALARM = "schedule-alarms.v1.*.*"
EVERY_SCHEDULE_DUE = "schedules-due.v1.*.*"
AUDIT_OF_RUNS = (
    "audit.v1.*.*.run.*",
    "audit.v1.*.*.request.refused",
    "audit.v1.*.*.signal.*",
    "audit.v1.*.*.approval.*",
)
"""What the index of runs is made of."""
LONGEST_TOKEN = 1_024
"""Characters that a tenant's or an agent's name may take in a subject: the broker takes 4,096 for a whole command."""
NOBODY = "_"
"""Stands where a subject has a place for an agent and there is none."""

_PLAIN = re.compile(r"(?:[A-Za-z0-9_]|-(?!x[0-9a-f]{2}))+")
_ESCAPE = re.compile(rb"-x([0-9a-f]{2})")
_EMPTY = "-x"
_REMEMBERED = 16_384
"""Names whose written form is kept: those in use are written again and again."""


@lru_cache(maxsize=_REMEMBERED)
def token(name: str) -> str:
    """Write any text as one subject token.

    >>> token("math.add"), token("hello-service"), token("über")
    ('math-x2eadd', 'hello-service', '-xc3-xbcber')
    """
    if _PLAIN.fullmatch(name) and name != _EMPTY:
        return name
    if name in {"", _EMPTY}:
        return "-x2dx" if name else _EMPTY
    return "".join(_written(name, at) for at in range(len(name)))


def _written(name: str, at: int) -> str:
    char = name[at]
    if _PLAIN.match(name, at):
        return char
    return "".join(f"-x{byte:02x}" for byte in char.encode(errors="surrogatepass"))


def name_of(written: str) -> str:
    """Read back what `token` wrote.

    >>> name_of("math-x2eadd")
    'math.add'
    """
    if written == _EMPTY:
        return ""
    raw = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), written.encode())
    return raw.decode(errors="surrogatepass")


_OURS = frozenset(
    [
        "audit",
        "catalogue",
        "children",
        "claim",
        "dead",
        "editions",
        "entities",
        "entity-alarms",
        "entity-log",
        "entity-read",
        "entity-turn",
        "gate-states",
        "gates",
        "handed-over",
        "inbox",
        "journal",
        "lines",
        "live",
        "memories",
        "output",
        "payloads",
        "presence",
        "rebuilds",
        "requests",
        "runs",
        "runs-index",
        "schedule-alarms",
        "schedules",
        "schedules-due",
        "serving",
        "snapshots",
        "timers",
        "tools",
    ]
)


def is_ours(subject: str) -> bool:
    """Tell whether `subject` is the platform's or the broker's own, so that nobody may have an answer sent there.

    >>> is_ours("journal.v1.a.0.7"), is_ours("$JS.API.STREAM.PURGE.JOURNAL"), is_ours("_INBOX.x")
    (True, True, False)
    """
    first, *others = subject.split(".")
    return first.startswith("$") or (first in _OURS and others[:1] == ["v1"])


def matches(pattern: str, subject: str) -> bool:
    """Tell whether `subject` is one that `pattern` means, as the broker does.

    >>> (
    ...     matches("tools.v1.*.add", "tools.v1.hello.add"),
    ...     matches("tools.>", "tools"),
    ...     matches("tools.>", "tools.v1"),
    ... )
    (True, False, True)
    """
    wanted, there = pattern.split("."), subject.split(".")
    if wanted[-1] == ">" and len(there) >= len(wanted):
        wanted, there = wanted[:-1], there[: len(wanted) - 1]
    return len(wanted) == len(there) and all(
        one in ("*", other) for one, other in zip(wanted, there, strict=True)
    )


def tenant_of(subject: str) -> str | None:
    """Tell the tenant that a subject names; None where it names none.

    >>> tenant_of("requests.v1.acme.start.greet"), tenant_of("tools.v1.hello.add")
    ('acme', None)
    """
    return _third_token(
        subject,
        of=(
            "requests",
            "children",
            "audit",
            "schedules",
            "schedules-due",
            "entity-log",
            "entity-read",
            "memories",
        ),
    )


def run_of(subject: str) -> str | None:
    """Tell the run that a subject names; None where it names none.

    >>> run_of("inbox.v1.run-1.result.a"), run_of("tools.v1.hello.add")
    ('run-1', None)
    """
    return _third_token(subject, of=("journal", "claim", "inbox", "handed-over", "timers", "output"))


def _third_token(subject: str, *, of: tuple[str, ...]) -> str | None:
    first, *others = subject.split(".")
    if first not in of or others[:1] != ["v1"] or len(others) == 1:
        return None
    try:
        return name_of(others[1])
    except ValueError:
        return None


class RequestAddress(NamedTuple):
    """What the subject of a request says."""

    tenant: str
    verb: str
    target: str


def request(tenant: str, verb: str, target: str) -> str:
    """Name the public door: where a request event for `target` (a component, later a run) is published."""
    return f"requests.v1.{token(tenant)}.{token(verb)}.{token(target)}"


def read_request(subject: str) -> RequestAddress:
    """Read the address of a request event from its subject.

    Raises:
        ValueError: If the subject does not have the five tokens of `requests.v1.<tenant>.<verb>.<target>`.
    """
    tokens = subject.split(".")
    if len(tokens) != 5 or tokens[:2] != ["requests", "v1"]:  # noqa: PLR2004 - the shape in the message
        raise ValueError(f"{subject!r} is not requests.v1.<tenant>.<verb>.<component>")
    return RequestAddress(*(name_of(part) for part in tokens[2:]))


def dispatch(verb: str, service: str) -> str:
    """Name where runs of `service` are handed to its runners; `verb` is start or resume."""
    return f"runs.v1.{token(verb)}.{token(service)}"


def dispatches_of(service: str) -> str:
    """Match every dispatch to the runners of `service`."""
    return f"runs.v1.*.{token(service)}"


def calls_of(service: str) -> str:
    """Match every call to the tool-runners of `service`."""
    return f"tools.v1.{token(service)}.*"


def call(service: str, name: str) -> str:
    """Name where calls of the function or tool `name` of `service` wait for a tool-runner."""
    return f"tools.v1.{token(service)}.{token(name)}"


def chunk_of(number: int) -> int:
    """Tell in which chunk of a run's journal the entry of a number is."""
    return number // ENTRIES_PER_CHUNK


def journal_entry(run_id: str, number: int) -> str:
    """Name the write-once place of a run's entry, `number` counted from 0."""
    return f"journal.v1.{run_id}.{chunk_of(number)}.{number}"


def journal_chunk(run_id: str, chunk: int) -> str:
    """Match up to `ENTRIES_PER_CHUNK` entries of a run: as many as one read may ask for."""
    return f"journal.v1.{run_id}.{chunk}.*"


def journal_of(run_id: str) -> str:
    """Match every entry of a run."""
    return f"journal.v1.{run_id}.>"


def read_journal_entry(subject: str) -> tuple[str, int]:
    """Read the run and the entry's number from the subject of a journal entry."""
    _, _, run_id, _, number = subject.split(".")
    return run_id, int(number)


def snapshot(run_id: str) -> str:
    """Name where a copy of the first entries of a long journal is kept; the last one holds."""
    return f"snapshots.v1.{run_id}"


def claim(run_id: str, epoch: int) -> str:
    """Name the message whose creation makes someone the owner of a run for `epoch`, from 1."""
    return f"claim.v1.{run_id}.{epoch}"


def claims_of(run_id: str) -> str:
    """Match every claim of a run; the newest one fences its journal."""
    return f"claim.v1.{run_id}.*"


def read_claim(subject: str) -> tuple[str, int]:
    """Read the run and the epoch from the subject of a claim."""
    _, _, run_id, epoch = subject.split(".")
    return run_id, int(epoch)


def entity_log(tenant: str, entity_type: str, key: str, number: int) -> str:
    """Name the write-once place of an entity's commit, `number` counted from 1."""
    return f"entity-log.v1.{token(tenant)}.{token(entity_type)}.{token(key)}.{number}"


def entity_logs_of(tenant: str, entity_type: str, key: str) -> str:
    """Match every commit of one entity."""
    return f"entity-log.v1.{token(tenant)}.{token(entity_type)}.{token(key)}.*"


def read_entity_log(subject: str) -> int:
    """Read the number of a commit from its subject."""
    return int(subject.rpartition(".")[2])


def partition_of(tenant: str, entity_type: str, key: str) -> int:
    """Tell the partition of an entity: FNV-1a over its name, so that every language agrees."""
    return _fnv_1a(tenant, entity_type, key) % ENTITY_PARTITIONS


@lru_cache(maxsize=_REMEMBERED)
def _fnv_1a(*names: str) -> int:
    value = 0x811C9DC5
    for byte in "\0".join(names).encode(errors="surrogatepass"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def mailbox(tenant: str, entity_type: str, key: str) -> str:
    """Name the mailbox of one entity, where writes wait for its owner in order."""
    partition = partition_of(tenant, entity_type, key)
    return f"entities.v1.{partition}.{token(tenant)}.{token(entity_type)}.{token(key)}"


def mailboxes_in(partition: int) -> str:
    """Match the mailboxes of all entities of a partition."""
    return f"entities.v1.{partition}.>"


@lru_cache(maxsize=_REMEMBERED)
def read_mailbox(subject: str) -> tuple[str, str, str]:
    """Read the entity's tenant, type and key from the subject of its mailbox.

    Raises:
        ValueError: If it is none.
    """
    tokens = subject.split(".")
    if len(tokens) != 6:  # noqa: PLR2004 - the shape in the message
        raise ValueError(f"{subject!r} is not entities.v1.<partition>.<tenant>.<type>.<key>")
    return name_of(tokens[3]), name_of(tokens[4]), name_of(tokens[5])


def entity_alarm(tenant: str, entity_type: str, key: str) -> str:
    """Name the broker schedule that rings in an entity's mailbox when its state expires."""
    return f"entity-alarms.v1.{token(tenant)}.{token(entity_type)}.{token(key)}"


def entity_read(tenant: str, entity_type: str, key: str) -> str:
    """Name the core subject on which any entity-store answers a shared method."""
    return f"entity-read.v1.{token(tenant)}.{token(entity_type)}.{token(key)}"


def entity_turn(service: str) -> str:
    """Name the core subject on which a runner of `service` executes entity methods."""
    return f"entity-turn.v1.{token(service)}"


def inbox(run_id: str, kind: str, event_id: str) -> str:
    """Name where an event waits for a run that nobody holds in memory."""
    return f"inbox.v1.{run_id}.{kind}.{token(event_id)}"


def inbox_of(run_id: str) -> str:
    """Match everything that waits for a run."""
    return f"inbox.v1.{run_id}.>"


def read_inbox(subject: str) -> tuple[str, str]:
    """Read the run and the kind of event from the subject of an inbox event."""
    _, _, run_id, kind, _ = subject.split(".")
    return run_id, kind


def timer(run_id: str, timer_id: str) -> str:
    """Name the broker schedule that brings an event into the run's inbox at its time; publishing it again replaces it."""
    return f"timers.v1.{run_id}.{token(timer_id)}"


def timers_of(run_id: str) -> str:
    """Match every pending timer of a run."""
    return f"timers.v1.{run_id}.*"


def inbox_kind_of(run_id: str, kind: str) -> str:
    """Match the events of one kind that wait for a run."""
    return f"inbox.v1.{run_id}.{kind}.*"


def handed_over(run_id: str) -> str:
    """Name the note that another run goes on from this one: nothing is put into its inbox any more."""
    return f"handed-over.v1.{run_id}"


def gate(gate_id: str) -> str:
    """Name the log of a gate; the broker takes a record only from who has read the one before."""
    return f"gates.v1.{gate_id}"


def read_gate(subject: str) -> str:
    """Read the id of the gate whose log is at `subject`."""
    return subject.rsplit(".", 1)[-1]


def gate_state(gate_id: str, sequence: int, part: int) -> str:
    """Name a part of the state of a gate after its record at `sequence` of the stream."""
    return f"gate-states.v1.{gate_id}.{sequence}.{part}"


def gate_state_at(gate_id: str, sequence: int) -> str:
    """Match the parts of the state of a gate after its record at `sequence` of the stream."""
    return f"gate-states.v1.{gate_id}.{sequence}.*"


def gate_states_of(gate_id: str) -> str:
    """Match all that is kept of the states of a gate."""
    return f"gate-states.v1.{gate_id}.>"


def child(tenant: str, component: str) -> str:
    """Name where a run asks for a child run: a door for runners only, since it names its own attribution."""
    return f"children.v1.{token(tenant)}.{token(component)}"


def live(run_id: str) -> str:
    """Name the core subject on which whoever holds the run in memory takes events."""
    return f"live.v1.{run_id}"


def audit(tenant: str, agent: str | None, kind: str, action: str) -> str:
    """Name where an audit event is told; an agent whose name would fill the subject is named in the event only."""
    written = token(agent) if agent else NOBODY
    place = written if len(written) <= LONGEST_TOKEN else NOBODY
    return f"audit.v1.{token(tenant)}.{place}.{token(kind)}.{token(action)}"


def audit_filter(*, tenant: str | None = None, agent: str | None = None, kind: str | None = None) -> str:
    """Match audit events by tenant, agent and kind; None matches any.

    >>> audit_filter(agent="billing")
    'audit.v1.*.billing.*.*'
    """
    chosen = (token(part) if part else "*" for part in (tenant, agent, kind))
    return f"audit.v1.{'.'.join(chosen)}.*"


def output(run_id: str) -> str:
    """Name where a run's result (and streamed chunks) are told."""
    return f"output.v1.{run_id}"


def dead_letter(stream: str, consumer: str, letter_id: str) -> str:
    """Name the place, written once, of the letter about a message that `consumer` of `stream` could not handle."""
    return f"dead.v1.{token(stream)}.{token(consumer)}.{letter_id}"


def dead(stream: str, consumer: str) -> str:
    """Match the dead letters of `consumer` of `stream`."""
    return f"dead.v1.{token(stream)}.{token(consumer)}.*"


def dead_in(stream: str) -> str:
    """Match the dead letters about messages of `stream`."""
    return f"dead.v1.{token(stream)}.*.*"


def payload_owner(subject: str) -> str:
    """Tell with whom a payload is purged that a message on `subject` names: a run, an entity, or nobody.

    >>> payload_owner("journal.v1.run-1.0.7"), payload_owner("tools.v1.hello.add")
    ('run-1', '_')
    """
    first, *others = subject.split(".")
    if first == "entity-log" and len(others) == 5:  # noqa: PLR2004 - entity-log.v1.<tenant>.<type>.<key>.<number>
        return payload_owner_of(*(name_of(part) for part in others[1:4]))
    of_run = first in {"journal", "snapshots", "inbox", "timers", "output", "live"} and len(others) > 1
    return others[1] if of_run else NOBODY


def payload_owner_of(tenant: str, entity_type: str, key: str) -> str:
    """Name the owner of the payloads that the log of an entity names."""
    return derived_id("entity", tenant, entity_type, key)


def payload_piece(owner: str, sha256: str, number: int) -> str:
    """Name where a piece, counted from 0, of a payload is kept."""
    return f"payloads.v1.{owner}.{sha256}.{number}"


def payload_pieces(owner: str, sha256: str) -> str:
    """Match all pieces of one payload."""
    return f"payloads.v1.{owner}.{sha256}.*"


def payloads_of(owner: str) -> str:
    """Match all pieces of all payloads of a run or an entity."""
    return f"payloads.v1.{owner}.>"


def line(first: str) -> str:
    """Name where it is kept which run goes on of those that have gone on from `first`; the last message holds."""
    return f"lines.v1.{token(first)}"


def schedule(tenant: str, name: str) -> str:
    """Name where a schedule is kept."""
    return f"schedules.v1.{token(tenant)}.{token(name)}"


def schedules_of(tenant: str) -> str:
    """Match every schedule of a tenant."""
    return f"schedules.v1.{token(tenant)}.*"


def schedule_alarm(tenant: str, name: str) -> str:
    """Name the broker schedule that tells when the next moment of a schedule has come."""
    return f"schedule-alarms.v1.{token(tenant)}.{token(name)}"


def schedule_due(tenant: str, name: str) -> str:
    """Name where it is told that a moment of a schedule has come."""
    return f"schedules-due.v1.{token(tenant)}.{token(name)}"


def read_schedule(subject: str) -> tuple[str, str]:
    """Read the tenant and the name from any subject of a schedule."""
    _, _, tenant, name = subject.split(".")
    return name_of(tenant), name_of(name)


def catalogue(service: str) -> str:
    """Name where a service's components are registered; the last message holds."""
    return f"catalogue.v1.{token(service)}"


def edition(service: str, edition: str) -> str:
    """Name where it is noted, once, what an edition of a service's code offers."""
    return f"editions.v1.{token(service)}.{token(edition)}"


def editions_of(service: str) -> str:
    """Match all editions of a service's code."""
    return f"editions.v1.{token(service)}.*"


def read_edition(subject: str) -> str:
    """Read the id of the edition that was noted at `subject`."""
    return name_of(subject.rsplit(".", 1)[-1])


def serving(service: str, edition: str) -> str:
    """Name the core subject on which whoever runs an edition of a service's code says so."""
    return f"serving.v1.{token(service)}.{token(edition)}"


def presence(role: str, instance: str) -> str:
    """Name the core subject of a process's heartbeats."""
    return f"presence.v1.{token(role)}.{token(instance)}"


def runs_index(question: str) -> str:
    """Name the core subject on which any entity-store answers questions about many runs."""
    return f"runs-index.v1.{token(question)}"


def memory_question(tenant: str) -> str:
    """Name the core subject on which any entity-store answers questions about the memories of a tenant."""
    return f"memories.v1.{token(tenant)}.ask"


def memory_erasure(tenant: str) -> str:
    """Name the core subject on which any entity-store erases memories of a tenant."""
    return f"memories.v1.{token(tenant)}.erase"


def entity_logs_of_type(entity_type: str, tenant: str | None = None) -> str:
    """Match every commit of the entities of a type, of one tenant or of all."""
    return f"entity-log.v1.{token(tenant) if tenant else '*'}.{token(entity_type)}.>"


def rebuild(projection: str) -> str:
    """Name the core subject on which any entity-store builds a projection anew."""
    return f"rebuilds.v1.{token(projection)}"
