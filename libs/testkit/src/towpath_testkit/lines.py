"""Lines of runs written by hand: runs that have gone on from one another, as routers and runners leave them behind."""

from typing import Any

from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ChildRequested, RunClosed, RunEvent, SignalSent, read_event
from towpath_schemas.journal import InLine, JournalRecord, RunFinished, SignalReceived
from towpath_schemas.streams import INBOX, ROUTER_INBOX
from towpath_schemas.succession import RunLine, heard_digest
from towpath_testkit.builders import TENANT
from towpath_testkit.journals import AT, run_started, write_claim, write_journal
from towpath_testkit.settled import settled

ACME = Attribution(tenant=TENANT, user_id="u-1")
NEXT = identity.successor_run_id("run-1")
LAST = identity.successor_run_id(NEXT)


def continued(run_id: str = "run-1") -> RunFinished:
    """Write the end of a run from which another goes on."""
    return RunFinished(at=AT, end="continued", successor=identity.successor_run_id(run_id))


async def begun(js: JetStream, run_id: str, *records: JournalRecord, **started: Any) -> None:
    """Write a run that a runner has begun."""
    await write_journal(js, run_id, [run_started(**started), *records])
    await write_claim(js, run_id)


async def goes_on(js: JetStream, run_id: str, *records: JournalRecord, heard: tuple[str, ...] = ()) -> None:
    """Write a run that has gone on from run-1 by one or two, as the router does."""
    number, previous = (1, "run-1") if run_id == NEXT else (2, NEXT)
    said = RunLine(newest=run_id, number=number, previous=previous, tenant=TENANT)
    await js.publish(subjects.line("run-1"), said.to_body())
    digests = tuple(heard_digest(event_id) for event_id in heard)
    line = InLine(first="run-1", number=number, heard=digests)
    await begun(js, run_id, *records, continues=previous, line=line)


async def close(js: JetStream, **changes: Any) -> None:
    """Report that run-1 has continued as new, as its runner does."""
    successor = ChildRequested(
        run_id=NEXT, component="greet", continues="run-1", attribution=ACME, correlation_id="c-1", **changes
    )
    closed = RunClosed(run_id="run-1", end="continued", successor=successor, attribution=ACME)
    await js.publish(subjects.inbox("run-1", "closed", "run-1"), closed.to_body())
    await settled(js, INBOX, ROUTER_INBOX)


async def events(js: JetStream, run_id: str) -> list[RunEvent]:
    """List what waits in the inbox of a run."""
    return [read_event(one.body) for one in await js.following(INBOX, subjects.inbox_of(run_id), start=1)]


def signal(signal_id: str, run_id: str = "run-1") -> SignalSent:
    """Write a signal whose payload is its id."""
    return SignalSent(signal_id=signal_id, run_id=run_id, name="paid", payload=signal_id, attribution=ACME)


def kept(signal_id: str) -> SignalReceived:
    """Write the record of a signal that no wait has got yet."""
    return SignalReceived(at=AT, signal_id=signal_id, name="paid", payload=signal_id, attribution=ACME)
