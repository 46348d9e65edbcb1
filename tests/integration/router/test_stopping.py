"""A run that is terminated, or cancelled before it began, ends at once, and whoever holds it is fenced out."""

import asyncio

import pytest

from towpath_chassis.errors import FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import Entry, newest_claim, read_journal
from towpath_chassis.messages import Message
from towpath_schemas import identity, subjects
from towpath_schemas.calls import Answered, ControlSent, RunDispatched, Taken, read_event
from towpath_schemas.journal import CallIntended, JournalRecord, Parent, RunFinished, StepSettled
from towpath_schemas.requests import ControlRequested, RequestDone
from towpath_schemas.runs import RunEnded
from towpath_schemas.streams import INBOX, OUTPUT, RUNS
from towpath_testkit.asking import ask, code_of
from towpath_testkit.builders import SERVICE
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_entry, write_journal
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

STEP = StepSettled(at=AT, key="a#0", result=1)
STOP = ControlRequested(reason="too dear")


async def ends(js: JetStream, run_id: str = "run-1") -> list[RunFinished]:
    return [record for _, record in await read_journal(js, run_id) if isinstance(record, RunFinished)]


async def in_inbox(js: JetStream, run_id: str) -> list[Answered | ControlSent | object]:
    return [read_event(one.body) for one in await js.following(INBOX, subjects.inbox_of(run_id), start=1)]


async def test_a_terminated_run_has_ended_and_its_runner_can_write_nothing_more(towpath: Platform) -> None:
    await write_journal(towpath.js, "run-1", [run_started(), STEP])
    fence = await write_claim(towpath.js, "run-1")

    word = await ask(towpath.js, "terminate", "run-1", STOP)

    assert isinstance(word, RequestDone)
    (finished,) = await ends(towpath.js)
    newest = await newest_claim(towpath.js, "run-1")
    assert newest is not None
    assert (finished.end, newest.epoch) == ("terminated", 2)
    assert finished.failure is not None
    assert finished.failure.code == "terminated"
    assert finished.failure.message.endswith("too dear")
    with pytest.raises(FencedError):
        await towpath.js.publish(subjects.journal_entry("run-1", 9), STEP.to_body(), expect=fence)


