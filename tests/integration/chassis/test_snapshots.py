"""A long journal is read from its snapshot on: the same entries, in fewer messages."""

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import read_journal
from towpath_chassis.snapshots import SNAPSHOT_EVERY, forget_snapshot, read_long_journal
from towpath_schemas import subjects
from towpath_schemas.journal import RunResumed, StepSettled
from towpath_schemas.streams import JOURNAL, PAYLOADS, SNAPSHOTS
from towpath_testkit.journals import AT, run_started, write_entry
from towpath_testkit.settled import messages_in

pytestmark = pytest.mark.live


async def write_steps(js: JetStream, first: int, last: int, *, result: str = "done") -> None:
    for number in range(first, last):
        step = StepSettled(at=AT, key=f"step#{number}", result=result)
        await write_entry(js, "run-1", number, step)


async def long_journal(js: JetStream, entries: int, *, result: str = "done") -> None:
    await write_entry(js, "run-1", 0, run_started())
    await write_steps(js, 1, entries, result=result)


@pytest.mark.parametrize("more", [0, 1, 7, SNAPSHOT_EVERY])
async def test_a_long_journal_reads_the_same_with_and_without_its_snapshot(js: JetStream, more: int) -> None:
    await long_journal(js, SNAPSHOT_EVERY + 5)
    await read_long_journal(js, "run-1")
    assert await messages_in(js, SNAPSHOTS) == 1
    await write_steps(js, SNAPSHOT_EVERY + 5, SNAPSHOT_EVERY + 5 + more)

    assert await read_long_journal(js, "run-1") == await read_journal(js, "run-1")
    assert await read_long_journal(js, "run-1") == await read_journal(js, "run-1")


async def test_what_the_snapshot_has_is_not_read_from_the_journal(js: JetStream) -> None:
    await long_journal(js, SNAPSHOT_EVERY + 5)
    whole = await read_long_journal(js, "run-1")
    await js.purge(JOURNAL, subjects.journal_chunk("run-1", 0))

    assert await read_long_journal(js, "run-1") == whole


async def test_a_snapshot_larger_than_a_message_is_kept_all_the_same(js: JetStream) -> None:
    await long_journal(js, SNAPSHOT_EVERY, result="x" * 2_000)
    whole = await read_long_journal(js, "run-1")
    assert await messages_in(js, PAYLOADS) > 1
    await js.purge(JOURNAL, subjects.journal_chunk("run-1", 0))

    assert await read_long_journal(js, "run-1") == whole


async def test_a_short_journal_has_none(js: JetStream) -> None:
    await long_journal(js, 20)

    assert len(await read_long_journal(js, "run-1")) == 20
    assert await messages_in(js, SNAPSHOTS) == 0


@pytest.mark.parametrize(
    "lost", [b"{", b'[[0, {"kind": "from.tomorrow"}]]', None], ids=["broken", "newer", "gone"]
)
async def test_a_snapshot_that_cannot_be_read_is_not_missed(js: JetStream, lost: bytes | None) -> None:
    await long_journal(js, SNAPSHOT_EVERY + 5)
    whole = await read_long_journal(js, "run-1")
    if lost is None:
        await forget_snapshot(js, "run-1")
    else:
        await js.publish(subjects.snapshot("run-1"), lost)

    assert await read_long_journal(js, "run-1") == whole


async def test_a_place_that_a_lost_runner_has_left_empty_is_no_end_of_what_a_snapshot_has(
    js: JetStream,
) -> None:
    await long_journal(js, 5)
    await write_entry(js, "run-1", 7, RunResumed(at=AT, runner="another", epoch=2))
    await write_steps(js, 8, SNAPSHOT_EVERY + 5)
    whole = await read_long_journal(js, "run-1")
    await js.purge(JOURNAL, subjects.journal_chunk("run-1", 0))

    assert await read_long_journal(js, "run-1") == whole


async def test_entries_behind_a_place_that_was_never_written_are_read_from_the_journal(js: JetStream) -> None:
    await long_journal(js, SNAPSHOT_EVERY + 5)
    await write_steps(js, SNAPSHOT_EVERY + 8, SNAPSHOT_EVERY + 20)

    for _ in range(2):
        assert await read_long_journal(js, "run-1") == await read_journal(js, "run-1")
