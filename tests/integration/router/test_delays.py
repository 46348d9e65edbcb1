"""A run may be started later: it exists at once, and is handed to a runner when its time has come."""

import time

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import read_journal
from towpath_schemas import identity, subjects
from towpath_schemas.calls import RunDispatched
from towpath_schemas.journal import RunFinished, RunStarted
from towpath_schemas.requests import ControlRequested, RunAccepted, SignalRequested
from towpath_schemas.streams import INBOX, ROUTER_INBOX, RUNS
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, TENANT, start_requested
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import messages_in, settled, until

pytestmark = pytest.mark.live

RUN = identity.run_id(TENANT, "greet", "order-1")
TIMER = subjects.timer(RUN, "start")


async def start(js: JetStream, **asked: object) -> RunAccepted:
    word = await ask(js, "start", "greet", start_requested(idempotency_key="order-1", **asked))
    assert isinstance(word, RunAccepted)
    return word


async def dispatched(js: JetStream) -> list[tuple[str, str]]:
    found = await js.following(RUNS, subjects.dispatches_of(SERVICE), start=1)
    return [(one.run_id, one.reason) for one in (RunDispatched.from_body(message.body) for message in found)]


async def test_a_delayed_run_exists_at_once_and_is_dispatched_at_its_time(towpath: Platform) -> None:
    at = time.time() + 1

    accepted = await start(towpath.js, delay_s=1.0)

    assert accepted == RunAccepted(run_id=RUN, component="greet")
    assert len(await read_journal(towpath.js, RUN)) == 1
    assert await dispatched(towpath.js) == []
    assert await until(lambda: dispatched(towpath.js), bool) == [(RUN, "start")]
    assert time.time() >= at
    await settled(towpath.js, INBOX, ROUTER_INBOX)
    assert await messages_in(towpath.js, INBOX) == 0


async def test_a_year_is_not_too_long(towpath: Platform) -> None:
    await start(towpath.js, delay_s=366 * 86_400)

    schedule = await towpath.js.last(INBOX, TIMER)
    assert schedule is not None
    assert schedule.headers["Nats-TTL"] == "never"


@pytest.mark.parametrize("delay_s", [0.0, 7200.0], ids=["now", "even-later"])
async def test_the_first_request_of_a_key_says_when(towpath: Platform, delay_s: float) -> None:
    await start(towpath.js, delay_s=3600.0)
    schedule = await towpath.js.last(INBOX, TIMER)

    again = await start(towpath.js, delay_s=delay_s)

    assert again.existed
    assert await dispatched(towpath.js) == []
    assert await towpath.js.last(INBOX, TIMER) == schedule


async def test_a_delay_whose_router_died_before_it_was_set_is_set_by_the_request_that_comes_again(
    towpath: Platform,
) -> None:
    await start(towpath.js, delay_s=3600.0)
    await towpath.js.purge(INBOX, TIMER)

    await start(towpath.js, delay_s=3600.0)

    assert await towpath.js.last(INBOX, TIMER) is not None
    assert await dispatched(towpath.js) == []


async def test_a_run_that_is_cancelled_before_its_time_never_starts(towpath: Platform) -> None:
    await start(towpath.js, delay_s=3600.0)

    await ask(towpath.js, "cancel", RUN, ControlRequested())

    started, finished = [record for _, record in await read_journal(towpath.js, RUN)]
    assert isinstance(started, RunStarted)
    assert isinstance(finished, RunFinished)
    assert finished.end == "cancelled"
    assert await messages_in(towpath.js, INBOX) == 0
    assert await dispatched(towpath.js) == []


async def test_what_comes_before_its_time_waits_and_is_seen_when_it_starts(towpath: Platform) -> None:
    js = towpath.js
    await start(js, delay_s=1.5)

    await ask(js, "signal", RUN, SignalRequested(name="paid"))
    await settled(js, INBOX, ROUTER_INBOX)
    early = await dispatched(js)
    late = await until(lambda: dispatched(js), lambda found: len(found) == 2)

    assert early == []
    assert late == [(RUN, "start"), (RUN, "wake")]
    await settled(js, INBOX, ROUTER_INBOX)
    assert [subjects.read_inbox(one.subject)[1] for one in await js.following(INBOX, ">", start=1)] == [
        "signal"
    ]
