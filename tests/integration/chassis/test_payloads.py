"""What is too large for a message is kept beside it, and whoever reads the message gets it whole, or hears that it is lost."""

import asyncio
import hashlib
from contextlib import aclosing
from functools import partial

import pytest

from towpath_chassis.delivery import GiveUp
from towpath_chassis.digests import digest
from towpath_chassis.errors import BrokerError, PayloadLostError, UnconfirmedError, UnsendableError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_outline, read_journal, salvage_journal
from towpath_chassis.letters import letter_at, letters
from towpath_chassis.listening import listening
from towpath_chassis.messages import Expect, Message
from towpath_chassis.reading import reading
from towpath_chassis.replaying import Span, replayed
from towpath_chassis.service import connection
from towpath_schemas import subjects
from towpath_schemas.dead import LetterFilter
from towpath_schemas.envelope import PAYLOAD_HEADER
from towpath_schemas.journal import RunStarted, StepSettled
from towpath_schemas.payloads import MAX_MESSAGE_BYTES, MAX_WRAPPED_BYTES, PayloadStored
from towpath_schemas.streams import DEAD, JOURNAL, OUTPUT, PAYLOADS, TOOLS
from towpath_testkit.handling import CALL, CONSUMER, Handler, pulling
from towpath_testkit.journals import AT, run_started, write_entry, write_journal
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in, settled, until_there_are

pytestmark = pytest.mark.live

LARGE = b'{"text": "' + bytes(range(48, 58)) * 150_000 + b'"}'
ENTRY = subjects.journal_entry("run-1", 0)


def settled_step(key: str = "a#0", size: int = 2_000_000) -> StepSettled:
    return StepSettled(at=AT, key=key, result="x" * size)


async def reference(js: JetStream) -> PayloadStored:
    """Store a large call; return how its message names the payload."""
    await js.publish(CALL, LARGE)
    stored = await js.last(TOOLS, CALL, whole=False)
    assert stored is not None
    return PayloadStored.from_body(stored.body)


async def lose(js: JetStream, named: PayloadStored) -> None:
    await js.purge(PAYLOADS, subjects.payload_piece(named.owner, named.sha256, 1))


