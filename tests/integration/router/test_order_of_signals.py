"""Signals to one run keep their order, though one router has the first of them in hand and another gets the next."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal

import pytest

from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_chassis.streams import ensure_consumer
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched, Taken, read_event
from towpath_schemas.requests import RequestDone, SignalRequested
from towpath_schemas.streams import INBOX, REQUESTS, ROUTER_INBOX, ROUTER_REQUESTS, RUNS, Stream
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform, own_registry, platform
from towpath_testkit.lines import begun, events, signal
from towpath_testkit.servers import Servers
from towpath_testkit.settled import settled, until, until_there_are

pytestmark = pytest.mark.live

DOOR = subjects.request(TENANT, "signal", "run-1")


@pytest.fixture
async def unrouted(broker: Servers) -> AsyncGenerator[Platform]:
    """A platform whose router a test starts when it likes."""
    with own_registry():
        async with platform(broker.nats.url) as hosting:
            yield hosting


async def taken_in_hand(js: JetStream, stream: Stream, consumer: str, pattern: str) -> Message:
    """Take a message from the broker, as a router does that stands still then."""
    await ensure_consumer(js, stream, consumer, filter_subject=pattern)
    got: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    async def take(message: Message) -> None:
        got.set_result(message)

    await js.subscribe("still-hand", take, whole=False)
    asking = f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{consumer}"
    await js.nats.publish(asking, b'{"batch": 1, "expires": 1000000000}', reply="still-hand")
    return await got


async def came(js: JetStream) -> list[str]:
    """Tell the payloads of the signals that wait for run-1, in order."""
    return [getattr(event, "payload", "no signal") for event in await events(js, "run-1")]


def asked(payload: str, *, signal_id: str | None = None) -> SignalRequested:
    return SignalRequested(name="paid", payload=payload, signal_id=signal_id)


# --- From the door to the inbox -----------------------------------------------------------------------


@pytest.mark.parametrize("signal_id", ["one", None], ids=["with an id", "without"])
async def test_a_signal_is_sent_behind_one_that_another_router_has_in_hand_and_both_once(
    unrouted: Platform, signal_id: str | None
) -> None:
    js = unrouted.js
    await begun(js, "run-1")
    await js.publish(DOOR, asked("one", signal_id=signal_id).to_body())
    in_hand = await taken_in_hand(js, REQUESTS, ROUTER_REQUESTS, subjects.EVERY_REQUEST)
    await unrouted.router()

    assert isinstance(await ask(js, "signal", "run-1", asked("two")), RequestDone)
    assert await came(js) == ["one", "two"]

    await in_hand.nak()  # now a router does it that lives
    await until_there_are(js, REQUESTS, 0)
    assert await came(js) == ["one", "two"]


async def test_a_request_that_nobody_can_read_holds_up_none(unrouted: Platform) -> None:
    js = unrouted.js
    await begun(js, "run-1")
    await js.publish(DOOR, b"no JSON")
    await taken_in_hand(js, REQUESTS, ROUTER_REQUESTS, subjects.EVERY_REQUEST)
    await unrouted.router()

    assert isinstance(await ask(js, "signal", "run-1", asked("two")), RequestDone)
    assert await came(js) == ["two"]


# --- From the inbox to the run ------------------------------------------------------------------------


Answer = Literal["taken", "refused", "silence"]


class Holder:
    """Holds run-1, and answers each offer as the next of `answers` says; in the end it takes all."""

    def __init__(self, js: JetStream, *answers: Answer) -> None:
        self.offered: list[str] = []
        self._js = js
        self._answers = [*answers]

    async def take(self, message: Message) -> None:
        self.offered.append(getattr(read_event(message.data), "payload", "no signal"))
        answer = self._answers.pop(0) if self._answers else "taken"
        if answer != "silence":
            await self._js.respond(message, Taken(taken=answer == "taken").to_body())


async def holding(js: JetStream, *answers: Answer) -> Holder:
    holder = Holder(js, *answers)
    await js.subscribe(subjects.live("run-1"), holder.take)
    return holder


async def one_in_hand(js: JetStream) -> None:
    await begun(js, "run-1")
    await keep(js, signal("one"))
    await taken_in_hand(js, INBOX, ROUTER_INBOX, subjects.EVERY_INBOX_EVENT)


async def waked(js: JetStream) -> list[str]:
    found = await js.following(RUNS, subjects.dispatch("resume", SERVICE), start=1)
    return [RunDispatched.from_body(one.body).run_id for one in found]


async def test_a_signal_is_offered_behind_one_that_another_router_has_in_hand(unrouted: Platform) -> None:
    js = unrouted.js
    await one_in_hand(js)
    holder = await holding(js)
    await unrouted.router()

    await keep(js, signal("two"))

    await until_there_are(js, INBOX, 0)
    assert holder.offered == ["one", "two"]


async def test_a_signal_is_not_offered_when_the_one_before_it_was_refused(unrouted: Platform) -> None:
    js = unrouted.js
    await one_in_hand(js)
    holder = await holding(js, "refused")
    await unrouted.router()

    await keep(js, signal("two"))

    assert await until(lambda: waked(js), bool) == ["run-1"]
    assert holder.offered == ["one"]
    assert await came(js) == ["one", "two"]


async def test_a_signal_waits_until_it_is_known_whether_the_one_before_it_was_taken(
    unrouted: Platform,
) -> None:
    js = unrouted.js
    await one_in_hand(js)
    holder = await holding(js, "silence")
    await unrouted.router()

    await keep(js, signal("two"))
    await keep(js, signal("three"))

    await until_there_are(js, INBOX, 0)
    assert holder.offered == ["one", "one", "two", "three"]


async def test_a_signal_that_nobody_can_read_holds_up_none(unrouted: Platform) -> None:
    js = unrouted.js
    await begun(js, "run-1")
    await js.publish(subjects.inbox("run-1", "signal", "odd"), b"no JSON")
    await taken_in_hand(js, INBOX, ROUTER_INBOX, subjects.EVERY_INBOX_EVENT)
    holder = await holding(js)
    await unrouted.router()

    await keep(js, signal("two"))

    await until_there_are(js, INBOX, 1)
    assert holder.offered == ["two"]


async def test_many_signals_at_once_are_offered_in_order(unrouted: Platform) -> None:
    js, wanted = unrouted.js, [str(number) for number in range(40)]
    await begun(js, "run-1")
    for number in wanted:
        await keep(js, signal(number))
    holder = await holding(js)
    await asyncio.gather(*(unrouted.router() for _ in range(2)))

    await settled(js, INBOX, ROUTER_INBOX)
    assert list(dict.fromkeys(holder.offered)) == wanted  # some twice, as two routers had them in hand
    assert await came(js) == []
