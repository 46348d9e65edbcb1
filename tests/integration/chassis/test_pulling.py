"""Messages of a durable consumer: held, kept alive, given back, delayed, buried; and none is lost with the broker."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from towpath_chassis.delivery import Disowned, GiveUp, RetryLater
from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import letter_at
from towpath_chassis.messages import Message
from towpath_chassis.pulling import Puller
from towpath_chassis.streams import ensure_consumer, nanoseconds
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.dead import DeadLetter
from towpath_schemas.failure import Failure
from towpath_schemas.streams import DEAD, TOOLS, Stream
from towpath_testkit.builders import call_requested, run_dispatched
from towpath_testkit.journals import run_started, write_entry
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in, settled, until, until_so, until_there_are

pytestmark = pytest.mark.live

CONSUMER = "tools-hello"
CALL = subjects.call("hello", "add")
Handle = Callable[[Message], Awaitable[object]]


@asynccontextmanager
async def pulling(
    js: JetStream,
    handle: Handle,
    *,
    stream: Stream = TOOLS,
    ack_wait_s: float = 30.0,
    drain_s: float = 0.0,
    **options: Any,
) -> AsyncGenerator[Puller]:
    await ensure_consumer(
        js, TOOLS, CONSUMER, filter_subject=subjects.calls_of("hello"), ack_wait=nanoseconds(ack_wait_s)
    )
    options = {"capacity": 10, "max_attempts": 3, **options}
    puller = Puller(js, stream, CONSUMER, handle, ack_wait_s=ack_wait_s, **options)
    await puller.start()
    try:
        yield puller
    finally:
        await puller.stop(drain_s)


class Handler:
    """Notes what came, and does what it is told."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.bodies: list[bytes] = []
        self.at: list[float] = []
        self.came = asyncio.Event()
        self.most_at_once = 0
        self._at_once = 0
        self.release = asyncio.Event()
        self.release.set()
        self._outcomes = [*outcomes]

    async def __call__(self, message: Message) -> None:
        self.bodies.append(message.data)
        self.at.append(asyncio.get_running_loop().time())
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.came.set()
        try:
            await self.release.wait()
        finally:
            self._at_once -= 1
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if outcome is not None:
            raise outcome

    async def seen(self, count: int) -> None:
        await until_so(lambda: len(self.bodies) >= count)


async def publish(js: JetStream, *bodies: bytes) -> None:
    for body in bodies:
        await js.publish(CALL, body)


async def test_every_message_is_handled_once_and_removed(js: JetStream) -> None:
    handler = Handler()
    bodies = [b"%d" % number for number in range(200)]

    async with pulling(js, handler):
        await publish(js, *bodies)
        await settled(js, TOOLS, CONSUMER)

    assert sorted(handler.bodies) == sorted(bodies)
    await until_there_are(js, TOOLS, 0)


async def test_no_more_are_held_than_there_is_room_for(js: JetStream) -> None:
    handler = Handler()
    handler.release.clear()
    await publish(js, *(b"%d" % number for number in range(20)))

    async with pulling(js, handler, capacity=4) as puller:
        await handler.seen(4)
        info = await js.api(f"CONSUMER.INFO.TOOLS.{CONSUMER}")
        assert (puller.held, info["num_ack_pending"], info["num_pending"]) == (4, 4, 16)
        handler.release.set()
        await settled(js, TOOLS, CONSUMER)

    assert len(handler.bodies) == 20
    assert handler.most_at_once == 4


async def test_a_message_that_is_held_for_long_is_given_to_nobody_else(js: JetStream) -> None:
    handler, other = Handler(), Handler()
    handler.release.clear()
    async with pulling(js, handler, ack_wait_s=0.5):
        await publish(js, b"slow")
        await handler.seen(1)
        async with pulling(js, other, ack_wait_s=0.5):
            await until_so(lambda: asyncio.get_running_loop().time() - handler.at[0] > 1.3)
            handler.release.set()
            await settled(js, TOOLS, CONSUMER)

    assert (handler.bodies, other.bodies) == ([b"slow"], [])


