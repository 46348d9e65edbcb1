"""A line of runs is known by its first id for as long as it goes on, though its runs are forgotten one by one."""

import asyncio
import time

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_router.runs import Runs
from towpath_schemas import subjects
from towpath_schemas.calls import ControlSent, RunClosed
from towpath_schemas.journal import RunFinished
from towpath_schemas.requests import ControlRequested, RequestDone, SignalRequested
from towpath_schemas.streams import JOURNAL, LINES, REQUESTS, ROUTER_REQUESTS
from towpath_testkit.asking import ask, code_of
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT
from towpath_testkit.lines import ACME, LAST, NEXT, begun, close, continued, events, goes_on
from towpath_testkit.settled import until

pytestmark = pytest.mark.live


@pytest.fixture
async def audited(towpath: Platform) -> Platform:
    await towpath.audit_sink()
    return towpath


async def forget(js: JetStream, run_id: str) -> None:
    assert isinstance(await ask(js, "purge", run_id, ControlRequested()), RequestDone)


async def expire_note(js: JetStream, run_id: str) -> None:
    """Have the note be gone that a run was forgotten, as some days later."""
    await js.purge(JOURNAL, subjects.journal_of(run_id))


async def lines_kept(js: JetStream) -> int:
    return len(await js.following(LINES, subjects.line("run-1"), start=1))


@pytest.mark.parametrize("verb", ["signal", "cancel", "pause", "unpause", "terminate"])
async def test_the_first_id_stands_for_the_line_though_its_run_is_long_forgotten(
    audited: Platform, verb: str
) -> None:
    js = audited.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT)
    await forget(js, "run-1")
    await expire_note(js, "run-1")
    said = SignalRequested(name="paid") if verb == "signal" else ControlRequested()

    assert code_of(await ask(js, verb, "run-1", said, tenant="globex")) == "unknown_run"
    assert code_of(await ask(js, verb, "run-1", said)) is None

    reached = await events(js, NEXT)
    assert reached or isinstance(await Runs(js).finished(NEXT), RunFinished)


async def test_a_later_id_stands_for_the_line_while_it_is_noted_that_its_run_is_forgotten(
    audited: Platform,
) -> None:
    js = audited.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT, continued(NEXT))
    await goes_on(js, LAST)
    await forget(js, NEXT)
    said = SignalRequested(name="paid")

    words = [await ask(js, "signal", run_id, said, request_id=run_id) for run_id in ("run-1", NEXT)]

    assert [code_of(word) for word in words] == [None, None]
    assert len(await events(js, LAST)) == 2
    await expire_note(js, NEXT)
    assert code_of(await ask(js, "signal", NEXT, said)) == "unknown_run"


async def test_a_child_that_goes_on_ends_with_its_parent_though_its_first_run_is_forgotten(
    audited: Platform,
) -> None:
    js = audited.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT)
    await forget(js, "run-1")

    closed = RunClosed(run_id="up", end="failed", children=("run-1",), attribution=ACME)
    await js.publish(subjects.inbox("up", "closed", "up"), closed.to_body())

    (cancel,) = await until(lambda: events(js, NEXT), bool)
    assert isinstance(cancel, ControlSent)
    assert cancel.control == "cancel"


@pytest.mark.parametrize(("one", "other"), [("run-1", NEXT), (NEXT, "run-1")])
async def test_a_line_is_kept_for_as_long_as_its_first_or_its_last_run(
    audited: Platform, one: str, other: str
) -> None:
    js = audited.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT, RunFinished(at=AT, end="completed"))

    await forget(js, one)
    await expire_note(js, one)
    assert await lines_kept(js) == 1
    assert code_of(await ask(js, "signal", "run-1", SignalRequested(name="paid"))) == "run_ended"
    assert code_of(await ask(js, "terminate", "run-1", ControlRequested())) == "run_ended"

    await forget(js, other)
    assert await lines_kept(js) == 0
    assert code_of(await ask(js, "signal", "run-1", SignalRequested(name="paid"))) == "unknown_run"


async def test_a_run_is_not_forgotten_before_its_successor_is_made(audited: Platform) -> None:
    js = audited.js
    finished = continued().model_copy(update={"at": time.time()})
    await begun(js, "run-1", finished)

    async def tried() -> int:
        said = await js.api(f"CONSUMER.INFO.{REQUESTS.name}.{ROUTER_REQUESTS}")
        return said["num_redelivered"]

    asking = asyncio.create_task(ask(js, "purge", "run-1", ControlRequested()))
    await until(tried, bool)
    assert await Runs(js).finished("run-1") == finished
    await close(js)

    assert isinstance(await asking, RequestDone)
