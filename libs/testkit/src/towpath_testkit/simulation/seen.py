"""What is left when a simulation is over: what the broker has stored, and what the user code did."""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.dead import DeadLetter
from towpath_schemas.journal import Claimed, JournalRecord, RunFinished, read_record
from towpath_schemas.streams import AUDIT, DEAD, JOURNAL
from towpath_testkit.jetstream_model.clock import SECOND
from towpath_testkit.jetstream_model.messages import Message
from towpath_testkit.simulation.asking import Request
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


@dataclass(frozen=True, slots=True, repr=False)  # asyncio writes down what a task returned, just in case
class Simulated:
    """What came of a simulation.

    Attributes:
        journals: The entries of each run, in the order in which they were stored, by the run's id.
        claims: The claims of each run, in that order.
        told: The audit events, in order.
        dead: All dead letters.
        effects: What user code did, in order.
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


def seen(seed: int, world: World, effects: list[Effect]) -> Simulated:
    """Look at what is left."""
    return Simulated(
        seed=seed,
        journals=journals(world),
        claims=_claims(world),
        told=[AuditEvent.from_body(message.body) for message in world.broker.streams[AUDIT.name].store],
        dead=[DeadLetter.from_body(message.body) for message in world.broker.streams[DEAD.name].store],
        effects=list(effects),
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
