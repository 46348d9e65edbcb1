"""Calls of entities whose answers come to this process, instead of to a run."""

import asyncio
from functools import partial

from towpath.runtime.asking import NatsQuestions
from towpath_chassis.errors import NotStoredError
from towpath_chassis.insisting import until_answered
from towpath_schemas import identity
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large

_ASK_AGAIN_S = 5.0
_ASK_AGAIN_AT_MOST_S = 60.0


class NatsEntities(NatsQuestions):
    """Asks until it has the answer: the entity knows an invocation that it has seen before."""

    async def invoke(self, asked: InvocationRequested) -> Answered:
        """Have a method executed that may write; see `Entities.invoke`."""
        size = len(asked.to_body())
        if size > MAX_PAYLOAD_BYTES:
            called = f"{asked.entity_type}.{asked.method}"
            return _failed(asked, too_large(f"the call of {called!r}", size))
        with self._js.awaiting() as (subject, answer):
            asked, wait_s = asked.model_copy(update={"reply_to": subject}), _ASK_AGAIN_S
            while not answer.done():
                try:
                    await until_answered(partial(self._js.publish, asked.entity.mailbox, asked.to_body()))
                except NotStoredError as error:
                    return _failed(asked, Failure(code="unavailable", message=str(error)))
                await asyncio.wait({answer}, timeout=wait_s)
                wait_s = min(2 * wait_s, _ASK_AGAIN_AT_MOST_S)
            return Answered.from_body((await self._js.whole(answer.result())).data)

    async def read(self, asked: InvocationRequested) -> Answered:
        """Have a shared method executed; see `Entities.read`."""
        return await self.read_entity(asked)


def _failed(asked: InvocationRequested, failure: Failure) -> Answered:
    answer_id = identity.answer_id(asked.invocation_id)
    return Answered(answer_id=answer_id, run_id=asked.run_id, key=asked.key, failure=failure)