async def test_a_runner_that_takes_the_run_meanwhile_fences_the_router_out_which_tries_again(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner claims after the router has, and before the router has written the end."""
    await write_journal(towpath.js, "run-1", [run_started(), STEP])
    await write_claim(towpath.js, "run-1")
    claimed: list[int] = []

    async def read_after_a_claim(js: JetStream, run_id: str) -> list[Entry]:
        if not claimed:
            claimed.append(3)
            await write_claim(js, run_id, epoch=3, runner="runner-2")
        return await read_journal(js, run_id)

    monkeypatch.setattr("towpath_router.finishing.salvage_journal", read_after_a_claim)

    word = await ask(towpath.js, "terminate", "run-1", STOP)

    newest = await newest_claim(towpath.js, "run-1")
    assert isinstance(word, RequestDone)
    assert newest is not None
    assert newest.epoch == 4
    assert len(await ends(towpath.js)) == 1


async def test_whoever_watches_is_told_of_the_end(towpath: Platform) -> None:
    await write_journal(towpath.js, "run-1", [run_started()])
    await write_claim(towpath.js, "run-1")

    await ask(towpath.js, "terminate", "run-1", STOP)

    told = await until(lambda: towpath.js.last(OUTPUT, subjects.output("run-1")), bool)
    view = RunEnded.from_body(told.body if told else b"").run
    assert (view.run_id, view.status, view.component) == ("run-1", "terminated", "greet")


async def test_its_parent_is_told_and_its_children_are_ended(towpath: Platform) -> None:
    js = towpath.js
    keys = {join: f"run:{join}#0" for join in ("detached", "cancel", "required")}
    intents: list[JournalRecord] = [
        CallIntended(at=AT, key=key, act="run", target="trip", input={"join": join, "input": None})
        for join, key in keys.items()
    ]
    children = {join: identity.child_run_id("run-1", key) for join, key in keys.items()}
    await write_journal(js, "up", [run_started()])
    await write_journal(js, "run-1", [run_started(parent=Parent(run_id="up", key="run:x#0")), *intents])
    for child in children.values():
        await write_journal(js, child, [run_started()])
    for run_id in ("run-1", "up", *children.values()):
        await write_claim(js, run_id)

    await ask(js, "terminate", "run-1", STOP)

    (told,) = await in_inbox(js, "up")
    assert isinstance(told, Answered)
    assert (told.key, told.failure.code if told.failure else None) == ("run:x#0", "terminated")
    reached = {join: [type(one) for one in await in_inbox(js, child)] for join, child in children.items()}
    assert reached == {"detached": [], "cancel": [ControlSent], "required": [ControlSent]}


async def test_whoever_holds_it_finds_out_at_once(towpath: Platform) -> None:
    await write_journal(towpath.js, "run-1", [run_started()])
    await write_claim(towpath.js, "run-1")
    offered = asyncio.Event()

    async def take(message: Message) -> None:
        offered.set()
        await towpath.js.respond(message, Taken(taken=False).to_body())

    await towpath.js.subscribe(subjects.live("run-1"), take)

    await ask(towpath.js, "terminate", "run-1", STOP)

    assert offered.is_set()


async def test_a_request_that_comes_again_is_done_and_another_finds_the_run_ended(towpath: Platform) -> None:
    await write_journal(towpath.js, "run-1", [run_started()])
    await write_claim(towpath.js, "run-1")

    words = [
        await ask(towpath.js, "terminate", "run-1", STOP, request_id=one) for one in ("one", "one", "other")
    ]

    assert [code_of(word) for word in words] == [None, None, "run_ended"]
    assert len(await ends(towpath.js)) == 1


async def test_of_many_who_terminate_a_run_one_does(towpath: Platform) -> None:
    await towpath.router()
    await write_journal(towpath.js, "run-1", [run_started()])
    await write_claim(towpath.js, "run-1")

    words = await asyncio.gather(*(ask(towpath.js, "terminate", "run-1", STOP) for _ in range(8)))

    assert sorted(str(code_of(word)) for word in words) == ["None", *["run_ended"] * 7]
    assert len(await ends(towpath.js)) == 1


async def test_what_a_router_left_undone_is_done_when_the_request_comes_again(towpath: Platform) -> None:
    """It wrote the end and died: the parent was not told."""
    js = towpath.js
    await write_journal(js, "up", [run_started()])
    await write_claim(js, "up")
    await write_journal(js, "run-1", [run_started(parent=Parent(run_id="up", key="run:x#0"))])
    await write_claim(js, "run-1")
    await ask(js, "terminate", "run-1", STOP, request_id="one")
    await js.purge(INBOX, subjects.inbox_of("up"))
    config = (await js.api("STREAM.INFO.INBOX"))["config"]
    await js.api("STREAM.UPDATE.INBOX", {**config, "duplicate_window": 100_000_000})

    async def told() -> int:
        await ask(js, "terminate", "run-1", STOP, request_id="one")
        return len(await in_inbox(js, "up"))

    await until(told, bool)


async def test_a_run_that_nobody_has_begun_is_ended_when_it_is_cancelled(towpath: Platform) -> None:
    await write_entry(towpath.js, "run-1", 0, run_started())

    words = [
        await ask(towpath.js, "cancel", "run-1", STOP, request_id=one) for one in ("one", "one", "other")
    ]

    assert [code_of(word) for word in words] == [None, None, "run_ended"]
    assert [one.end for one in await ends(towpath.js)] == ["cancelled"]
    assert await in_inbox(towpath.js, "run-1") == []
    found = await towpath.js.following(RUNS, subjects.dispatches_of(SERVICE), start=1)
    assert [RunDispatched.from_body(one.body) for one in found] == []
