"""What the broker's answers mean, and that nobody waits for one that cannot come."""

import asyncio
import time
from collections.abc import Awaitable

import pytest

from towpath_chassis.errors import (
    AlreadyWrittenError,
    BrokerError,
    BrokerRefusedError,
    FencedError,
    NoResponderError,
    NotStoredError,
    UnconfirmedError,
)
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, Message, Part
from towpath_chassis.service import connection
from towpath_chassis.streams import ensure_streams
from towpath_schemas import subjects
from towpath_schemas.entities import EntityName
from towpath_schemas.payloads import MAX_MESSAGE_BYTES
from towpath_schemas.streams import INBOX, JOURNAL, REQUESTS, RUNS, STREAMS
from towpath_testkit.servers import Servers
from towpath_testkit.settled import until_so

pytestmark = pytest.mark.live

ENTRY = subjects.journal_entry("run-1", 0)
INBOX_EVENT = subjects.inbox("run-1", "result", "1")
QUICKLY_S = 3.0


# --- Publishing -------------------------------------------------------------------------------------


async def test_a_message_is_stored_and_read_back_as_it_was(js: JetStream) -> None:
    stored = await js.publish(INBOX_EVENT, b"\x00\xff", headers={"ce-id": "a%20b"})

    found = await js.last(INBOX, INBOX_EVENT)
    assert found is not None
    assert (found.subject, found.sequence, found.body) == (INBOX_EVENT, stored.sequence, b"\x00\xff")
    assert found.headers == {"ce-id": "a%20b"}
    assert await js.at(INBOX, stored.sequence) == found
    assert await js.at(INBOX, stored.sequence + 1) is None
    assert await js.last(INBOX, subjects.inbox("run-2", "result", "1")) is None


async def test_a_repeated_message_id_is_said_to_be_stored_already(js: JetStream) -> None:
    first = await js.publish(INBOX_EVENT, b"1", message_id="one")
    second = await js.publish(INBOX_EVENT, b"2", message_id="one")

    assert (first.duplicate, second.duplicate, second.sequence) == (False, True, first.sequence)


def record(key: str, number: int, after: int, body: bytes = b"record") -> Part:
    name = EntityName("acme", "Cart", key)
    return Part(name.record(number), body, Expect(after, name.records))


async def test_messages_that_belong_together_are_all_stored_each_at_its_place(js: JetStream) -> None:
    large = b"x" * (MAX_MESSAGE_BYTES + 1)
    (first,) = await js.publish_together([record("a", 1, 0)])
    second, third = await js.publish_together([record("a", 2, first.sequence), record("b", 1, 0, large)])

    found = [await js.last(JOURNAL, record(key, number, 0).subject) for key, number in (("a", 2), ("b", 1))]
    assert [one and (one.sequence, one.body) for one in found] == [
        (second.sequence, b"record"),
        (third.sequence, large),
    ]


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([record("b", 1, 0), record("a", 2, 99)], FencedError),
        ([record("a", 2, 0), record("b", 1, 0)], FencedError),
        ([record("a", 1, 1), record("b", 1, 0)], AlreadyWrittenError),
    ],
    ids=["last", "first", "taken"],
)
async def test_one_condition_that_does_not_hold_keeps_all_of_them_out(
    js: JetStream, parts: list[Part], error: type[BrokerError]
) -> None:
    await js.publish_together([record("a", 1, 0)])

    with pytest.raises(error):
        await js.publish_together(parts)
    assert await js.last(JOURNAL, record("b", 1, 0).subject) is None


async def test_a_place_in_the_journal_is_written_once(js: JetStream) -> None:
    await js.publish(ENTRY, b"first")

    with pytest.raises(AlreadyWrittenError):
        await js.publish(ENTRY, b"second")

    found = await js.last(JOURNAL, ENTRY)
    assert found is not None
    assert found.body == b"first"


async def test_only_one_of_many_who_claim_at_the_same_time_is_the_owner(js: JetStream) -> None:
    claims = [js.publish(subjects.claim("run-1", 1), b"%d" % who, expect=Expect(0)) for who in range(10)]

    outcomes = await asyncio.gather(*claims, return_exceptions=True)

    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert {type(one) for one in outcomes if isinstance(one, BaseException)} <= {
        FencedError,
        AlreadyWrittenError,
    }


