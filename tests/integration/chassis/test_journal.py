"""A run has one owner at a time, and its journal is read as it was written."""

import pytest

from towpath_chassis.errors import FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import claim, newest_claim, read_journal
from towpath_schemas import subjects
from towpath_schemas.journal import StepSettled
from towpath_testkit.journals import AT, journal, run_started, write_entry, write_journal

pytestmark = pytest.mark.live


async def test_only_one_can_claim_an_epoch(js: JetStream) -> None:
    first = await claim(js, "run-1", "one", epoch=1)

    with pytest.raises(FencedError):
        await claim(js, "run-1", "other", epoch=1)
    assert await newest_claim(js, "run-1") == first


async def test_who_has_an_older_claim_can_write_nothing(js: JetStream) -> None:
    older = await claim(js, "run-1", "one", epoch=1)
    newer = await claim(js, "run-1", "other", epoch=2)
    body = StepSettled(at=AT, key="s").to_body()

    with pytest.raises(FencedError):
        await js.publish(subjects.journal_entry("run-1", 7), body, expect=older.expect)
    await js.publish(subjects.journal_entry("run-1", 7), body, expect=newer.expect)


async def test_nobody_has_claimed_a_run_that_is_new(js: JetStream) -> None:
    assert await newest_claim(js, "run-1") is None
    assert await read_journal(js, "run-1") == []


async def test_a_journal_is_read_in_its_order_across_chunks_and_gaps(js: JetStream) -> None:
    await write_journal(js, "other", journal(1))
    await write_entry(js, "run-1", 0, run_started())
    numbers = [2, 1, 998, 999, 1000, 1001]
    for number in numbers:
        await write_entry(js, "run-1", number, StepSettled(at=AT, key=str(number)))

    entries = await read_journal(js, "run-1")

    assert [number for number, _ in entries] == [0, *sorted(numbers)]
