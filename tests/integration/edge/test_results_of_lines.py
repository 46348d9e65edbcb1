"""The result of a line of runs is that of its newest: those in between are not asked, and may be long forgotten."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from towpath import Client, UnknownRunError
from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.journal import InLine, RunFinished
from towpath_schemas.streams import JOURNAL, LINES
from towpath_schemas.succession import RunLine
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import platform
from towpath_testkit.journals import AT, write_entry
from towpath_testkit.lines import LAST, NEXT, begun, continued, goes_on
from towpath_testkit.servers import servers
from towpath_testkit.settled import until_so

pytestmark = pytest.mark.live

WITHIN_S = 15
DONE = RunFinished(at=AT, end="completed", result="all heard")


@pytest.fixture
async def js() -> AsyncGenerator[JetStream]:
    """A broker of the test's own, without a service."""
    async with servers(redis=False) as started, platform(started.nats.url) as hosting:
        yield hosting.js


async def say(js: JetStream, newest: str, *, number: int, has_ended: bool = False) -> None:
    """Say which run goes on from run-1."""
    line = RunLine(newest=newest, number=number, previous="before", has_ended=has_ended, tenant=TENANT)
    await js.publish(subjects.line("run-1"), line.to_body())


async def asked(js: JetStream) -> int:
    """Ask for the result of run-1, and count what the broker had to say for that."""
    before = js.nats.stats["in_msgs"]
    assert await Client.over(js).result("run-1", WITHIN_S) == "all heard"
    return js.nats.stats["in_msgs"] - before


async def test_a_result_takes_as_long_however_many_runs_went_on_before(js: JetStream) -> None:
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT, DONE)
    with_one_heir = await asked(js)
    await js.purge(JOURNAL, subjects.journal_of(NEXT))
    await say(js, "far", number=10_000)
    await begun(js, "far", DONE, continues="before", line=InLine(first="run-1", number=10_000))

    assert await asked(js) == with_one_heir


async def test_a_later_id_leads_to_the_newest_run_too(js: JetStream) -> None:
    await begun(js, NEXT, continued(NEXT), continues="run-1", line=InLine(first="run-1", number=1))
    await say(js, "far", number=9)
    await begun(js, "far", DONE)

    assert await Client.over(js).result(NEXT, WITHIN_S) == "all heard"


async def test_a_result_is_waited_for_until_the_run_that_goes_on_is_made_and_has_ended(
    js: JetStream,
) -> None:
    await begun(js, "run-1", continued())
    before = js.nats.stats["in_msgs"]
    waiting = asyncio.create_task(Client.over(js).result("run-1", WITHIN_S))
    await until_so(lambda: js.nats.stats["in_msgs"] - before > 5)  # it has found nobody that goes on
    await goes_on(js, NEXT, continued(NEXT))
    await goes_on(js, LAST)
    await write_entry(js, LAST, 1, DONE)

    assert await waiting == "all heard"


async def test_a_result_that_is_forgotten_with_its_run_is_not_waited_for(js: JetStream) -> None:
    await begun(js, "run-1", continued())
    await say(js, LAST, number=2, has_ended=True)

    with pytest.raises(UnknownRunError, match=LAST):
        await Client.over(js).result("run-1", WITHIN_S)


async def test_a_run_whose_line_is_forgotten_at_both_ends_has_no_result(js: JetStream) -> None:
    await begun(js, NEXT, continued(NEXT), continues="run-1", line=InLine(first="run-1", number=1))
    assert await js.last(LINES, subjects.line("run-1")) is None

    with pytest.raises(UnknownRunError, match=LAST):
        await Client.over(js).result(NEXT, WITHIN_S)
