"""A run that has ended can be forgotten: nothing of it stays but the note of who wanted that, for the audit trail."""

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.journal import JournalRecord, RunFinished, RunPurged, StepSettled, read_record
from towpath_schemas.requests import ControlRequested, RequestDone
from towpath_schemas.streams import AUDIT, INBOX, JOURNAL, REQUESTS, ROUTER_REQUESTS
from towpath_testkit.asking import ask, code_of
from towpath_testkit.builders import start_requested
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_entry, write_journal
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

FORGET = ControlRequested(reason="she asked us to")
STEP = StepSettled(at=AT, key="a#0", result="her address")
END = RunFinished(at=AT + 1, end="completed", result="her address")


@pytest.fixture
async def audited(towpath: Platform) -> Platform:
    await towpath.audit_sink()
    return towpath


async def left_of(js: JetStream, run_id: str) -> list[JournalRecord | str]:
    """List what there is of a run, without what goes by itself: the claim that keeps runners off it."""
    entries = await js.following(JOURNAL, subjects.journal_of(run_id), start=1)
    others = [
        *await js.following(JOURNAL, subjects.claims_of(run_id), start=1),
        *await js.following(INBOX, subjects.inbox_of(run_id), start=1),
    ]
    stays = [one.subject for one in others if "Nats-TTL" not in one.headers]
    return [*(read_record(one.body) for one in entries), *stays]


async def told(js: JetStream) -> list[AuditEvent]:
    found = await js.following(AUDIT, "audit.v1.*.*.run.purged", start=1)
    return [AuditEvent.from_body(one.body) for one in found]


async def test_nothing_stays_of_a_forgotten_run_but_the_note_and_its_audit_trail(audited: Platform) -> None:
    js = audited.js
    await write_journal(js, "run-1", [run_started(), STEP, END])
    await write_claim(js, "run-1")
    await js.publish(subjects.inbox("run-1", "signal", "late"), b"{}")
    await write_journal(js, "run-10", [run_started(), END])

    word = await ask(js, "purge", "run-1", FORGET)

    assert isinstance(word, RequestDone)
    (note,) = await left_of(js, "run-1")
    assert isinstance(note, RunPurged)
    assert (note.component, note.reason) == ("greet", "she asked us to")
    assert await left_of(js, "run-10") == [run_started(), END]
    (event,) = await until(lambda: told(js), lambda found: found)
    assert (event.run_id, event.target, event.attribution.tenant) == ("run-1", "greet", "acme")
    of_run = await js.following(AUDIT, "audit.v1.>", start=1)
    assert sum(AuditEvent.from_body(one.body).run_id == "run-1" for one in of_run) == 4


async def test_a_run_is_not_forgotten_before_the_audit_stream_knows_all_of_it(towpath: Platform) -> None:
    js = towpath.js
    await write_journal(js, "run-1", [run_started(), END])
    await js.publish(subjects.request("acme", "purge", "run-1"), FORGET.to_body(), headers={"ce-id": "p-1"})

    async def put_off() -> int:
        said = await js.api(f"CONSUMER.INFO.{REQUESTS.name}.{ROUTER_REQUESTS}")
        return int(said["num_redelivered"])

    await until(put_off, bool)
    assert len(await left_of(js, "run-1")) == 2

    await towpath.audit_sink()

    await until(lambda: left_of(js, "run-1"), lambda left: len(left) == 1)


async def test_a_run_that_goes_on_is_not_forgotten(audited: Platform) -> None:
    await write_journal(audited.js, "run-1", [run_started(), STEP])

    assert code_of(await ask(audited.js, "purge", "run-1", FORGET)) == "run_active"
    assert len(await left_of(audited.js, "run-1")) == 2


async def test_nobody_forgets_the_runs_of_others(audited: Platform) -> None:
    await write_journal(audited.js, "run-1", [run_started(), END])

    word = await ask(audited.js, "purge", "run-1", FORGET, tenant="globex")

    assert code_of(word) == "unknown_run"
    assert len(await left_of(audited.js, "run-1")) == 2


async def test_a_request_that_comes_again_after_a_crash_does_what_was_left(audited: Platform) -> None:
    js = audited.js
    await write_journal(js, "run-1", [run_started(), END])
    by = run_started().attribution
    noted = RunPurged(at=AT, component="greet", attribution=by, correlation_id="p-1")
    await write_entry(js, "run-1", 2, noted)

    first = await ask(js, "purge", "run-1", FORGET, request_id="p-1")
    again = await ask(js, "purge", "run-1", FORGET, request_id="p-1", headers={"Nats-Msg-Id": "another"})

    assert isinstance(first, RequestDone)
    assert isinstance(again, RequestDone)
    assert await left_of(js, "run-1") == [noted]
    assert code_of(await ask(js, "purge", "run-1", FORGET)) == "unknown_run"


async def test_the_key_of_a_forgotten_run_is_not_taken_for_another(audited: Platform) -> None:
    js, run_id = audited.js, identity.run_id("acme", "greet", "order-1")
    await write_journal(js, run_id, [run_started(), END])
    await ask(js, "purge", run_id, FORGET)

    word = await ask(js, "start", "greet", start_requested(idempotency_key="order-1"))

    assert code_of(word) == "run_purged"
    assert len(await left_of(js, run_id)) == 1
