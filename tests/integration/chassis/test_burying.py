"""What is given up is kept as a letter: once, whole, with its reason and on whose behalf it was."""

import asyncio

import pytest

from towpath_chassis.delivery import GiveUp, RetryLater
from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import letter_at
from towpath_chassis.messages import Message
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.dead import DeadLetter
from towpath_schemas.failure import Failure
from towpath_schemas.streams import DEAD, TOOLS
from towpath_testkit.builders import call_requested, run_dispatched
from towpath_testkit.handling import CALL, CONSUMER, Handler, pulling
from towpath_testkit.journals import run_started, write_entry
from towpath_testkit.settled import messages_in, settled, until, until_there_are

pytestmark = pytest.mark.live


async def publish(js: JetStream, *bodies: bytes) -> None:
    for body in bodies:
        await js.publish(CALL, body)


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
        "run_id": None,
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
        ("nobodys.subject", b"x" * 1_048_000, {"long": "y" * 1_000}),
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
