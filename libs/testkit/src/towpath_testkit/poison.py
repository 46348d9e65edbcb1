"""Messages that nobody can handle, of every kind, for every stream that somebody reads."""

from collections.abc import Iterator
from typing import NamedTuple

from towpath_chassis.inbox import CLOSED, RESULT, START
from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent
from towpath_schemas.calls import Answered, RunDispatched
from towpath_schemas.envelope import PAYLOAD_HEADER
from towpath_schemas.payloads import PayloadStored
from towpath_schemas.streams import (
    AUDIT,
    CATALOGUE,
    ENTITIES,
    INBOX,
    JOURNAL,
    REQUESTS,
    RUNS,
    TOOLS,
    Stream,
)

BODIES = {
    "empty": b"",
    "not-json": b"{",
    "not-text": b"\x00\xff\xfe",
    "no-object": b"[1, 2]",
    "surprising": b'{"surprise": 1}',
    "deep": b"[" * 100_000,
    "nested": b'{"input":' * 5_000 + b"1" + b"}" * 5_000,
    "large": b"\xff" * 1_000_000,
    "many-faults": b'{"a' + b'": 1, "b'.join(b"%d" % number for number in range(40_000)) + b'": 1}',
}
HEADERS = {
    "long-id": {"ce-id": "\N{SNOWMAN}" * 15_000},
    "long-claims": {"ce-userref": "x" * 30_000, "ce-agentname": "%" * 30_000},
    "long-tenant": {"ce-tenant": "x" * 60_000},
    "long-trace": {"traceparent": "0" * 60_000},
}


_TIMELESS = AuditEvent(
    at=float("nan"),
    run_id="timeless",
    kind="run",
    action="started",
    target="welcome",
    attribution=Attribution(tenant="acme"),
    correlation_id="c",
    source_stream="JOURNAL",
    source_sequence=1,
).to_body()


class Poison(NamedTuple):
    """One bad message, where it is published, and what the reason of its letter says at least."""

    kind: str
    stream: Stream
    subject: str
    body: bytes
    headers: dict[str, str]
    says: str = ""

    async def publish(self, js: JetStream) -> tuple[str, int]:
        """Publish it; tell its stream and its sequence there."""
        stored = await js.publish(self.subject, self.body, headers=self.headers or None)
        return self.stream.name, stored.sequence


def every_poison(service: str, number: int) -> Iterator[Poison]:
    """Make one of each kind; `number` tells its subjects from those of others, where a subject is written once."""
    yield from _of_any_body(service, number)
    yield from _lost(service, number)
    yield from _requests()
    yield from _work(service, number)


def _of_any_body(service: str, number: int) -> Iterator[Poison]:
    for kind, body in BODIES.items():
        run = f"poison-{kind}-{number}"
        places = {
            subjects.request("acme", "start", "welcome"): REQUESTS,
            subjects.dispatch("start", service): RUNS,
            subjects.call(service, "greet"): TOOLS,
            subjects.mailbox("acme", "Cart", run): ENTITIES,
            subjects.child("acme", "welcome"): REQUESTS,
            subjects.inbox(run, RESULT, "1"): INBOX,
            subjects.inbox(run, CLOSED, run): INBOX,
            subjects.inbox(run, START, run): INBOX,
            subjects.journal_entry(run, 0): JOURNAL,
            subjects.audit("acme", None, "run", "started"): AUDIT,
            subjects.catalogue(run): CATALOGUE,
        }
        for subject, stream in places.items():
            yield Poison(kind, stream, subject, body, {})


def _lost(service: str, number: int) -> Iterator[Poison]:
    """Make messages that name payloads which nobody keeps, or none."""
    run, headers = f"lost-{number}", {PAYLOAD_HEADER: "stored"}
    lost = PayloadStored(owner=subjects.NOBODY, sha256="0" * 64, size=700_000, pieces=2).to_body()
    endless = PayloadStored(owner=subjects.NOBODY, sha256="0" * 64, size=10**12, pieces=2).to_body()
    places = {
        subjects.request("acme", "start", "welcome"): REQUESTS,
        subjects.dispatch("start", service): RUNS,
        subjects.call(service, "greet"): TOOLS,
        subjects.mailbox("acme", "Cart", run): ENTITIES,
        subjects.inbox(run, RESULT, "1"): INBOX,
        subjects.journal_entry(run, 0): JOURNAL,
        subjects.catalogue(run): CATALOGUE,
    }
    for subject, stream in places.items():
        yield Poison("lost", stream, subject, lost, headers, "is missing")
    yield Poison("endless", TOOLS, subjects.call(service, "greet"), endless, headers, "which none has")
    yield Poison("nameless", TOOLS, subjects.call(service, "greet"), b"{}", headers, "names a payload")


def _requests() -> Iterator[Poison]:
    start = subjects.request("acme", "start", "welcome")
    for kind, headers in HEADERS.items():
        yield Poison(kind, REQUESTS, start, b"{", headers)
    agent = b'{"attribution": {"agent": "%s"}}' % ("\N{SNOWMAN}" * 256).encode()
    nowhere = subjects.request("acme", "start", "nowhere")
    yield Poison("unknown", REQUESTS, nowhere, agent, {}, "nowhere")
    yield Poison("verb", REQUESTS, subjects.request("acme", "explode", "x"), b"{}", {}, "explode")
    yield Poison("forged", REQUESTS, start, b"{}", {"ce-tenant": "other"}, "other")
    yield Poison(
        "no-tenant", REQUESTS, subjects.request("\N{SNOWMAN}" * 250, "start", "x"), b"{}", {}, "tenant"
    )


def _work(service: str, number: int) -> Iterator[Poison]:
    run, start = f"unheard-of-{number}", subjects.dispatch("start", service)
    unheard = RunDispatched(run_id=run, reason="wake").to_body()
    odd = RunDispatched(run_id=f"{run}-odd", reason="start", first_entry="{").to_body()
    answer = Answered(answer_id="a", run_id=run, key="k")
    strays = answer.model_copy(update={"run_id": "another"}).to_body()
    yield Poison("unheard-of", RUNS, start, unheard, {}, "no first entry")
    yield Poison("odd-entry", RUNS, start, odd, {})
    yield Poison("unheard-of", INBOX, subjects.inbox(run, RESULT, "1"), answer.to_body(), {}, "no run")
    yield Poison("astray", INBOX, subjects.inbox(run, RESULT, "2"), strays, {}, "another")
    there = subjects.partition_of("acme", "Cart", run)
    elsewhere = f"entities.v1.{(there + 1) % subjects.ENTITY_PARTITIONS}.acme.Cart.{run}"
    yield Poison("elsewhere", ENTITIES, elsewhere, b"{}", {}, "not the mailbox")
    yield Poison("no-mailbox", ENTITIES, f"entities.v1.{there}.Cart", b"{}", {}, "no mailbox")
    yield Poison("no-entry", JOURNAL, f"journal.v1.odd-{number}", b"{}", {})
    yield Poison("no-time", AUDIT, subjects.audit("acme", None, "run", "started"), _TIMELESS, {}, "no time")
