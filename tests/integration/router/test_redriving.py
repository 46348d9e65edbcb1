"""A dead letter is redriven once, whoever asks how often and whoever dies meanwhile, and the journal says for whom."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import letter_at, redriven
from towpath_chassis.listening import listening
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ComponentDescribed, ServiceRegistered
from towpath_schemas.journal import LetterRedriven, RunStarted, StartRefused, read_record
from towpath_schemas.requests import RedriveRequested, RequestDone, RequestRefused
from towpath_schemas.streams import DEAD, JOURNAL, REQUESTS, ROUTER_REQUESTS, RUNS, TOOLS
from towpath_testkit.builders import SERVICE, TENANT, start_requested
from towpath_testkit.dead_letters import all_letters, give_up
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import messages_in, settled, until, until_there_are

pytestmark = pytest.mark.live

CALL = subjects.call(SERVICE, "add")


async def publish(js: JetStream, target: object, *, tenant: str = TENANT, **asked: Any) -> None:
    body = RedriveRequested(**asked).to_body()
    await js.publish(subjects.request(tenant, "redrive", str(target)), body)


async def redrive(
    js: JetStream, target: object, *, tenant: str = TENANT, **asked: Any
) -> list[int] | RequestRefused:
    """Ask for a redrive as anyone with a NATS client can; tell which letters were redriven, or why not."""
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    reply_to = f"my-answers.{uuid4().hex}"
    async with listening(js, reply_to, lambda _subject, body: answer.set_result(body)), asyncio.timeout(10):
        await publish(js, target, tenant=tenant, reply_to=reply_to, **asked)
        said = await answer
    if b"failure" in said:
        return RequestRefused.from_body(said)
    return [int(place) for place in RequestDone.from_body(said).targets]


async def bodies(js: JetStream) -> list[bytes]:
    return [one.body for one in await js.following(TOOLS, "tools.v1.>", start=1, limit=1_000)]


async def records(js: JetStream) -> list[LetterRedriven]:
    entries = await js.newest_of_each(JOURNAL, subjects.EVERY_JOURNAL_ENTRY)
    found = [read_record(one.body) for one in entries]
    return [record for record in found if isinstance(record, LetterRedriven)]


async def test_a_refused_request_is_a_run_once_the_cause_is_mended_and_it_is_redriven(
    towpath: Platform,
) -> None:
    js = towpath.js
    asked = start_requested(idempotency_key="order-1", input={"name": "Ada"}).to_body()
    await js.publish(subjects.request(TENANT, "start", "later"), asked, headers={"traceparent": "00-a-b-01"})
    (letter,) = await until(lambda: all_letters(js), bool)

    late = ServiceRegistered(
        service="late", version="1", components=(ComponentDescribed(name="later", kind="function"),)
    )
    await js.publish(subjects.catalogue("late"), late.to_body())
    done = await redrive(js, letter.place, attribution={"user_id": "operator-1"})

    entry = subjects.journal_entry(identity.run_id(TENANT, "later", "order-1"), 0)
    written = await until(lambda: js.last(JOURNAL, entry), bool)
    started = read_record(written.body if written else b"")
    assert isinstance(started, RunStarted)
    assert (started.input, started.service, started.traceparent) == ({"name": "Ada"}, "late", "00-a-b-01")
    assert done == [letter.place]
    assert [(one.place, one.stream, one.attribution) for one in await records(js)] == [
        (letter.place, "REQUESTS", Attribution(tenant=TENANT, user_id="operator-1"))
    ]
    assert await letter_at(js, letter.place) == letter.letter


async def test_the_message_comes_again_byte_for_byte_with_what_its_sender_said(towpath: Platform) -> None:
    js = towpath.js
    body = b"\xff" * 1_048_000
    headers = {"ce-userref": "u-1", "Nats-Msg-Id": "m-1", "Nats-Expected-Last-Sequence": "7"}
    place = await give_up(js, CALL, body, headers=headers, tenant=TENANT)

    assert await redrive(js, place, tenant=subjects.NOBODY) == [place]

    (again,) = await js.following(TOOLS, CALL, start=1)
    letter = await letter_at(js, place)
    assert again.body == body
    assert letter is not None
    assert again.headers == {
        "ce-id": "m-1",
        "ce-userref": "u-1",
        "Nats-Msg-Id": f"redrive:{letter.letter_id}",
    }


async def test_a_letter_is_redriven_once_however_often_that_is_asked(towpath: Platform) -> None:
    await towpath.router()
    place = await give_up(towpath.js, CALL)

    told = await asyncio.gather(*(redrive(towpath.js, place) for _ in range(20)))

    assert sorted(map(str, told)) == sorted([str([place]), *["[]"] * 19])
    assert len(await bodies(towpath.js)) == len(await records(towpath.js)) == 1


async def test_the_same_request_that_comes_again_is_told_the_same(towpath: Platform) -> None:
    place = await give_up(towpath.js, CALL)
    subject, body = subjects.request(TENANT, "redrive", str(place)), RedriveRequested().to_body()
    for _ in range(2):
        await towpath.js.publish(subject, body, headers={"ce-id": "request-1"})
    await settled(towpath.js, REQUESTS, ROUTER_REQUESTS)

    assert len(await until(lambda: bodies(towpath.js), bool)) == 1
    assert [one.correlation_id for one in await until(lambda: records(towpath.js), bool)] == ["request-1"]


async def test_a_router_that_died_before_it_wrote_it_down_is_made_up_for(towpath: Platform) -> None:
    place = await give_up(towpath.js, CALL)
    letter = await letter_at(towpath.js, place)
    assert letter is not None
    await towpath.js.publish(CALL, letter.raw, message_id=f"redrive:{letter.letter_id}")

    assert await redrive(towpath.js, place) == [place]

    assert len(await bodies(towpath.js)) == 1
    assert set(await redriven(towpath.js, [letter])) == {letter.letter_id}


@pytest.mark.parametrize("tenant", ["other", subjects.NOBODY])
async def test_nobody_redrives_the_letter_of_another_tenant(towpath: Platform, tenant: str) -> None:
    place = await give_up(towpath.js, CALL)

    one = await redrive(towpath.js, place, tenant=tenant)
    every = await redrive(towpath.js, "all", tenant=tenant)

    assert isinstance(one, RequestRefused)
    assert (one.failure.code, every) == ("unknown_letter", [])
    assert await messages_in(towpath.js, TOOLS) == 0


async def test_a_letter_that_is_nobodys_is_redriven_for_nobody(towpath: Platform) -> None:
    place = await give_up(towpath.js, CALL, b"{")

    assert isinstance(await redrive(towpath.js, place), RequestRefused)
    assert await redrive(towpath.js, place, tenant=subjects.NOBODY) == [place]


@pytest.mark.parametrize("target", [0, 99, "", "x", "-1", "1 2", "९", "9" * 30])
async def test_a_place_where_there_is_no_letter_is_refused(towpath: Platform, target: object) -> None:
    refused = await redrive(towpath.js, target)

    assert isinstance(refused, RequestRefused)
    assert refused.failure.code == "unknown_letter"


async def test_what_tells_what_is_so_is_not_published_again(towpath: Platform) -> None:
    place = await give_up(towpath.js, subjects.journal_entry("run-1", 7), stream=JOURNAL)

    refused = await redrive(towpath.js, place)

    assert isinstance(refused, RequestRefused)
    assert refused.failure.code == "not_redrivable"
    assert await redrive(towpath.js, "all") == []


async def test_a_refused_redrive_is_audited_kept_and_not_redriven_itself(towpath: Platform) -> None:
    js = towpath.js
    await redrive(js, 99)
    (letter,) = await until(lambda: all_letters(js), bool)

    refused = await redrive(js, letter.place)

    entries = await js.newest_of_each(JOURNAL, subjects.EVERY_JOURNAL_ENTRY)
    written = [read_record(one.body) for one in entries]
    assert isinstance(refused, RequestRefused)
    assert refused.failure.code == "not_redrivable"
    assert [one.failure.code for one in written if isinstance(one, StartRefused)] == [
        "unknown_letter",
        "not_redrivable",
    ]


async def test_all_that_are_meant_are_redriven_in_their_order_and_no_others(towpath: Platform) -> None:
    js = towpath.js
    for number in range(200):
        await give_up(js, CALL if number % 2 else subjects.call(SERVICE, "other"), sequence=number)
    await give_up(js, CALL, sequence=200, reason="another reason", tenant=TENANT)
    await give_up(js, CALL, sequence=201, tenant="other")
    wanted = [
        one.place for one in await all_letters(js) if one.letter.subject == CALL and one.letter.sequence < 200
    ]

    only = {"stream": "TOOLS", "subject": f"tools.v1.*.{subjects.token('add')}", "reason": "is BROKEN"}
    first = await redrive(js, "all", only=only, limit=60)
    rest = await redrive(js, "all", only=only)
    none = await redrive(js, "all", only=only)

    assert (first, rest, none) == (wanted[:60], wanted[60:], [])
    assert [one.place for one in sorted(await records(js), key=lambda one: one.at)] == wanted
    assert await messages_in(js, TOOLS) == 100


async def test_a_redrive_of_many_that_is_broken_off_is_gone_on_with_and_none_comes_twice(
    towpath: Platform,
) -> None:
    js = towpath.js
    for number in range(300):
        await give_up(js, CALL, sequence=number)
    (first,) = towpath._hosted
    await first.stop()
    dying = await towpath.router(ack_wait_s=0.5)
    await publish(js, "all")
    await until(lambda: messages_in(js, TOOLS), lambda count: count > 20)
    await dying.crash()
    assert await messages_in(js, TOOLS) < 300

    await towpath.router(ack_wait_s=0.5)

    await until(lambda: messages_in(js, TOOLS), lambda count: count == 300)
    await settled(js, REQUESTS, ROUTER_REQUESTS)
    assert len(await records(js)) == 300
    await until_there_are(js, TOOLS, 300)
    assert await messages_in(js, DEAD) == 300
    assert await messages_in(js, RUNS) == 0
