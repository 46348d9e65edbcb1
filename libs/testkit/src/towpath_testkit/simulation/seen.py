"""What is left when a simulation is over: what the broker has stored, and what the user code did."""

import hashlib
import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.dead import DeadLetter
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.journal import Claimed, JournalRecord, RunFinished, RunStarted, read_record
from towpath_schemas.streams import AUDIT, DEAD, JOURNAL
from towpath_testkit.jetstream_model.clock import SECOND
from towpath_testkit.jetstream_model.messages import Message
from towpath_testkit.simulation.asking import Request
from towpath_testkit.simulation.calling import Called
from towpath_testkit.simulation.effects import Effect
from towpath_testkit.simulation.world import World
from towpath_testkit.virtual_time import EPOCH_S


class Entry(NamedTuple):
    """A journal entry.

    Attributes:
        number: Its place in its run's journal.
        sequence: Its place in the stream.
        at_s: When the broker stored it, in virtual seconds.
    """

    number: int
    sequence: int
    at_s: float
    record: JournalRecord


class Taken(NamedTuple):
    """A claim of a run: who took it, as which one, and when: its place in the stream, and in virtual seconds."""

    epoch: int
    runner: str
    sequence: int
    at_s: float


class State(NamedTuple):
    """What an entity holds after the record `number` of its log."""

    number: int
    values: dict[str, Any]


Place = tuple[str, str]
"""An entity's type and key."""


@dataclass(frozen=True, slots=True, repr=False)  # asyncio writes down what a task returned, just in case
class Simulated:
    """What came of a simulation.

    Attributes:
        journals: The entries of each run, in the order in which they were stored, by the run's id.
        claims: The claims of each run, in that order.
        told: The audit events, in order.
        dead: All dead letters.
        effects: What user code did, in order.
        called: The calls of entities that clients made, in the order of their answers for each client.
        states: What is committed of each entity, by type and key.
        copies: What Redis has of each entity: the number of a record, and the state after it.
        shown: What the index of runs shows as the status of each run.
        log: What went wrong, and what the services complained of, with the virtual second of it.
        virtual_s: How long it took.
        fingerprint: A digest of everything that was stored, and when: equal for equal runs.
    """

    seed: int
    journals: dict[str, list[Entry]]
    claims: dict[str, list[Taken]]
    told: list[AuditEvent]
    dead: list[DeadLetter]
    effects: list[Effect]
    called: list[Called]
    states: dict[Place, State]
    copies: dict[Place, State]
    shown: dict[str, str]
    log: list[str]
    virtual_s: float
    fingerprint: str

    def end_of(self, request: Request) -> RunFinished:
        """Tell how a run ended.

        Raises:
            LookupError: If it has not.
        """
        return self.ends[request.run_id]

    @property
    def ends(self) -> dict[str, RunFinished]:
        """How each run ended that did, by its id."""
        return {
            run_id: entry.record
            for run_id, entries in self.journals.items()
            for entry in entries
            if isinstance(entry.record, RunFinished)
        }

    @property
    def ended_s(self) -> dict[str, float]:
        """When each run ended that did, by its id."""
        return {
            run_id: entry.at_s
            for run_id, entries in self.journals.items()
            for entry in entries
            if isinstance(entry.record, RunFinished)
        }

    def component_of(self, run_id: str) -> str | None:
        """Tell what a run runs."""
        first = self.journals[run_id][0].record
        return first.component if isinstance(first, RunStarted) else None


def seen(seed: int, world: World, effects: list[Effect], called: list[Called]) -> Simulated:
    """Look at what is left."""
    return Simulated(
        seed=seed,
        journals=journals(world),
        claims=_claims(world),
        told=[AuditEvent.from_body(message.body) for message in world.broker.streams[AUDIT.name].store],
        dead=[DeadLetter.from_body(message.body) for message in world.broker.streams[DEAD.name].store],
        effects=list(effects),
        called=called,
        states=_states(world),
        copies=_copies(world),
        shown=_shown(world),
        log=world.log,
        virtual_s=world.loop.time(),
        fingerprint=_fingerprint(world),
    )


def journals(world: World) -> dict[str, list[Entry]]:
    """Read the journals of all runs."""
    found: dict[str, list[Entry]] = {}
    for message in _in_journal(world, subjects.EVERY_JOURNAL_ENTRY):
        run_id, number = subjects.read_journal_entry(message.subject)
        entry = Entry(number, message.sequence, _at_s(message), read_record(message.body))
        found.setdefault(run_id, []).append(entry)
    return found


def _claims(world: World) -> dict[str, list[Taken]]:
    found: dict[str, list[Taken]] = {}
    for message in _in_journal(world, "claim.v1.>"):
        run_id, epoch = subjects.read_claim(message.subject)
        runner = Claimed.from_body(message.body).runner
        found.setdefault(run_id, []).append(Taken(epoch, runner, message.sequence, _at_s(message)))
    return found


def _states(world: World) -> dict[Place, State]:
    """Fold the logs of all entities."""
    found: dict[Place, State] = {}
    for message in _in_journal(world, "entity-log.v1.>"):
        name, record = EntityName.of_record(message.subject), EntityCommitted.from_body(message.body)
        before = found.get((name.entity_type, name.key), State(0, {})).values
        values = record.snapshot if record.snapshot is not None else {**before, **record.values}
        kept = {field: value for field, value in values.items() if field not in record.deleted}
        found[name.entity_type, name.key] = State(record.number, kept)
    return found


def _copies(world: World) -> dict[Place, State]:
    found: dict[Place, State] = {}
    for key, kept in world.redis.store.items():
        prefix, _, name = key.decode().rpartition(":entity:")
        if prefix:
            _tenant, entity_type, entity_key = map(subjects.name_of, name.split(":"))
            values = {field[1:].decode(): json.loads(one) for field, one in kept.items() if field[:1] == b"="}
            found[entity_type, entity_key] = State(int(kept[b"number"]), values)
    return found


def _shown(world: World) -> dict[str, str]:
    runs = ((key.decode().rpartition(":run:"), kept) for key, kept in world.redis.store.items())
    return {run_id: kept.get(b"shown", b"").decode() for (_, found, run_id), kept in runs if found}


def _in_journal(world: World, pattern: str) -> Generator[Message]:
    yield from world.broker.streams[JOURNAL.name].store.matching(pattern)


def _at_s(message: Message) -> float:
    return message.at_ns / SECOND - EPOCH_S


def _fingerprint(world: World) -> str:
    digest = hashlib.sha256()
    for name, stream in sorted(world.broker.streams.items()):
        for message in stream.store:
            place = f"{name} {message.sequence} {message.subject} {message.at_ns}"
            digest.update(place.encode() + message.headers.raw + message.body)
    return digest.hexdigest()