async def test_a_write_under_an_old_claim_is_refused_wherever_it_goes(js: JetStream) -> None:
    claimed = await js.publish(subjects.claim("run-1", 1), b"", expect=Expect(0))
    mine = Expect(claimed.sequence, subjects.claims_of("run-1"))
    await js.publish(subjects.journal_entry("run-1", 1), b"mine", expect=mine)

    await js.publish(subjects.claim("run-1", 2), b"", expect=Expect(0))

    for number in (2, 999, 1_000):
        with pytest.raises(FencedError):
            await js.publish(subjects.journal_entry("run-1", number), b"zombie", expect=mine)


async def test_a_message_over_the_brokers_limit_is_certainly_not_stored(js: JetStream) -> None:
    with pytest.raises(NotStoredError):
        await js.publish(INBOX_EVENT, b"", headers={"long": "x" * 1024 * 1024})

    assert (await js.publish(INBOX_EVENT, b"small")).sequence == 1


async def test_a_subject_that_no_stream_keeps_is_not_taken_for_stored(js: JetStream) -> None:
    with pytest.raises(BrokerError):
        await js.publish("nowhere.v1.x", b"")


async def test_thousands_in_flight_are_stored_in_the_order_in_which_they_were_sent(js: JetStream) -> None:
    count = 2_000
    stored = await asyncio.gather(
        *(js.publish(subjects.journal_entry("run-1", number), b"%d" % number) for number in range(count))
    )

    assert [one.sequence for one in stored] == [*range(1, count + 1)]
    chunk = await js.newest_of_each(JOURNAL, subjects.journal_chunk("run-1", 1))
    assert [one.body for one in chunk] == [b"%d" % number for number in range(1_000, 2_000)]


async def test_more_subjects_than_one_read_may_ask_for_are_refused(js: JetStream) -> None:
    await asyncio.gather(
        *(js.publish(subjects.journal_entry("run-1", number), b"") for number in range(1_100))
    )

    with pytest.raises(BrokerRefusedError):
        await js.newest_of_each(JOURNAL, subjects.journal_of("run-1"))


async def test_messages_are_read_in_order_from_a_sequence_on(js: JetStream) -> None:
    for number in range(5):
        await js.publish(subjects.dispatch("start", f"s{number % 2}"), b"%d" % number)

    found = await js.following(RUNS, subjects.dispatches_of("s0"), start=2, limit=10)

    assert [one.body for one in found] == [b"2", b"4"]
    assert await js.following(RUNS, subjects.dispatches_of("s0"), start=6) == []


# --- Asking -----------------------------------------------------------------------------------------


async def test_a_question_that_nobody_hears_is_answered_at_once(js: JetStream) -> None:
    with pytest.raises(NoResponderError):
        await asyncio.wait_for(js.request("live.v1.nobody", b""), QUICKLY_S)


async def test_a_question_that_is_heard_and_not_answered_ends_after_its_time(js: JetStream) -> None:
    async def ignore(_message: Message) -> None: ...

    await js.subscribe("live.v1.run-1", ignore)

    with pytest.raises(UnconfirmedError):
        await js.request("live.v1.run-1", b"", within_s=0.1)


async def test_a_refused_call_of_the_api_names_code_and_reason(js: JetStream) -> None:
    with pytest.raises(BrokerRefusedError, match="stream not found") as refused:
        await js.api("STREAM.INFO.NOWHERE")

    assert refused.value.code == 10059
    assert await js.info("STREAM.INFO.NOWHERE") is None


async def test_what_is_told_to_nobody_or_to_no_proper_subject_is_dropped(js: JetStream) -> None:
    await js.tell("_INBOX.gone", b"")
    await js.tell("no subject at all", b"")


# --- A broker that goes away --------------------------------------------------------------------------


async def timed(work: Awaitable[object]) -> tuple[float, object]:
    began = time.monotonic()
    try:
        outcome: object = await work
    except BrokerError as error:
        outcome = error
    return time.monotonic() - began, outcome


async def test_whatever_is_in_flight_when_the_broker_is_killed_ends_quickly(
    js: JetStream, broker: Servers
) -> None:
    async def ignore(_message: Message) -> None: ...

    await js.subscribe("live.v1.run-1", ignore)
    broker.nats.pause()
    asking: list[Awaitable[object]] = [
        js.publish(INBOX_EVENT, b""),
        js.request("live.v1.run-1", b"", within_s=60),
        js.last(JOURNAL, ENTRY),
        js.api("STREAM.INFO.JOURNAL"),
    ]
    waiting = [asyncio.create_task(timed(one)) for one in asking]
    await asyncio.sleep(0)

    await broker.nats.kill()
    outcomes = await asyncio.gather(*waiting)

    for seconds, outcome in outcomes:
        assert seconds < QUICKLY_S
        assert isinstance(outcome, UnconfirmedError)