# --- In streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, 2 * MAX_MESSAGE_BYTES, 5_000_000])
async def test_a_large_body_is_read_as_it_was_published(js: JetStream, size: int) -> None:
    body = bytes(number % 251 for number in range(1_000)) * (size // 1_000) + bytes(size % 1_000)

    stored = await js.publish(CALL, body, headers={"ce-id": "e-1"}, message_id="m-1")

    read = [
        await js.last(TOOLS, CALL),
        await js.at(TOOLS, stored.sequence),
        *await js.newest_of_each(TOOLS, CALL),
        *await js.following(TOOLS, CALL, start=1),
    ]
    assert [one and one.body == body for one in read] == [True] * 4
    assert read[0] is not None
    assert read[0].headers == {"ce-id": "e-1", "Nats-Msg-Id": "m-1"}


async def test_a_body_that_fits_is_its_message(js: JetStream) -> None:
    await js.publish(CALL, bytes(MAX_MESSAGE_BYTES))

    assert await messages_in(js, PAYLOADS) == 0


async def test_one_without_an_sdk_can_follow_a_reference(js: JetStream) -> None:
    named = await reference(js)

    pieces = [
        await js.last(PAYLOADS, f"payloads.v1.{named.owner}.{named.sha256}.{number}")
        for number in range(named.pieces)
    ]

    body = b"".join(piece.body for piece in pieces if piece)
    assert (body, len(body), hashlib.sha256(body).hexdigest()) == (LARGE, named.size, named.sha256)


async def test_the_same_body_is_kept_once(js: JetStream) -> None:
    await reference(js)
    pieces = await messages_in(js, PAYLOADS)

    await reference(js)

    assert (await messages_in(js, TOOLS), await messages_in(js, PAYLOADS)) == (2, pieces)


async def test_a_crash_between_payload_and_message_leaves_nothing_that_is_read_and_costs_nothing_after(
    js: JetStream, broker: Servers
) -> None:
    async with connection(broker.nats.url, name="crashes") as (_, other):
        await other.payloads.keep(CALL, LARGE, None)
    orphans = await messages_in(js, PAYLOADS)
    assert await messages_in(js, TOOLS) == 0

    await js.publish(CALL, LARGE)

    found = await js.last(TOOLS, CALL)
    assert found is not None
    assert found.body == LARGE
    assert await messages_in(js, PAYLOADS) == orphans


async def test_what_is_larger_than_any_payload_is_certainly_not_sent(js: JetStream) -> None:
    with pytest.raises(UnsendableError, match="the limit is"):
        await js.publish(CALL, bytes(MAX_WRAPPED_BYTES + 1))

    assert (await messages_in(js, TOOLS), await messages_in(js, PAYLOADS)) == (0, 0)


async def test_a_subject_of_somebody_elses_gets_what_was_given(js: JetStream) -> None:
    await js.api("STREAM.CREATE.THEIRS", {"name": "THEIRS", "subjects": ["theirs"], "allow_direct": True})

    await js.publish("theirs", LARGE[:900_000])

    assert await messages_in(js, PAYLOADS) == 0


async def test_a_reader_gets_large_messages_whole_and_in_order_among_small_ones(js: JetStream) -> None:
    bodies = [b"%d" % n if n % 3 else b"%d" % n * MAX_MESSAGE_BYTES * 2 for n in range(9)]
    for body in bodies:
        await js.publish(subjects.output("run-1"), body)

    got: list[bytes] = []
    async with reading(js, OUTPUT, subjects.output("run-1"), start=1) as reader:
        while len(got) < len(bodies):
            got += [one.body for one in await anext(reader)]

    assert got == bodies


async def test_a_reader_that_wants_no_payloads_gets_messages_as_they_stand(js: JetStream) -> None:
    await js.publish(subjects.output("run-1"), LARGE)

    async with reading(js, OUTPUT, subjects.output("run-1"), start=1, whole=False) as reader:
        (got,) = await anext(reader)

    assert PayloadStored.from_body(got.body).size == len(LARGE)
    assert PAYLOAD_HEADER in got.headers


async def test_a_replay_names_the_same_payload(js: JetStream) -> None:
    named = await reference(js)
    await js.api("STREAM.CREATE.THEIRS", {"name": "THEIRS", "subjects": ["theirs"], "allow_direct": True})

    async with aclosing(replayed(js, TOOLS, Span(CALL, 1, 1), "theirs")) as pages:
        assert [page async for page in pages] == [[1]]

    (again,) = await js.following(TOOLS.model_copy(update={"name": "THEIRS"}), "theirs", start=1, whole=False)
    assert PayloadStored.from_body(again.body) == named
    assert (await js.whole_stored(again)).body == LARGE


# --- On core subjects ---------------------------------------------------------------------------------


async def test_questions_and_answers_may_be_large(js: JetStream) -> None:
    async def answer(message: Message) -> None:
        await js.respond(message, message.data[::-1])

    await js.subscribe("live.v1.run-1", answer)

    assert (await js.request("live.v1.run-1", LARGE)).data == LARGE[::-1]
    async with aclosing(js.converse("live.v1.run-1", LARGE, silence_s=5)) as answers:
        assert (await anext(answers)).data == LARGE[::-1]


async def test_whoever_listens_hears_large_messages_whole(js: JetStream) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async with listening(js, "output.v1.run-1", lambda _, body: heard.put_nowait(body)):
        await js.tell("output.v1.run-1", LARGE)
        await js.publish("output.v1.run-1", LARGE)

        assert [await heard.get(), await heard.get()] == [LARGE, LARGE]


async def test_an_answer_whose_payload_is_lost_is_none(js: JetStream) -> None:
    async def answer(message: Message) -> None:
        named = PayloadStored(owner="_", sha256="0" * 64, size=700_000, pieces=2)
        await js.nats.publish(message.reply, named.to_body(), headers={PAYLOAD_HEADER: "stored"})

    await js.subscribe("live.v1.run-1", answer)

    with pytest.raises(UnconfirmedError, match="lost"):
        await js.request("live.v1.run-1", b"")


# --- How long they are kept ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("publish", "age"),
    [
        (partial(JetStream.publish, subject=ENTRY), "never"),
        (partial(JetStream.publish, subject=subjects.entity_log("acme", "Cart", "c", 1)), "never"),
        (partial(JetStream.publish, subject=subjects.output("run-1")), "1h"),
        (partial(JetStream.tell, subject="somebody.listens"), "1h"),
        (partial(JetStream.tell, subject=subjects.live("run-1")), None),
        (partial(JetStream.publish, subject=subjects.inbox("run-1", "signal", "s")), None),
        (partial(JetStream.publish, subject=CALL), None),
    ],
    ids=["journal", "entity-log", "output", "answer", "live", "inbox", "call"],
)
async def test_a_payload_is_kept_at_least_as_long_as_what_names_it(
    js: JetStream, publish: "partial[object]", age: str | None
) -> None:
    await publish(js, body=LARGE)  # pyright: ignore[reportGeneralTypeIssues]

    pieces = await js.following(PAYLOADS, "payloads.v1.>", start=1)
    assert len(pieces) == -(-len(LARGE) // MAX_MESSAGE_BYTES)
    assert {piece.headers.get("Nats-TTL") for piece in pieces} == {age}


async def test_the_payloads_of_a_run_can_be_purged_with_it_and_no_others(js: JetStream) -> None:
    for run in ("run-1", "run-2"):
        await write_journal(js, run, [run_started(input="x" * 1_000_000), settled_step()])
        await js.publish(subjects.inbox(run, "signal", "s"), LARGE)
    before = await messages_in(js, PAYLOADS)

    await js.purge(PAYLOADS, subjects.payloads_of("run-1"))

    assert await messages_in(js, PAYLOADS) == before // 2
    assert len(await read_journal(js, "run-2")) == 2


# --- What is lost ---------------------------------------------------------------------------------------


async def test_a_payload_that_is_not_there_is_told_at_once(js: JetStream) -> None:
    await lose(js, await reference(js))

    with pytest.raises(PayloadLostError, match="is missing"):
        await js.last(TOOLS, CALL)


async def test_a_payload_that_is_not_what_it_was_is_told(js: JetStream) -> None:
    named = await reference(js)
    await lose(js, named)
    await js.publish(subjects.payload_piece(named.owner, named.sha256, 1), b"something else")

    with pytest.raises(PayloadLostError, match="damaged"):
        await js.last(TOOLS, CALL)


async def test_a_message_whose_payload_is_lost_is_buried_at_once_and_never_handled(js: JetStream) -> None:
    handler = Handler()
    await lose(js, await reference(js))

    async with pulling(js, handler):
        await settled(js, TOOLS, CONSUMER)
        await until_there_are(js, DEAD, 1)

    letter = await letter_at(js, 1)
    assert letter is not None
    assert (handler.bodies, letter.attempts) == ([], 1)
    assert "is missing" in letter.reason
    await until_there_are(js, TOOLS, 0)


async def test_a_journal_entry_that_is_lost_is_named_and_the_others_can_still_be_read(js: JetStream) -> None:
    await write_journal(js, "run-1", [run_started(), settled_step("a#0"), settled_step("b#0", 10)])
    await js.purge(PAYLOADS, subjects.payloads_of("run-1"))

    with pytest.raises(PayloadLostError, match=r"entry 1 of run run-1 .* is missing"):
        await read_journal(js, "run-1")

    left = await salvage_journal(js, "run-1")
    assert [(number, getattr(record, "result", None)) for number, record in left] == [
        (0, None),
        (1, None),
        (2, "x" * 10),
    ]


async def test_nothing_can_be_published_while_the_broker_is_away_and_that_is_said(
    js: JetStream, broker: Servers
) -> None:
    await broker.nats.kill()

    with pytest.raises(BrokerError):
        await js.publish(CALL, LARGE)


# --- Letters and outlines -----------------------------------------------------------------------------


async def test_a_large_message_that_is_given_up_is_kept_whole(js: JetStream) -> None:
    async with pulling(js, Handler(GiveUp("no"))):
        await js.publish(CALL, LARGE, headers={"ce-id": "e-1"})
        await settled(js, TOOLS, CONSUMER)

    kept = await letter_at(js, 1)
    assert kept is not None
    assert (kept.raw, kept.headers, kept.reason) == (LARGE, {"ce-id": "e-1"}, "no")
    assert await messages_in(js, DEAD) == 1


async def test_large_letters_are_listed_without_bodies(js: JetStream) -> None:
    async with pulling(js, Handler(GiveUp("no"), GiveUp("nor that"))):
        await js.nats.publish(CALL, b"\xff" * 1_000_000)
        await js.publish(CALL, b"small")
        await settled(js, TOOLS, CONSUMER)

    (page,) = [page async for page in letters(js, LetterFilter())]

    assert sorted((one.letter.reason, one.letter.body) for one in page) == [("no", ""), ("nor that", "small")]


async def test_an_outline_of_an_entry_has_all_but_what_is_large(js: JetStream) -> None:
    started = run_started(input=["ü", {"text": "x" * 2_000_000}], headers={"a": "b"})
    await write_entry(js, "run-1", 0, started)
    await js.purge(PAYLOADS, subjects.payloads_of("run-1"))

    outline = await newest_outline(js, ENTRY)

    assert outline is not None
    assert RunStarted.from_body(outline.body) == started.model_copy(update={"input": None})
    stored = await js.last(JOURNAL, ENTRY, whole=False)
    assert stored is not None
    assert PayloadStored.from_body(stored.body).left_out["input"].sha256 == digest(started.input)


@pytest.mark.parametrize("body", [b"x" * 600_000, b"[" * 600_000, b'["' + b"x" * 600_000 + b'"]'])
async def test_an_entry_that_is_no_object_has_no_outline_and_is_kept_all_the_same(
    js: JetStream, body: bytes
) -> None:
    await js.publish(ENTRY, body, expect=Expect(0))

    outline = await newest_outline(js, ENTRY)

    assert outline is not None
    assert outline.body == body
