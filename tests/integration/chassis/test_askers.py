"""Whoever waits for what a message asks is told that it was given up, once, and nobody else is."""

from typing import Any

import orjson
import pytest

from towpath_chassis.askers import tell_asker
from towpath_chassis.burying import Unhandled
from towpath_chassis.inbox import place_of
from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.journal import Parent, RunFinished
from towpath_schemas.streams import INBOX
from towpath_testkit.builders import call_requested, run_dispatched
from towpath_testkit.journals import AT, run_started, write_entry
from towpath_testkit.settled import messages_in

pytestmark = pytest.mark.live

CALL = call_requested(run_id="up", key="task:add#0")

NOBODY_WAITS: list[Any] = [
    {"run_id": "nobody", "key": "k"},
    {"run_id": "up.*", "key": "k"},
    {"run_id": "up"},
    {"run_id": "up", "key": "k", "reply_to": "journal.v1.up.0.1"},
    {"run_id": 7, "key": "k"},
    {"parent": "up"},
    ["up"],
]


def unhandled(subject: str, body: bytes) -> Unhandled:
    return Unhandled("ANY", "any", subject, 1, AT, None, body)


async def give_up(js: JetStream, subject: str, body: bytes) -> None:
    await tell_asker(js, unhandled(subject, body), reason="it is broken", letter=7)


async def told(js: JetStream, run_id: str) -> list[Answered]:
    kept = await js.following(INBOX, subjects.inbox_of(run_id), start=1)
    return [Answered.from_body(one.body) for one in kept]


async def test_a_run_is_told_why_its_call_failed_and_what_can_be_done(js: JetStream) -> None:
    await write_entry(js, "up", 0, run_started())

    await give_up(js, subjects.call("hello", "add"), CALL.to_body())
    await give_up(js, subjects.call("hello", "add"), CALL.to_body())

    (answer,) = await told(js, "up")
    assert answer.answer_id == identity.answer_id(CALL.call_id)
    assert answer.failure is not None
    assert (answer.key, answer.failure.code, answer.failure.retryable) == ("task:add#0", "given_up", False)
    assert answer.failure.message.startswith("it is broken; what was asked for is dead letter 7")
    assert "`towpath dead redrive 7`" in answer.failure.message
    assert await js.last(INBOX, place_of(answer)) is not None


async def test_a_parent_is_told_that_nobody_can_take_its_child_unless_that_has_ended(js: JetStream) -> None:
    await write_entry(js, "up", 0, run_started())
    for child in ("going-on", "ended"):
        await write_entry(js, child, 0, run_started(parent=Parent(run_id="up", key=child)))
    await write_entry(js, "ended", 1, RunFinished(at=AT, end="completed"))

    for child in ("going-on", "ended"):
        await give_up(js, subjects.dispatch("start", "hello"), run_dispatched(child).to_body())

    assert [one.key for one in await told(js, "up")] == ["going-on"]


async def test_who_asked_an_entity_and_waits_at_a_subject_is_told_there(js: JetStream) -> None:
    with js.awaiting() as (subject, answer):
        asked = InvocationRequested(
            invocation_id="i-1",
            run_id="i-1",
            key="k",
            service="hello",
            entity_type="Cart",
            entity_key="c",
            method="add",
            attribution=Attribution(tenant="acme"),
            correlation_id="correlation-1",
            reply_to=subject,
        )
        await give_up(js, asked.entity.mailbox, asked.to_body())

        heard = Answered.from_body((await answer).data)

    assert heard.answer_id == identity.answer_id(asked.invocation_id)
    assert heard.failure is not None
    assert await messages_in(js, INBOX) == 0


async def test_what_nobody_can_be_waiting_for_is_told_to_nobody(js: JetStream) -> None:
    await write_entry(js, "up", 0, run_started())

    for said in NOBODY_WAITS:
        await give_up(js, subjects.call("hello", "add"), orjson.dumps(said))

    assert await messages_in(js, INBOX) == 0