async def test_whatever_is_tried_while_the_broker_is_away_fails_at_once_and_works_again_after(
    js: JetStream, broker: Servers
) -> None:
    told = asyncio.Event()
    js.on_reconnect.append(told.set)
    heard = asyncio.Event()

    async def take(message: Message) -> None:
        heard.set()
        await js.respond(message, b"yes")

    await js.subscribe("live.v1.run-1", take)
    await broker.nats.kill()
    await until_so(lambda: not js.nats.is_connected)

    for attempt in (
        js.publish(INBOX_EVENT, b""),
        js.request("x", b""),
        js.last(JOURNAL, ENTRY),
        js.api("INFO"),
    ):
        seconds, outcome = await timed(attempt)
        assert seconds < QUICKLY_S
        assert isinstance(outcome, UnconfirmedError)

    await broker.nats.start()
    await asyncio.wait_for(told.wait(), QUICKLY_S)
    assert (await js.publish(INBOX_EVENT, b"1")).sequence == 1, "nothing was stored behind our back"
    assert (await js.request("live.v1.run-1", b"")).data == b"yes"
    assert heard.is_set()


async def test_what_was_confirmed_is_there_after_the_broker_was_killed(
    js: JetStream, broker: Servers
) -> None:
    confirmed: list[int] = []
    stop = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            try:
                await js.publish(subjects.journal_entry(f"run-{writer}", number), b"%d" % number)
            except AlreadyWrittenError:
                pass  # stored before, and the answer was lost
            except UnconfirmedError:
                await asyncio.sleep(0.01)
                continue
            confirmed.append(number)
            number += 1

    async def enough(count: int) -> None:
        await until_so(lambda: len(confirmed) > count)

    writers = [asyncio.create_task(write(writer)) for writer in range(5)]
    for _ in range(3):
        await enough(len(confirmed) + 20)
        await broker.nats.restart()
    await enough(len(confirmed) + 20)
    stop.set()
    await asyncio.gather(*writers)

    stored = 0
    for writer in range(5):
        chunk = 0
        while found := await js.newest_of_each(JOURNAL, subjects.journal_chunk(f"run-{writer}", chunk)):
            numbers = [subjects.read_journal_entry(one.subject)[1] for one in found]
            assert numbers == [*range(stored_before := chunk * 1_000, stored_before + len(numbers))]
            stored += len(found)
            chunk += 1
    assert stored == len(confirmed)


async def test_a_connection_can_be_left_while_the_broker_is_away(broker: Servers) -> None:
    async with asyncio.timeout(QUICKLY_S):
        async with connection(broker.nats.url, name="test") as (_, js):
            await broker.nats.kill()
            await until_so(lambda: not js.nats.is_connected)


async def test_the_streams_are_there_however_many_services_start_at_once(broker: Servers) -> None:
    async def start() -> None:
        async with connection(broker.nats.url, name="test") as (_, js):
            await ensure_streams(js)

    await asyncio.gather(*(start() for _ in range(5)))

    async with connection(broker.nats.url, name="test") as (_, js):
        before = await js.api("STREAM.INFO.REQUESTS")
        await ensure_streams(js)
        assert (await js.api("STREAM.INFO.REQUESTS"))["created"] == before["created"]
        assert (await js.api("STREAM.NAMES"))["total"] == len(STREAMS)


async def test_a_stream_that_an_older_version_made_is_brought_up_to_date_and_keeps_its_messages(
    js: JetStream,
) -> None:
    await js.publish(subjects.request("acme", "start", "greet"), b"kept")
    config = (await js.api("STREAM.INFO.REQUESTS"))["config"]
    older = {**config, "description": "old", "duplicate_window": 1_000_000_000, "max_msg_size": 2_000_000}
    await js.api("STREAM.UPDATE.REQUESTS", older)

    await ensure_streams(js)

    info = await js.api("STREAM.INFO.REQUESTS")
    assert info["config"]["description"] == REQUESTS.purpose
    assert info["config"]["duplicate_window"] == REQUESTS.dedupe_s * 1e9
    assert info["config"]["max_msg_size"] == 2_000_000, (
        "what an operator set and we do not care about is kept"
    )
    assert info["state"]["messages"] == 1