async def test_a_stop_lets_what_is_held_finish(js: JetStream) -> None:
    handler = Handler()
    handler.release.clear()
    await publish(js, b"1")

    async with pulling(js, handler, drain_s=10):
        await handler.seen(1)
        asyncio.get_running_loop().call_later(0.05, handler.release.set)

    await until_there_are(js, TOOLS, 0)


async def test_a_stop_gives_back_what_is_not_finished_in_time_and_it_comes_to_another_at_once(
    js: JetStream,
) -> None:
    stuck, other = Handler(), Handler()
    stuck.release.clear()
    await publish(js, b"1", b"2")
    async with pulling(js, stuck, drain_s=0.05, ack_wait_s=600):
        await stuck.seen(2)

    async with pulling(js, other, ack_wait_s=600):
        async with asyncio.timeout(3):
            await settled(js, TOOLS, CONSUMER)

    assert sorted(other.bodies) == [b"1", b"2"]


async def test_a_handler_that_wants_a_message_later_gets_it_after_the_delay_it_named(js: JetStream) -> None:
    handler = Handler(RetryLater("busy", after_s=0.3), RetryLater("busy", after_s=0))

    async with pulling(js, handler, max_attempts=1):
        await publish(js, b"1")
        await settled(js, TOOLS, CONSUMER)

    assert handler.bodies == [b"1"] * 3
    assert handler.at[1] - handler.at[0] > 0.28
    assert await messages_in(js, DEAD) == 0


async def letter(js: JetStream) -> DeadLetter:
    found = await until(lambda: js.last(DEAD, subjects.dead("TOOLS", CONSUMER)), bool)
    kept = await letter_at(js, found.sequence if found else 0)
    assert kept is not None
    return kept


async def test_a_message_that_is_given_up_is_kept_with_all_that_redriving_it_needs(js: JetStream) -> None:
    handler = Handler(GiveUp(Failure(code="malformed", message="not a call")))

    async with pulling(js, handler):
        stored = await js.publish(CALL, '{"ü": 1}'.encode(), headers={"ce-id": "e-1"}, message_id="m-1")
        await settled(js, TOOLS, CONSUMER)

    kept = await letter(js)
    assert kept.published_at <= kept.at
    assert kept.model_dump(exclude={"at", "published_at", "letter_id"}) == {
        "stream": "TOOLS",
        "consumer": CONSUMER,
        "reason": "not a call",
        "attempts": 1,
        "subject": CALL,
        "sequence": stored.sequence,
        "headers": {"ce-id": "e-1", "Nats-Msg-Id": "m-1"},
        "body": '{"ü": 1}',
        "encoding": "utf-8",
        "attribution": None,
        "parts": 0,
    }
    assert handler.bodies == ['{"ü": 1}'.encode()]
    await until_there_are(js, TOOLS, 0)


async def test_a_message_that_keeps_failing_is_kept_after_its_last_attempt(js: JetStream) -> None:
    handler = Handler(ValueError("one"), ValueError("two"))

    async with pulling(js, handler, max_attempts=2):
        await publish(js, b"1")
        await settled(js, TOOLS, CONSUMER)

    kept = await letter(js)
    assert (kept.reason, kept.attempts) == ("ValueError: two", 2)


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\xff\xfe",
        b'"' * 600_000,
        bytes(700_000),
        b"",
        "ü".encode() * 400_000,
        b"\xff" * 1_048_576,
        b"a" * 1_048_576,
    ],
    ids=["binary", "quotes", "zeros", "empty", "umlauts", "as-large-as-can-be", "text-as-large-as-can-be"],
)
async def test_any_body_is_kept_whatever_it_is_made_of(js: JetStream, body: bytes) -> None:
    async with pulling(js, Handler(GiveUp("no"))):
        await publish(js, body)
        await settled(js, TOOLS, CONSUMER)

    kept = await letter(js)
    assert kept.raw == body
    await until_there_are(js, TOOLS, 0)


