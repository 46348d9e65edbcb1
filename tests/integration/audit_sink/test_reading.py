"""A reader gets each message of a stream once and in order, whatever happens to the broker meanwhile."""

import asyncio

import pytest
from nats.aio.msg import Msg

from towpath_chassis.chain import Link, append
from towpath_chassis.errors import BrokerError, FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.reading import Reader, reading
from towpath_schemas.streams import AUDIT, DEAD
from towpath_testkit.servers import Servers

pytestmark = pytest.mark.live


async def publish(js: JetStream, numbers: range) -> None:
    await asyncio.gather(*(js.publish("dead.v1.a.b", str(n).encode()) for n in numbers))


async def read(reader: Reader, count: int) -> list[int]:
    got: list[int] = []
    async with asyncio.timeout(30):
        while len(got) < count:
            got += [int(message.body) for message in await anext(reader)]
    return got


async def test_it_begins_where_it_is_told_to(js: JetStream) -> None:
    await publish(js, range(10))

    async with reading(js, DEAD, "dead.v1.>", start=4) as reader:
        assert await read(reader, 7) == list(range(3, 10))


async def test_it_gets_more_than_it_asks_for_at_once(js: JetStream) -> None:
    await publish(js, range(1_000))

    async with reading(js, DEAD, "dead.v1.>", start=1, limit=7) as reader:
        assert await read(reader, 1_000) == list(range(1_000))


async def test_it_waits_for_what_is_yet_to_come(js: JetStream) -> None:
    async with reading(js, DEAD, "dead.v1.>", start=1) as reader:
        waiting = asyncio.create_task(read(reader, 2))
        await publish(js, range(1))
        await publish(js, range(1, 2))

        assert await waiting == [0, 1]


async def test_a_message_of_another_subject_is_not_a_hole(js: JetStream) -> None:
    for number in range(6):
        await js.publish(f"dead.v1.a.{'b' if number % 2 else 'c'}", str(number).encode())

    async with reading(js, DEAD, "dead.v1.a.b", start=1) as reader:
        assert await read(reader, 3) == [1, 3, 5]


async def test_a_message_that_got_lost_is_missed_though_none_comes_after_it(
    js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, lost = Reader.take, list[Msg]()

    async def losing(reader: Reader, message: Msg) -> None:
        if message.data == b"2" and not lost:
            lost.append(message)
        else:
            await take(reader, message)

    monkeypatch.setattr(Reader, "take", losing)
    monkeypatch.setattr("towpath_chassis.reading._PULL_EXPIRES_S", 0.2)
    await publish(js, range(3))

    async with reading(js, DEAD, "dead.v1.>", start=1) as reader:
        assert await read(reader, 3) == [0, 1, 2]

    assert lost


async def test_a_killed_broker_costs_it_nothing(js: JetStream, broker: Servers) -> None:
    async with reading(js, DEAD, "dead.v1.>", start=1, limit=50) as reader:
        await publish(js, range(200))
        before = await read(reader, 120)
        await broker.nats.restart()
        await _published(js, b"200")
        after = await read(reader, 201 - len(before))

    assert before + after == list(range(201))


async def test_a_consumer_the_broker_forgot_is_made_again(js: JetStream) -> None:
    async with reading(js, DEAD, "dead.v1.>", start=1, limit=5) as reader:
        await publish(js, range(5))
        before = await read(reader, 5)
        await reader.close()
        await publish(js, range(5, 8))

        assert before + await read(reader, 3) == list(range(8))


async def _published(js: JetStream, body: bytes) -> None:
    while True:
        try:
            await js.publish("dead.v1.a.b", body, message_id="one")
        except BrokerError:
            await asyncio.sleep(0.05)
        else:
            return


def links(*names: str) -> list[Link]:
    return [Link(name, f"audit.v1.a.b.run.{name}", {}, b"{}") for name in names]


async def test_a_chain_is_stored_in_order(js: JetStream) -> None:
    assert await append(js, links("one", "two", "three"), after=0) == 3
    assert await append(js, links("four"), after=3) == 4

    stored = await js.following(AUDIT, "audit.v1.>", start=1)

    assert [message.subject.rpartition(".")[2] for message in stored] == ["one", "two", "three", "four"]


async def test_a_chain_that_begins_at_the_wrong_place_stores_nothing(js: JetStream) -> None:
    await append(js, links("one"), after=0)

    with pytest.raises(FencedError):
        await append(js, links("two", "three", "four"), after=0)

    assert await js.last_sequence(AUDIT) == 1


async def test_a_message_is_not_stored_behind_another_ones_forerunner(js: JetStream) -> None:
    """The sequences alone would fit: the second of these chains may not go on behind the first of those."""
    await append(js, links("one", "two"), after=0)

    with pytest.raises(FencedError):
        await append(js, links("another-one", "another-two", "another-three"), after=0)

    assert await js.last_sequence(AUDIT) == 2


async def test_a_chain_goes_on_after_the_broker_was_killed(js: JetStream, broker: Servers) -> None:
    await append(js, links("one", "two"), after=0)
    await broker.nats.restart()
    await _published(js, b"connected again")

    assert await append(js, links("three", "four"), after=2) == 4
