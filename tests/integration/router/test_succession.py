"""What comes for a run that has continued as new comes for the one that goes on, once, wherever it was when that began."""

import asyncio

import pytest

from towpath_chassis.delivery import RetryLater
from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_router.lines import Lines
from towpath_router.runs import Runs
from towpath_router.succession import Legacy, Succession
from towpath_schemas import subjects
from towpath_schemas.calls import ControlSent, RunClosed, SignalSent
from towpath_schemas.journal import (
    CallSettled,
    CancelReceived,
    InLine,
    PauseReceived,
    RunFinished,
    RunStarted,
    read_record,
)
from towpath_schemas.requests import ControlRequested, RequestDone, SignalRequested
from towpath_schemas.streams import INBOX, JOURNAL, REQUESTS, ROUTER_INBOX, ROUTER_REQUESTS
from towpath_schemas.succession import RunLine, heard_digest
from towpath_testkit.asking import ask, code_of
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, write_entry
from towpath_testkit.lines import ACME, LAST, NEXT, begun, close, continued, events, goes_on, kept, signal
from towpath_testkit.settled import settled, until

pytestmark = pytest.mark.live


async def test_a_successor_finds_what_was_not_heard_of_before_it_begins(towpath: Platform) -> None:
    js = towpath.js
    cancel = CancelReceived(at=AT, event_id="c", reason="enough", attribution=ACME)
    pause = PauseReceived(at=AT, event_id="p", paused=True, attribution=ACME)
    await begun(js, "run-1", kept("one"), cancel, pause, continued())
    for waits in ("one", "two"):
        await keep(js, signal(waits))

    for _ in range(2):
        await close(js)

    left = await events(js, NEXT)
    assert [one for one in left if isinstance(one, SignalSent)] == [signal("one", NEXT), signal("two", NEXT)]
    assert [(one.control, one.event_id) for one in left if isinstance(one, ControlSent)] == [
        ("pause", "p"),
        ("cancel", "c"),
    ]
    assert await events(js, "run-1") == []


@pytest.mark.parametrize("is_announced", [False, True], ids=["unknown", "announced"])
async def test_a_signal_that_comes_before_the_successor_is_made_waits_for_it(
    towpath: Platform,
    is_announced: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    if is_announced:
        await announced(js)  # by a router that died right then

    word = await ask(js, "signal", "run-1", SignalRequested(name="paid", signal_id="s", payload="s"))
    await settled(js, INBOX, ROUTER_INBOX)
    assert isinstance(word, RequestDone)
    assert [one.run_id for one in await events(js, "run-1")] == ["run-1"]

    await close(js, inherits=False)

    assert [one.run_id for one in await events(js, NEXT)] == [NEXT]


@pytest.mark.parametrize("verb", ["signal", "cancel", "pause", "unpause"])
async def test_what_is_asked_of_the_first_run_reaches_the_one_that_goes_on(
    towpath: Platform, verb: str
) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT, continued(NEXT))
    await goes_on(js, LAST)
    said = SignalRequested(name="paid", signal_id="s") if verb == "signal" else ControlRequested()

    for _ in range(2):
        assert code_of(await ask(js, verb, "run-1", said, request_id="request-1")) is None

    assert [one.run_id for one in await events(js, LAST)] == [LAST]


async def first_entry(js: JetStream, run_id: str) -> RunStarted:
    found = await js.last(JOURNAL, subjects.journal_entry(run_id, 0))
    assert found is not None
    return RunStarted.from_body(found.body)


async def test_a_successor_knows_what_those_before_it_have_taken_and_do_not_leave_to_it(
    towpath: Platform,
) -> None:
    js, consumed = towpath.js, CallSettled(at=AT, key="signal:go#0", act="signal", target="go", source="used")
    await begun(js, "run-1", kept("left"), consumed, continued())

    await close(js)

    (left,) = await events(js, NEXT)
    assert left == signal("left", NEXT)
    assert (await first_entry(js, NEXT)).line == InLine(
        first="run-1", number=1, heard=(heard_digest("used"),)
    )


