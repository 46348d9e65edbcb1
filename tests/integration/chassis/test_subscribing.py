"""Questions on core subjects: one of those who listen answers, and a handler that fails answers nobody."""

import asyncio

import pytest

from towpath_chassis.errors import NoResponderError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_chassis.service import chassis
from towpath_chassis.settings import ServiceSettings
from towpath_chassis.subscribing import subscribed
from towpath_schemas.calls import Taken
from towpath_testkit.servers import Servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

SUBJECT = "test-question.v1.x"


async def test_a_question_is_answered_by_one_of_those_who_share_a_queue(
    broker: Servers, js: JetStream
) -> None:
    asked: list[int] = []

    def answering(who: int):
        async def handle(_message: Message) -> Taken:
            asked.append(who)
            return Taken(taken=True)

        return handle

    settings = ServiceSettings(nats_url=broker.nats.url)
    async with (
        chassis("one", settings) as one,
        chassis("two", settings) as two,
        subscribed(one, SUBJECT, answering(1), queue="q"),
        subscribed(two, SUBJECT, answering(2), queue="q"),
    ):
        answers = await asyncio.gather(*(js.request(SUBJECT, b"") for _ in range(20)))

    assert {Taken.from_body(answer.data).taken for answer in answers} == {True}
    assert len(asked) == 20


async def test_a_handler_that_fails_answers_nobody_and_goes_on(broker: Servers, js: JetStream) -> None:
    async def handle(message: Message) -> Taken:
        if message.data == b"bad":
            raise ValueError("odd")
        return Taken.from_body(message.data)

    async with (
        chassis("one", ServiceSettings(nats_url=broker.nats.url)) as one,
        subscribed(one, SUBJECT, handle, workers=2),
    ):
        for body in (b"bad", b"not json", b"bad", b"{}"):
            with pytest.raises(UnconfirmedError):
                await js.request(SUBJECT, body, within_s=0.05)
        answer = await js.request(SUBJECT, Taken(taken=True).to_body())

    assert Taken.from_body(answer.data).taken


async def test_questions_are_answered_again_after_the_broker_was_killed(
    broker: Servers, js: JetStream
) -> None:
    async def handle(_message: Message) -> Taken:
        return Taken(taken=True)

    async with (
        chassis("one", ServiceSettings(nats_url=broker.nats.url)) as one,
        subscribed(one, SUBJECT, handle),
    ):
        await broker.nats.restart()

        async def ask() -> bool:
            try:
                return Taken.from_body((await js.request(SUBJECT, b"", within_s=0.2)).data).taken
            except NoResponderError:
                return False  # who asks may be back before who answers

        await until(ask, lambda taken: taken)