async def test_headers_too_large_for_a_letter_are_kept_as_well(js: JetStream) -> None:
    headers = {"odd": '"' * 30_000, "even": "x" * 30_000}
    body = b"y" * 980_000

    async with pulling(js, Handler(GiveUp("no"))):
        await js.publish(CALL, body, headers=headers)
        await settled(js, TOOLS, CONSUMER)

    kept = await letter(js)
    assert (kept.headers, kept.raw, kept.reason) == (headers, body, "no")


async def test_a_message_that_comes_again_after_it_was_buried_has_one_letter_all_the_same(
    js: JetStream,
) -> None:
    """Nobody could tell the broker that it was: however late it comes again, its place is taken."""
    config = (await js.api("STREAM.INFO.DEAD"))["config"]
    await js.api("STREAM.UPDATE.DEAD", {**config, "duplicate_window": 100_000_000})
    came = asyncio.Event()

    async def handle(message: Message) -> None:
        if not came.is_set():
            came.set()
            message.term = _unheard
        raise GiveUp("no")

    async with pulling(js, handle, ack_wait_s=0.5):
        await publish(js, b"\xff" * 1_000_000)
        await settled(js, TOOLS, CONSUMER)

    assert (await letter(js)).attempts == 1
    assert len(await js.following(DEAD, subjects.dead("TOOLS", CONSUMER), start=1)) == 1


async def _unheard() -> None:
    """Say something that the broker does not hear."""


async def test_a_reason_of_any_length_is_kept_short(js: JetStream) -> None:
    async with pulling(js, Handler(GiveUp("no " * 500_000))):
        await publish(js, b"1")
        await settled(js, TOOLS, CONSUMER)

    assert (await letter(js)).reason.endswith("(1,500,000 characters)")


async def test_a_subject_that_is_no_text_ends_in_a_letter_and_breaks_no_connection(js: JetStream) -> None:
    handler = Handler(GiveUp("no"))

    async with pulling(js, handler):
        await js.nats._send_command(b"PUB tools.v1.hello.\xff\xfe 1\r\nx\r\n")
        await publish(js, b"1")
        await settled(js, TOOLS, CONSUMER)

    assert (await letter(js)).subject == r"tools.v1.hello.\xff\xfe"
    assert handler.bodies == [b"x", b"1"]


@pytest.mark.parametrize(
    ("subject", "body", "headers"),
    [
        (CALL, b"x" * 1_048_000, {"long": "y" * 1_000}),
        (CALL, b"x", {"long": "y" * 65_536}),
        ("tools.v1.a b.c", b"x", {}),
        (CALL, b"x", {"a b": "c"}),
    ],
    ids=["large", "large-headers", "no-subject", "no-header"],
)
async def test_what_the_broker_will_never_take_is_not_tried_for_ever(
    js: JetStream, subject: str, body: bytes, headers: dict[str, str]
) -> None:
    async def handle(message: Message) -> None:
        await js.publish(subject, body, headers=headers)

    async with pulling(js, handle):
        await publish(js, b"1")
        assert (await letter(js)).attempts == 1

    assert js.nats.stats["reconnects"] == 0


async def test_a_message_that_would_soon_be_forgotten_is_kept_as_a_letter(js: JetStream) -> None:
    forgetful = TOOLS.model_copy(update={"max_age_s": 1.0})
    handler = Handler(*(RetryLater("nobody is there", after_s=0.1) for _ in range(50)))

    async with pulling(js, handler, stream=forgetful):
        await publish(js, b"1")
        await settled(js, TOOLS, CONSUMER)

    assert (await letter(js)).reason.startswith("nobody is there; it has waited")


