"""Brings outcomes to the runs that wait for them."""

import asyncio

from towpath_chassis.inbox import bring
from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationDone, InvocationRequested

_REMEMBERED = 20_000


class Answers:
    """Brings each answer once, as far as this process remembers; a run takes no answer twice anyway."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self._brought: dict[int, asyncio.Task[None]] = {}

    def begin(self, sequence: int, invocation: InvocationRequested, outcome: InvocationDone) -> None:
        """Begin to bring the answer to the invocation at `sequence` of ENTITIES."""
        task = asyncio.create_task(self._bring(invocation, outcome))
        self._brought[sequence] = task
        task.add_done_callback(lambda ended: self._forget_failed(sequence, ended))
        if len(self._brought) > _REMEMBERED:
            del self._brought[next(iter(self._brought))]

    async def brought(self, sequence: int) -> bool:
        """Wait until the answer is where it belongs; False where none was begun here.

        Raises:
            BrokerError: If it could not be brought.
        """
        task = self._brought.get(sequence)
        if task is not None:
            await asyncio.shield(task)
        return task is not None

    async def repeat(self, invocation: InvocationRequested, outcome: InvocationDone) -> None:
        """Bring an answer that may have been brought before.

        Raises:
            BrokerError: If it could not be brought.
        """
        await self._bring(invocation, outcome)

    async def _bring(self, invocation: InvocationRequested, outcome: InvocationDone) -> None:
        """Bring an answer to its run; somebody else, who waits for it, is told, and asks again if that got lost."""
        answer = answered(invocation, outcome)
        if invocation.reply_to is None:
            await bring(self._js, answer)
        else:
            await self._js.tell(invocation.reply_to, answer.to_body())

    async def finish(self, within_s: float) -> None:
        """Wait for the answers that are under way."""
        if under_way := [task for task in self._brought.values() if not task.done()]:
            await asyncio.wait(under_way, timeout=within_s)

    def _forget_failed(self, sequence: int, ended: "asyncio.Task[None]") -> None:
        if ended.cancelled() or ended.exception() is not None:
            self._brought.pop(sequence, None)


def answered(invocation: InvocationRequested, outcome: InvocationDone) -> Answered:
    """Write the answer to an invocation."""
    return Answered(
        answer_id=identity.answer_id(invocation.invocation_id),
        run_id=invocation.run_id,
        key=invocation.key,
        result=outcome.result,
        failure=outcome.failure,
    )
