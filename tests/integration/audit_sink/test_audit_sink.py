"""The sink tells each journal entry once, in order, whatever is killed meanwhile; and the ledger has what it told."""

import asyncio
import random
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from towpath_audit_sink.app import app
from towpath_audit_sink.ledger import FILE_NAME
from towpath_audit_sink.settings import Settings
from towpath_chassis.digests import digest
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import running
from towpath_chassis.streams import ensure_streams
from towpath_cli.embedded import ChildProcess
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, JournalRecord, RunFinished, RunSuspended, StepSettled
from towpath_schemas.ledger import verify
from towpath_schemas.streams import AUDIT, DEAD, JOURNAL, PAYLOADS
from towpath_testkit.journals import AT, journal, run_started, write_entry, write_journal
from towpath_testkit.servers import Servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live


@pytest.fixture
def ledger_dir(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@asynccontextmanager
async def sink(broker: Servers, ledger_dir: Path | None, **changes: object) -> AsyncGenerator[None]:
    settings = Settings.model_validate({"nats_url": broker.nats.url, "ledger_dir": ledger_dir, **changes})
    async with running("audit-sink", settings, app):
        yield


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async def held() -> bool:
        try:
            return await holds()
        except BrokerError:  # it was killed, and is not back yet
            return False

    await until(held, bool, deadline_s=30)


async def told(js: JetStream) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    while messages := await js.following(AUDIT, "audit.v1.>", start=len(events) + 1, limit=1_000):
        events += [AuditEvent.from_body(message.body) for message in messages]
    return events


async def sources(js: JetStream) -> list[int]:
    found: list[int] = []
    while messages := await js.following(
        JOURNAL, subjects.EVERY_JOURNAL_ENTRY, start=found[-1] + 1 if found else 1, limit=1_000
    ):
        found += [message.sequence for message in messages]
    return found


async def all_told(js: JetStream) -> bool:
    newest = await js.last(AUDIT, "audit.v1.>")
    last = await js.last(JOURNAL, subjects.EVERY_JOURNAL_ENTRY, whole=False)
    return newest is not None and last is not None and newest.headers["ce-sequence"] == str(last.sequence)


async def all_recorded(js: JetStream, ledger_dir: Path) -> bool:
    path = ledger_dir / FILE_NAME
    if not path.exists():
        return False
    verdict = await asyncio.to_thread(verify, path)
    return verdict.finding is None and 0 < verdict.head.sequence == await js.last_sequence(AUDIT)


async def assert_told_exactly_once(js: JetStream) -> None:
    await eventually(lambda: all_told(js))
    assert [event.source_sequence for event in await told(js)] == await sources(js)


async def test_each_entry_is_told_once_and_in_order(js: JetStream, broker: Servers, ledger_dir: Path) -> None:
    for run in range(5):
        await write_journal(js, f"run{run}", journal(run))
        await js.publish(subjects.claim(f"run{run}", 1), b"{}")

    async with sink(broker, ledger_dir):
        await write_journal(js, "live", journal(9))
        await assert_told_exactly_once(js)
        await eventually(lambda: all_recorded(js, ledger_dir))


async def test_an_event_has_the_attribution_of_its_run(js: JetStream, broker: Servers) -> None:
    await write_journal(js, "run1", journal(1, tenant="umbrella"))

    async with sink(broker, None):
        await eventually(lambda: all_told(js))

    messages = await js.following(AUDIT, "audit.v1.umbrella.>", start=1)
    assert len(messages) == len(journal(1))
    assert {(m.headers["ce-tenant"], m.headers["ce-userref"]) for m in messages} == {("umbrella", "u-1")}


async def test_a_run_that_is_not_remembered_is_looked_up(js: JetStream, broker: Servers) -> None:
    records = [journal(run, tenant=f"tenant{run}") for run in range(3)]
    for number in range(4):
        for run in range(3):
            await write_entry(js, f"run{run}", number, records[run][number])

    async with sink(broker, None, remembered_runs=1):
        await eventually(lambda: all_told(js))

    assert {(event.run_id, event.attribution.tenant) for event in await told(js)} == {
        (f"run{run}", f"tenant{run}") for run in range(3)
    }


async def test_an_entry_nobody_can_read_is_told_as_such(js: JetStream, broker: Servers) -> None:
    await js.publish("journal.v1.run1.0.0", b"\xff not json")
    await js.publish("journal.v1.garbage", b"{}")

    async with sink(broker, None):
        await eventually(lambda: all_told(js))

    assert [(event.kind, event.target) for event in await told(js)] == [
        ("record", "journal.v1.run1.0.0"),
        ("record", "journal.v1.garbage"),
    ]


async def test_what_is_written_to_a_place_again_is_told_again(js: JetStream, broker: Servers) -> None:
    async with sink(broker, None):
        for seed in range(2):
            await write_journal(js, "run1", journal(seed))
            await eventually(lambda: all_told(js))
            await js.purge(JOURNAL, subjects.journal_of("run1"))
    assert len(await told(js)) == len(journal(0)) + len(journal(1))


async def test_an_entry_that_quotes_what_is_large_is_told_as_what_it_is(
    js: JetStream, broker: Servers
) -> None:
    long = "x" * 1_200_000
    failure = Failure(code="user_error", message=long, error_type=long, error_bases=(long,))
    records: list[JournalRecord] = [
        run_started(),
        StepSettled(at=AT, key="a#0", failure=failure),
        StepSettled(at=AT, key=long),
        CallIntended(at=AT, key="b#0", act="tool", target=long, service="hello", agent=long),
        RunSuspended(at=AT, waiting_for=tuple(f"{number}" + "x" * 500 for number in range(3_000))),
        RunFinished(at=AT, end="failed", failure=failure),
    ]
    await write_journal(js, "run1", records)

    async with sink(broker, None):
        await eventually(lambda: all_told(js))

    events = await told(js)
    assert [(event.kind, event.action) for event in events] == [
        ("run", "started"),
        ("step", "failed"),
        ("step", "completed"),
        ("tool", "intended"),
        ("run", "suspended"),
        ("run", "failed"),
    ]
    assert events[-1].failure is not None
    assert events[-1].failure.message == f"{'x' * 2_000}... (1,200,000 characters)"
    waiting_for = list(events[4].waiting_for or ())
    assert (len(waiting_for), waiting_for[-1]) == (101, "... and 2,900 more")
    assert await js.last_sequence(DEAD) == 0


async def test_it_goes_on_where_it_stopped(js: JetStream, broker: Servers, ledger_dir: Path) -> None:
    for run in range(6):
        await write_journal(js, f"run{run}", journal(run))
        async with sink(broker, ledger_dir, batch=3):
            await asyncio.sleep(random.Random(run).uniform(0, 0.05))  # noqa: S311 - repeatable, not secret

    async with sink(broker, ledger_dir):
        await assert_told_exactly_once(js)
        await eventually(lambda: all_recorded(js, ledger_dir))


async def test_two_sinks_tell_nothing_twice(js: JetStream, broker: Servers, tmp_path: Path) -> None:
    ledgers = [tmp_path / "one", tmp_path / "two"]
    async with sink(broker, ledgers[0], batch=7), sink(broker, ledgers[1], batch=5):
        await asyncio.gather(*(write_journal(js, f"run{run}", journal(run)) for run in range(30)))
        await assert_told_exactly_once(js)
        for ledger_dir in ledgers:
            await eventually(lambda ledger_dir=ledger_dir: all_recorded(js, ledger_dir))

    first, second = ((directory / FILE_NAME).read_bytes() for directory in ledgers)
    assert first == second


async def test_a_second_sink_on_the_same_ledger_waits_for_the_first(
    js: JetStream, broker: Servers, ledger_dir: Path
) -> None:
    async with sink(broker, ledger_dir):
        async with sink(broker, ledger_dir):
            await write_journal(js, "run1", journal(1))
            await eventually(lambda: all_recorded(js, ledger_dir))
        await write_journal(js, "run2", journal(2))
        await eventually(lambda: all_recorded(js, ledger_dir))


async def test_large_values_are_told_by_their_digests_and_not_read(js: JetStream, broker: Servers) -> None:
    """They may even be lost."""
    large = {"b": "x" * 600_000, "a": [1, None]}
    settled = StepSettled(at=AT, key="much#0", result=large)
    await write_journal(js, "run1", [run_started(input=large), settled])
    await js.purge(PAYLOADS, subjects.payloads_of("run1"))

    async with sink(broker, None):
        await eventually(lambda: all_told(js))

    started, step = await told(js)
    assert (started.kind, started.action, started.input_sha256) == ("run", "started", digest(large))
    assert (step.key, step.action, step.output_sha256) == ("much#0", "completed", digest(large))


async def test_a_half_written_line_is_cut_off(js: JetStream, broker: Servers, ledger_dir: Path) -> None:
    await write_journal(js, "run1", journal(1))
    async with sink(broker, ledger_dir):
        await eventually(lambda: all_recorded(js, ledger_dir))
    path = ledger_dir / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])

    async with sink(broker, ledger_dir):
        await eventually(lambda: all_recorded(js, ledger_dir))

    assert path.read_bytes() == whole


