"""What was handled is removed from a stream, and nothing else that a consumer has delivered is forgotten with it."""

import asyncio

import pytest
from nats.aio.msg import Msg

from towpath_chassis.jetstream import JetStream
from towpath_chassis.streams import ensure_consumer, nanoseconds
from towpath_schemas.streams import INBOX

pytestmark = pytest.mark.live

CONSUMER = "test"
ACK_WAIT_S = 0.5
SUBJECTS = [f"inbox.v1.run-{number}.signal.one" for number in range(4)]


class Pulled:
    """Messages that a process has in its hands."""

    def __init__(self, js: JetStream) -> None:
        self.js = js
        self._messages: asyncio.Queue[Msg] = asyncio.Queue()

    async def pull(self, count: int) -> list[Msg]:
        inbox = self.js.nats.new_inbox()
        await self.js.subscribe(inbox, self._messages.put)
        question = b'{"batch": %d, "expires": 20000000000}' % count
        await self.js.nats.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{INBOX.name}.{CONSUMER}", question, reply=inbox
        )
        return [await asyncio.wait_for(self._messages.get(), 10) for _ in range(count)]


async def delivered(js: JetStream) -> list[int]:
    """Store messages, and have all but the last delivered; return all sequences."""
    await ensure_consumer(
        js, INBOX, CONSUMER, filter_subject="inbox.v1.*.*.*", ack_wait=nanoseconds(ACK_WAIT_S)
    )
    sequences = [(await js.publish(subject, b"")).sequence for subject in SUBJECTS]
    messages = await Pulled(js).pull(3)
    await js.delete(INBOX, sequences[1])
    await messages[2].ack()
    return sequences


async def test_what_a_lost_process_had_in_its_hands_comes_again_though_others_were_deleted(
    js: JetStream,
) -> None:
    await delivered(js)

    again = await Pulled(js).pull(2)

    assert sorted(message.subject for message in again) == [SUBJECTS[0], SUBJECTS[3]]


async def test_deleting_what_is_gone_already_is_no_trouble(js: JetStream) -> None:
    sequences = await delivered(js)

    await js.delete(INBOX, *sequences[:2], *sequences)
    await js.delete(INBOX, *sequences, sequences[-1] + 1)

    assert await js.following(INBOX, "inbox.v1.>", start=1) == []


async def test_clearing_a_pattern_leaves_the_rest(js: JetStream) -> None:
    await delivered(js)

    await js.clear(INBOX, "inbox.v1.run-0.*.*")

    assert [one.subject for one in await js.following(INBOX, "inbox.v1.>", start=1)] == SUBJECTS[2:]