@pytest.mark.parametrize("known_by", ["itself", "its run", "nobody"])
async def test_a_letter_says_on_whose_behalf_its_message_was(js: JetStream, known_by: str) -> None:
    ada = Attribution(tenant="acme", user_id="u-1")
    await write_entry(js, "run-1", 0, run_started(attribution=ada))
    body = {
        "itself": call_requested(attribution=ada).to_body(),
        "its run": run_dispatched("run-1").to_body(),
        "nobody": b'{"run_id": "run-2"}',
    }[known_by]

    async with pulling(js, Handler(GiveUp("no"))):
        await publish(js, body)
        await settled(js, TOOLS, CONSUMER)

    assert (await letter(js)).attribution == (None if known_by == "nobody" else ada)


async def test_headers_that_are_no_text_do_not_keep_a_message_from_being_buried(js: JetStream) -> None:
    async with pulling(js, Handler(GiveUp("no"))):
        await _publish_raw(js, b"NATS/1.0\r\nodd: \xff\xfe\r\n\r\n", b"1")
        await until(lambda: messages_in(js, DEAD), lambda count: count == 1)
        await settled(js, TOOLS, CONSUMER)

    assert "odd" in (await letter(js)).headers


async def _publish_raw(js: JetStream, head: bytes, body: bytes) -> None:
    command = f"HPUB {CALL} {len(head)} {len(head) + len(body)}\r\n".encode()
    await js.nats._send_command(command + head + body + b"\r\n")
    await js.nats.flush()


async def test_a_message_of_another_process_is_neither_acknowledged_nor_given_back(js: JetStream) -> None:
    handler = Handler(Disowned("elsewhere"))

    async with pulling(js, handler) as puller:
        await publish(js, b"1")
        await handler.seen(1)
        await until_so(lambda: puller.held == 0)
        info = await js.api(f"CONSUMER.INFO.TOOLS.{CONSUMER}")

    assert (info["num_ack_pending"], info["num_redelivered"], len(handler.bodies)) == (1, 0, 1)


async def test_one_bad_message_holds_up_no_other(js: JetStream) -> None:
    async def handle(message: Message) -> None:
        if message.data == b"bad":
            raise RetryLater("not yet", after_s=60)
        good.append(message.data)

    good: list[bytes] = []
    async with pulling(js, handle, capacity=1):
        await publish(js, b"bad", b"bad", b"1", b"2")
        await until(lambda: messages_in(js, TOOLS), lambda count: count == 2)

    assert good == [b"1", b"2"]


async def test_pulling_goes_on_after_the_broker_was_killed_again_and_again(
    js: JetStream, broker: Servers
) -> None:
    handled: set[bytes] = set()
    bodies = {b"%d" % number for number in range(300)}

    async def handle(message: Message) -> None:
        handled.add(message.data)

    await publish(js, *bodies)
    async with pulling(js, handle, capacity=5, ack_wait_s=1):
        for least in (50, 150):
            await until_so(lambda least=least: len(handled) >= least)
            await broker.nats.restart()
        await until_so(lambda: len(handled) == len(bodies), deadline_s=8)

    assert handled == bodies


async def test_what_comes_while_nothing_was_there_to_pull_is_handled_soon_after_the_broker_is_back(
    js: JetStream, broker: Servers
) -> None:
    handler = Handler()
    async with pulling(js, handler):
        await publish(js, b"before")
        await handler.seen(1)
        await broker.nats.restart()
        await until(_publishing(js, b"after"), lambda stored: stored)
        async with asyncio.timeout(3):
            await handler.seen(2)

    assert handler.bodies == [b"before", b"after"]


def _publishing(js: JetStream, body: bytes) -> Callable[[], Awaitable[bool]]:
    async def attempt() -> bool:
        return (await js.publish(CALL, body, message_id=body.decode())).sequence > 0

    return attempt


async def test_a_stop_while_the_broker_is_away_ends_quickly(js: JetStream, broker: Servers) -> None:
    handler = Handler()
    handler.release.clear()
    async with asyncio.timeout(5):
        async with pulling(js, handler, drain_s=0.1):
            await publish(js, b"1")
            await handler.seen(1)
            await broker.nats.kill()
