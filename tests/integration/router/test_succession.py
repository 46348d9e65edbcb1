"""What comes for a run that has continued as new comes for the one that goes on, once, wherever it was when that began."""

from typing import Any

import pytest

from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ChildRequested, ControlSent, RunClosed, RunEvent, SignalSent, read_event
from towpath_schemas.journal import (
    CancelReceived,
    JournalRecord,
    PauseReceived,
    RunFinished,
    SignalReceived,
    read_record,
)
from towpath_schemas.requests import ControlRequested, RequestDone, SignalRequested
from towpath_schemas.streams import INBOX, JOURNAL, ROUTER_INBOX
from towpath_testkit.asking import ask, code_of
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_journal
from towpath_testkit.settled import settled, until

pytestmark = pytest.mark.live

ACME = Attribution(tenant=TENANT, user_id="u-1")
NEXT = identity.successor_run_id("run-1")
LAST = identity.successor_run_id(NEXT)


def continued(run_id: str = "run-1") -> RunFinished:
    return RunFinished(at=AT, end="continued", successor=identity.successor_run_id(run_id))


async def begun(js: JetStream, run_id: str, *records: JournalRecord, **started: Any) -> None:
    await write_journal(js, run_id, [run_started(**started), *records])
    await write_claim(js, run_id)


async def close(js: JetStream, **changes: Any) -> None:
    """Report that run-1 has continued as new, as its runner does."""
    successor = ChildRequested(
        run_id=NEXT, component="greet", continues="run-1", attribution=ACME, correlation_id="c-1", **changes
    )
    closed = RunClosed(run_id="run-1", end="continued", successor=successor, attribution=ACME)
    await js.publish(subjects.inbox("run-1", "closed", "run-1"), closed.to_body())
    await settled(js, INBOX, ROUTER_INBOX)


async def events(js: JetStream, run_id: str) -> list[RunEvent]:
    return [read_event(one.body) for one in await js.following(INBOX, subjects.inbox_of(run_id), start=1)]


def signal(signal_id: str, run_id: str = "run-1") -> SignalSent:
    return SignalSent(signal_id=signal_id, run_id=run_id, name="paid", payload=signal_id, attribution=ACME)


def kept(signal_id: str) -> SignalReceived:
    return SignalReceived(at=AT, signal_id=signal_id, name="paid", payload=signal_id, attribution=ACME)


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


async def test_a_signal_that_comes_before_the_successor_is_made_waits_for_it(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())

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
    await begun(js, NEXT, continued(NEXT), continues="run-1")
    await begun(js, LAST, continues=NEXT)
    said = SignalRequested(name="paid", signal_id="s") if verb == "signal" else ControlRequested()

    for _ in range(2):
        assert code_of(await ask(js, verb, "run-1", said, request_id="request-1")) is None

    assert [one.run_id for one in await events(js, LAST)] == [LAST]


async def test_a_signal_that_a_run_before_has_taken_is_not_taken_again(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", kept("s"), continued())
    await begun(js, NEXT, continues="run-1")

    word = await ask(js, "signal", "run-1", SignalRequested(name="paid", signal_id="s"))
    await keep(js, signal("s"))
    await settled(js, INBOX, ROUTER_INBOX)

    assert code_of(word) is None
    assert (await events(js, "run-1"), await events(js, NEXT)) == ([], [])


async def test_what_came_late_for_a_run_is_brought_to_the_one_that_goes_on(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    await begun(js, NEXT, continues="run-1")

    await keep(js, signal("late"))

    await until(lambda: events(js, NEXT), lambda found: found == [signal("late", NEXT)])
    await until(lambda: events(js, "run-1"), lambda found: not found)


async def test_a_line_of_runs_that_has_ended_is_asked_in_vain(towpath: Platform) -> None:
    js = towpath.js
    await begun(js, "run-1", continued())
    await begun(js, NEXT, RunFinished(at=AT, end="completed"), continues="run-1")

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
    await begun(js, NEXT, continues="run-1")

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
    await begun(js, NEXT, continues="run-1")

    closed = RunClosed(run_id="up", end="failed", children=("run-1",), attribution=ACME)
    await js.publish(subjects.inbox("up", "closed", "up"), closed.to_body())

    (cancel,) = await until(lambda: events(js, NEXT), bool)
    assert isinstance(cancel, ControlSent)
    assert cancel.control == "cancel"