async def test_a_signal_that_a_run_has_taken_comes_late_in_vain(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", kept("s"), continued())
    await goes_on(js, NEXT)

    await keep(js, signal("s"))
    await until(lambda: events(js, "run-1"), lambda found: not found)

    assert await events(js, NEXT) == []


async def test_a_line_that_has_ended_knows_what_any_of_it_has_taken(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", kept("first"), continued())
    await goes_on(js, NEXT, kept("second"), RunFinished(at=AT, end="completed"), heard=("first",))

    said = [SignalRequested(name="paid", signal_id=one) for one in ("first", "second", "third")]

    assert [code_of(await ask(js, "signal", "run-1", one)) for one in said] == [None, None, "run_ended"]


async def test_a_request_that_comes_again_after_a_hand_over_is_not_sent_again(towpath: Platform) -> None:
    js, said = towpath.js, SignalRequested(name="paid", signal_id="s")
    await begun(js, "run-1")
    await ask(js, "signal", "run-1", said)
    await js.clear(INBOX, subjects.inbox_of("run-1"))  # it was taken
    await write_entry(js, "run-1", 1, continued())
    await goes_on(js, NEXT)

    assert isinstance(await ask(js, "signal", "run-1", said, request_id="again"), RequestDone)

    assert await events(js, NEXT) == []


async def test_the_run_that_goes_on_is_found_at_once_however_many_were_before(towpath: Platform) -> None:
    js, runs = towpath.js, Runs(towpath.js)
    await begun(js, "run-1", *(kept(f"s-{number}") for number in range(100)), continued())
    said = RunLine(newest="far", number=10_000, previous="before", tenant=TENANT)
    await js.publish(subjects.line("run-1"), said.to_body())
    await begun(js, "far")
    before = js.nats.stats["in_msgs"]

    line = await Succession(js, runs, Lines(js, runs)).find("run-1")

    assert line is not None
    assert (line.newest, line.has_ended) == ("far", False)
    assert js.nats.stats["in_msgs"] - before <= 5


async def test_a_router_that_is_late_does_not_take_the_line_back(towpath: Platform) -> None:
    js, runs = towpath.js, Runs(towpath.js)
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT, continued(NEXT))
    await goes_on(js, LAST)

    await close(js)

    line = await Succession(js, runs, Lines(js, runs)).find("run-1")
    assert line is not None
    assert line.newest == LAST


async def announced(js: JetStream) -> None:
    """Say that NEXT is about to go on from run-1, as the router does."""
    said = RunLine(newest=NEXT, number=1, previous="run-1", taking_over=True, tenant=TENANT)
    await js.publish(subjects.line("run-1"), said.to_body())


async def requests_delivered(js: JetStream) -> int:
    """Count how often requests were delivered to routers."""
    return (await js.api(f"CONSUMER.INFO.{REQUESTS.name}.{ROUTER_REQUESTS}"))["delivered"]["consumer_seq"]


@pytest.mark.parametrize("inbox_is_closed", [False, True])
async def test_a_signal_that_comes_while_a_successor_gets_what_is_left_comes_behind_that(
    towpath: Platform,
    inbox_is_closed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    js = towpath.js
    await begun(js, "run-1", kept("one"), continued())
    await keep(js, signal("two"))
    await announced(js)
    await begun(js, NEXT, continues="run-1", line=InLine(first="run-1", number=1))
    if inbox_is_closed:
        await js.publish(subjects.handed_over("run-1"), b"")

    said = SignalRequested(name="paid", signal_id="three", payload="three")
    asking = asyncio.create_task(ask(js, "signal", "run-1", said))
    if inbox_is_closed:
        await until(lambda: requests_delivered(js), lambda times: times > 2)
        assert not asking.done()
    else:
        await asking
    await settled(js, INBOX, ROUTER_INBOX)
    assert await events(js, NEXT) == []
    await close(js)

    assert isinstance(await asking, RequestDone)
    assert [getattr(one, "payload", None) for one in await events(js, NEXT)] == ["one", "two", "three"]


async def test_nothing_is_put_into_the_inbox_of_a_run_that_has_handed_over(towpath: Platform) -> None:
    """A router that stood still has looked for the run before that."""
    js, runs = towpath.js, Runs(towpath.js)
    await begun(js, "run-1", continued())
    succession = Succession(js, runs, Lines(js, runs))
    looked_up = await succession.find("run-1")
    assert looked_up is not None
    await close(js)

    with pytest.raises(RetryLater, match="goes on from run-1"):
        await succession.send(signal("late"), looked_up)

    assert await events(js, "run-1") == []


async def test_what_came_late_for_a_run_is_brought_to_the_one_that_goes_on(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT)

    await keep(js, signal("late"))

    await until(lambda: events(js, NEXT), lambda found: found == [signal("late", NEXT)])
    await until(lambda: events(js, "run-1"), lambda found: not found)


async def test_a_line_of_runs_that_has_ended_is_asked_in_vain(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT, RunFinished(at=AT, end="completed"))

    for verb in ("cancel", "terminate", "pause"):
        assert code_of(await ask(js, verb, "run-1", ControlRequested())) == "run_ended"


async def test_a_run_for_which_another_stands_is_not_that_other(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", RunFinished(at=AT, end="continued", successor="holder"))
    await begun(js, "holder")

    assert code_of(await ask(js, "cancel", "run-1", ControlRequested())) == "run_ended"
    assert await events(js, "holder") == []


async def test_the_one_that_goes_on_is_terminated_by_the_first_id(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT)

    for _ in range(2):
        word = await ask(js, "terminate", "run-1", ControlRequested(), request_id="request-1")
        assert code_of(word) is None

    newest = await js.last(JOURNAL, subjects.journal_of(NEXT))
    assert newest is not None
    finished = read_record(newest.body)
    assert isinstance(finished, RunFinished)
    assert finished.end == "terminated"


async def test_a_child_that_has_continued_as_new_ends_with_its_parent(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    await goes_on(js, NEXT)

    closed = RunClosed(run_id="up", end="failed", children=("run-1",), attribution=ACME)
    await js.publish(subjects.inbox("up", "closed", "up"), closed.to_body())

    (cancel,) = await until(lambda: events(js, NEXT), bool)
    assert isinstance(cancel, ControlSent)
    assert cancel.control == "cancel"


async def test_a_journal_is_not_read_for_each_event_that_waits(towpath: Platform) -> None:
    js, entries, waiting = towpath.js, 100, 20
    await begun(js, "run-1", *(kept(f"heard-{number}") for number in range(entries)), continued())
    for number in range(waiting):
        await keep(js, signal(f"waits-{number}"))
    runs = Runs(js)
    succession, before = Succession(js, runs, Lines(js, runs)), js.nats.stats["in_msgs"]

    await succession.hand_over("run-1", NEXT, Legacy(InLine(first="run-1", number=1), []))
    await succession.clear("run-1", NEXT)

    assert js.nats.stats["in_msgs"] - before < 5 * (entries + waiting)
    assert len(await events(js, NEXT)) == waiting


async def test_a_run_that_is_terminated_before_its_successor_is_made_ends_with_that(
    towpath: Platform,
) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())

    asking = asyncio.create_task(ask(js, "terminate", "run-1", ControlRequested()))
    await until(lambda: requests_delivered(js), lambda times: times > 1)
    await close(js)

    assert isinstance(await asking, RequestDone)
    last = (await js.following(JOURNAL, subjects.journal_of(NEXT), start=1))[-1]
    finished = read_record(last.body)
    assert isinstance(finished, RunFinished)
    assert finished.end == "terminated"
