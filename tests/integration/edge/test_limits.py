"""Limits that user code declares, on a whole platform: with a client in front and real runners behind."""

import asyncio
from uuid import uuid4

import pytest

from towpath import Client, RunStoppedError
from towpath_testkit.looking import until_status

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

WITHIN_S = 15


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own: it has gates of its own."""
    return f"tenant-{uuid4().hex[:8]}"


async def test_no_more_runs_of_one_key_work_at_once_than_is_declared(client: Client, tenant: str) -> None:
    runs = [await client.start("careful", {"who": who}, tenant=tenant) for who in "aaabbbab"]

    spans = [await client.result(run_id, WITHIN_S) for run_id in runs]

    for who in "ab":
        theirs = [span for span, its in zip(spans, "aaabbbab", strict=True) if its == who]
        assert all(sum(one[0] <= at < one[1] for one in theirs) <= 2 for at, _ in theirs)


async def test_a_function_is_let_on_as_often_as_its_rate_says(client: Client, tenant: str) -> None:
    runs = [await client.start("seldom", tenant=tenant) for _ in range(5)]

    at = sorted([await client.result(run_id, WITHIN_S) for run_id in runs])

    assert at[4] - at[0] >= 0.9


async def test_all_who_asked_get_the_result_of_the_last(client: Client, tenant: str) -> None:
    asked = [{"doc": "a", "text": text} for text in "12345"]
    runs = [await client.start("index", one, tenant=tenant) for one in asked]

    results = await asyncio.gather(*(client.result(run_id, WITHIN_S) for run_id in runs))

    assert results == ["a: 5"] * 5
    statuses = [seen.status for run_id in runs if (seen := await client.status(run_id))]
    assert statuses == [*["continued"] * 4, "completed"]


async def test_runs_are_told_apart_by_their_arguments_however_these_are_given(
    client: Client, tenant: str
) -> None:
    asked = [["p", "1"], {"doc": "p", "text": "2"}, ["q", "1"], {"*": ["q"], "text": "2"}]
    runs = [await client.start("index", one, tenant=tenant) for one in asked]

    results = await asyncio.gather(*(client.result(run_id, WITHIN_S) for run_id in runs))

    assert results == ["p: 2", "p: 2", "q: 2", "q: 2"]


async def test_a_parent_gets_the_result_of_the_run_that_its_children_became(
    client: Client, tenant: str
) -> None:
    result = await client.run("edit", {"texts": ["a", "b", "c"]}, tenant=tenant, timeout_s=WITHIN_S)

    assert len(set(result)) == 1


async def test_a_newer_run_replaces_the_one_that_works(client: Client, tenant: str) -> None:
    first = await client.start("rebuild", {"site": "x", "version": 1}, tenant=tenant)
    await until_status(client, first, "suspended")

    second = await client.start("rebuild", {"site": "x", "version": 2}, tenant=tenant)
    with pytest.raises(RunStoppedError, match=f"replaced by run {second}"):
        await client.result(first, WITHIN_S)
    await client.signal(second, "built", tenant=tenant)

    assert await client.result(second, WITHIN_S) == "x 2"


async def test_a_run_that_waits_is_seen_and_can_be_cancelled(client: Client, tenant: str) -> None:
    inputs = {"site": "y", "version": 1}
    works = await client.start("rebuild", inputs, tenant=tenant)
    await until_status(client, works, "suspended")
    waits = await client.start("rebuild", inputs, tenant=tenant)

    seen = await client.status(waits)
    await client.cancel(waits, tenant=tenant)

    assert seen is not None
    assert seen.status == "accepted"
    with pytest.raises(RunStoppedError):
        await client.result(waits, WITHIN_S)
