"""Gives up the object keys of a run that ended without its code, and tells whoever is next that it is their turn.

The entity answers as it would answer the run. To ask again gets the first answer, so who dies in between is made up for.
"""

import asyncio

from towpath_chassis.delivery import RetryLater
from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, RunClosed, SignalSent, Taken
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.object_keys import LEAVE, OBJECT_KEY, PlaceInLine, turn_signal

_ANSWERED_WITHIN_S = 10.0
_TAKEN = Taken(taken=True).to_body()


class Releaser:
    """Leaves lines on behalf of runs that have ended."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def release(self, closed: RunClosed) -> None:
        """Leave the lines in which a run still stands.

        Raises:
            RetryLater: If the entity does not answer now.
            UnconfirmedError: If the broker could not be asked.
        """
        for place in closed.places:
            answered = await self._leave(closed, place)
            following: dict[str, str] | None = answered.result
            if following is not None:
                await self._give_turn(following["holder"], following["run_id"], closed.attribution)

    async def _leave(self, closed: RunClosed, place: PlaceInLine) -> Answered:
        left = _leaving(closed, place)
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()

        async def take(message: Message) -> None:
            answered = Answered.from_body(message.data)
            if answered.key == left.key and not answer.done():
                answer.set_result(answered)
            await self._js.respond(message, _TAKEN)

        subscription = await self._js.subscribe(subjects.live(closed.run_id), take)
        try:
            await self._js.publish(left.entity.mailbox, left.to_body())
            async with asyncio.timeout(_ANSWERED_WITHIN_S):
                return await answer
        except TimeoutError:
            raise RetryLater(f"object key {place.key!r} could not be given up yet") from None
        finally:
            await self._js.unsubscribe(subscription)

    async def _give_turn(self, holder: str, run_id: str, by: Attribution) -> None:
        signal_id = identity.derived_id("turn", holder)
        turn = SignalSent(
            signal_id=signal_id, run_id=run_id, name=turn_signal(holder), payload=None, attribution=by
        )
        await keep(self._js, turn)


def _leaving(closed: RunClosed, place: PlaceInLine) -> InvocationRequested:
    key = f"release/{place.holder}"
    return InvocationRequested(
        invocation_id=identity.call_id(closed.run_id, key),
        run_id=closed.run_id,
        key=key,
        service=place.service,
        entity_type=OBJECT_KEY,
        entity_key=place.key,
        method=LEAVE,
        arguments={"holder": place.holder},
        attribution=closed.attribution,
        correlation_id=closed.run_id,
    )