async def test_a_ledger_of_another_stream_is_left_alone(
    js: JetStream, broker: Servers, ledger_dir: Path
) -> None:
    await write_journal(js, "run1", journal(1))
    async with sink(broker, ledger_dir):
        await eventually(lambda: all_recorded(js, ledger_dir))
    whole = (ledger_dir / FILE_NAME).read_bytes()
    for stream in (AUDIT, JOURNAL):
        await js.api(f"STREAM.DELETE.{stream.name}")
    await ensure_streams(js)
    await write_journal(js, "run2", journal(2, steps=9))

    async with sink(broker, ledger_dir):
        await assert_told_exactly_once(js)

    assert (ledger_dir / FILE_NAME).read_bytes() == whole


async def keep_writing(js: JetStream, name: str, runs: int) -> None:
    for run in range(runs):
        for number, record in enumerate(journal(run, steps=10)):
            await _written(js, f"{name}{run}", number, record)


async def _written(js: JetStream, run_id: str, number: int, record: object) -> None:
    while await js_missing(js, run_id, number):
        try:
            await write_entry(js, run_id, number, record)  # pyright: ignore[reportArgumentType]
        except BrokerError:
            await asyncio.sleep(0.02)


async def js_missing(js: JetStream, run_id: str, number: int) -> bool:
    while True:
        try:
            return await js.last(JOURNAL, subjects.journal_entry(run_id, number)) is None
        except BrokerError:
            await asyncio.sleep(0.02)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
async def test_kills_of_the_broker_and_of_the_sink_lose_and_repeat_nothing(
    js: JetStream, broker: Servers, ledger_dir: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    process = ChildProcess(
        [
            "/usr/bin/env",
            f"TOWPATH_NATS_URL={broker.nats.url}",
            f"TOWPATH_LEDGER_DIR={ledger_dir}",
            f"TOWPATH_BATCH={chance.choice([1, 10, 100])}",
            sys.executable,
            "-m",
            "towpath_audit_sink",
        ],
        log_path=tmp_path / "sink.log",
    )
    async with process:
        writing = [asyncio.create_task(keep_writing(js, f"w{n}x", 40)) for n in range(8)]
        for _ in range(5):
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            await process.kill()
            if chance.random() < 0.5:
                await broker.nats.restart()
            process.start()
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            await broker.nats.restart()
        await asyncio.gather(*writing)
        await assert_told_exactly_once(js)
        await eventually(lambda: all_recorded(js, ledger_dir))
