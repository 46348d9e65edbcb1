"""A fork has done what its origin had done up to an act, and is handed to a runner to go on from there."""

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import read_journal
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution, AttributionClaim
from towpath_schemas.calls import RunDispatched
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    InLine,
    JournalRecord,
    Parent,
    RunFinished,
    RunResumed,
    RunStarted,
    RunSuspended,
    StepSettled,
)
from towpath_schemas.requests import ForkRequested, RequestRefused, RunAccepted
from towpath_schemas.streams import RUNS
from towpath_testkit.asking import Word, ask
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_entry, write_journal
from towpath_testkit.settled import messages_in

pytestmark = pytest.mark.live

GRACE = AttributionClaim(user_id="grace")
DONE: list[JournalRecord] = [
    StepSettled(at=AT, key="reserve#0", result=1),
    CallIntended(at=AT, key="tool:slow#0", act="tool", target="slow"),
    RunSuspended(at=AT, waiting_for=("tool:slow#0",)),
    RunResumed(at=AT, runner="r", epoch=2),
    CallIntended(at=AT, key="tool:quick#0", act="tool", target="quick"),
    CallSettled(at=AT, key="tool:quick#0", act="tool", target="quick", result=2),
    StepSettled(at=AT, key="charge#0", failure=Failure(code="user_error", message="no")),
    CallSettled(at=AT, key="tool:slow#0", act="tool", target="slow", result=3),
    RunFinished(at=AT, end="failed", failure=Failure(code="user_error", message="no")),
]
ORIGIN = run_started(
    parent=Parent(run_id="up", key="run:x#0"),
    continues="run-0",
    line=InLine(first="run-0", number=1),
    headers={"user-agent": "curl"},
    version="7",
)
FORK = identity.fork_run_id("run-1", "charge#0", "again")


async def origin(js: JetStream) -> None:
    await write_journal(js, "run-1", [ORIGIN, *DONE])
    await write_claim(js, "run-1")


async def fork(js: JetStream, until: str = "charge#0", key: str | None = "again") -> Word:
    asked = ForkRequested(until=until, idempotency_key=key, attribution=GRACE)
    return await ask(js, "fork", "run-1", asked, request_id="request-1")


async def dispatched(js: JetStream) -> list[RunDispatched]:
    found = await js.following(RUNS, subjects.dispatches_of(SERVICE), start=1)
    return [RunDispatched.from_body(one.body) for one in found]


async def test_a_fork_starts_with_what_had_ended_before_the_act(towpath: Platform) -> None:
    await origin(towpath.js)

    word = await fork(towpath.js)

    assert word == RunAccepted(run_id=FORK, component="greet")
    entries = await read_journal(towpath.js, FORK)
    assert [number for number, _ in entries] == [0, 1, 2, 3]
    assert [record for _, record in entries[1:]] == [DONE[0], DONE[4], DONE[5]]
    assert isinstance(entries[0][1], RunStarted)
    assert entries[0][1].taken_over == 3
    assert await dispatched(towpath.js) == [RunDispatched(run_id=FORK, reason="start")]


async def test_it_is_on_behalf_of_whom_its_origin_is_and_nobody_waits_for_it(towpath: Platform) -> None:
    await origin(towpath.js)

    await fork(towpath.js)

    ((_, started), *_) = await read_journal(towpath.js, FORK)
    assert isinstance(started, RunStarted)
    assert (started.forked_from, started.parent, started.correlation_id) == ("run-1", None, "request-1")
    assert (started.continues, started.line) == (None, None)
    assert started.attribution == ORIGIN.attribution
    assert started.forked_by == Attribution(tenant=TENANT, user_id="grace")
    assert (started.component, started.service, started.input) == ("greet", SERVICE, ORIGIN.input)
    assert (started.headers, started.version) == (ORIGIN.headers, "7")


async def test_the_same_fork_is_made_once(towpath: Platform) -> None:
    await origin(towpath.js)

    words = [await fork(towpath.js) for _ in range(3)]

    assert [word.existed for word in words if isinstance(word, RunAccepted)] == [False, True, True]
    assert len(await dispatched(towpath.js)) == 1


async def test_without_a_key_the_request_itself_is_the_key(towpath: Platform) -> None:
    await origin(towpath.js)

    words = {str(await fork(towpath.js, key=None)).split()[0] for _ in range(2)}

    assert words == {f"run_id='{identity.fork_run_id('run-1', 'charge#0', 'request-1')}'"}


async def test_a_fork_whose_router_died_half_way_is_completed(towpath: Platform) -> None:
    await origin(towpath.js)
    await write_entry(towpath.js, FORK, 0, run_started(forked_from="run-1"))
    await write_entry(towpath.js, FORK, 1, DONE[0])

    await fork(towpath.js)

    assert [record for _, record in (await read_journal(towpath.js, FORK))[1:]] == [DONE[0], DONE[4], DONE[5]]
    assert len(await dispatched(towpath.js)) == 1


async def test_a_fork_that_a_runner_has_begun_is_left_alone(towpath: Platform) -> None:
    await origin(towpath.js)
    await write_entry(towpath.js, FORK, 0, run_started(forked_from="run-1"))
    await write_claim(towpath.js, FORK)

    await fork(towpath.js)

    assert len(await read_journal(towpath.js, FORK)) == 1
    assert await messages_in(towpath.js, RUNS) == 0


async def test_an_act_that_was_not_done_is_refused_with_those_that_were(towpath: Platform) -> None:
    await origin(towpath.js)

    word = await fork(towpath.js, "chrage#0")

    assert isinstance(word, RequestRefused)
    assert word.failure.code == "malformed"
    for said in ("chrage#0", "reserve#0, tool:slow#0, tool:quick#0, charge#0"):
        assert said in word.failure.message
    assert await messages_in(towpath.js, RUNS) == 0
