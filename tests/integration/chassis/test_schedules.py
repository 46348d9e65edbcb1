"""A schedule is a message that the broker stores later, whatever else is down until then."""

import time

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.streams import INBOX
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in, until

pytestmark = pytest.mark.live

TIMER = subjects.timer("run-1", "t")
DUE = subjects.inbox("run-1", "result", "t")


async def fired(js: JetStream) -> bytes | None:
    found = await js.last(INBOX, DUE)
    return found.body if found else None


async def test_it_comes_at_its_time_and_not_before(js: JetStream) -> None:
    at = time.time() + 1
    await js.schedule(TIMER, target=DUE, body=b"due", at=at)
    assert await js.last(INBOX, TIMER) is not None

    assert await until(lambda: fired(js), bool) == b"due"
    assert time.time() >= at
    assert await js.last(INBOX, TIMER) is None


async def test_one_whose_time_is_past_comes_at_once(js: JetStream) -> None:
    await js.schedule(TIMER, target=DUE, body=b"due", at=time.time() - 3600)

    assert await until(lambda: fired(js), bool) == b"due"


async def test_publishing_it_again_replaces_it_and_purging_takes_it_back(js: JetStream) -> None:
    later = time.time() + 3600
    await js.schedule(TIMER, target=DUE, body=b"first", at=later)
    await js.schedule(TIMER, target=DUE, body=b"second", at=later)
    assert [one.body for one in await js.following(INBOX, TIMER, start=1)] == [b"second"]

    await js.purge(INBOX, TIMER)

    assert await messages_in(js, INBOX) == 0


async def test_it_survives_a_kill_of_the_broker(js: JetStream, broker: Servers) -> None:
    await js.schedule(TIMER, target=DUE, body=b"due", at=time.time() + 1)

    await broker.nats.restart()

    assert await until(lambda: fired(js), bool) == b"due"


async def test_one_that_is_further_away_than_its_stream_keeps_messages_is_kept(js: JetStream) -> None:
    """The stream is made to forget after 2 s here, after 30 days in truth; what has fired is forgotten as ever."""
    config = (await js.api(f"STREAM.INFO.{INBOX.name}"))["config"]
    short = {"max_age": 2_000_000_000, "duplicate_window": 1_000_000_000}
    await js.api(f"STREAM.UPDATE.{INBOX.name}", {**config, **short})
    await js.publish(subjects.inbox("run-2", "result", "x"), b"ordinary")

    await js.schedule(TIMER, target=DUE, body=b"due", at=time.time() + 4)

    assert await until(lambda: fired(js), bool) == b"due"
    await until(lambda: messages_in(js, INBOX), lambda count: count == 0)
