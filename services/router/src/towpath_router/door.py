"""The public door: reads each request, has its verb done, and tells the requester what became of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple

from towpath_chassis.delivery import GiveUp
from towpath_chassis.errors import PayloadLostError
from towpath_chassis.service import Chassis
from towpath_chassis.telemetry import ADMIT
from towpath_router.refusals import Refusals
from towpath_router.requests import (
    Asked,
    RefusedError,
    Request,
    RequestedT,
    check_tenant,
    read_address,
    read_body,
)
from towpath_schemas.shape import Shape


class Verb(NamedTuple, Generic[RequestedT]):
    """One thing that can be asked for: what its requests say, and who does it.

    `do` returns what the requester is told (None: somebody else tells it), or raises `RefusedError`. A request may be
    delivered more than once.
    """

    shape: type[RequestedT]
    do: Callable[[Asked[RequestedT]], Awaitable[Shape | None]]


class Door:
    """Takes requests of every verb it is given."""

    def __init__(self, chassis: Chassis[Any], verbs: Mapping[str, Verb[Any]]) -> None:
        self._js = chassis.js
        self._tracing = chassis.tracing
        self._refusals = Refusals(chassis.js)
        self._verbs = verbs

    async def take(self, request: Request) -> None:
        """Do what a request asks for.

        Raises:
            GiveUp: If it is refused; the refusal is journaled and the requester told.
        """
        with self._tracing.span(ADMIT, parent=request.traceparent) as inside:
            asked: Asked[Any] | None = None
            try:
                address = read_address(request.subject)
                verb = self._verb(address.verb)
                asked = read_body(request, address, verb.shape, inside)
                check_tenant(request, address)
                answer = await _done(verb, asked)
            except RefusedError as refused:
                await self._refusals.refuse(request, refused.failure, asked)
                raise GiveUp(refused.failure) from refused
            if asked.said.reply_to is not None and answer is not None:
                await self._js.tell(asked.said.reply_to, answer.to_body())

    def _verb(self, name: str) -> Verb[Any]:
        if (verb := self._verbs.get(name)) is None:
            known = ", ".join(sorted(self._verbs))
            message = f"{name!r} is not a request; publish to requests.v1.<tenant>.<verb>.<target>, with a verb of {known}"
            raise RefusedError("unknown_verb", message)
        return verb


async def _done(verb: Verb[RequestedT], asked: Asked[RequestedT]) -> Shape | None:
    try:
        return await verb.do(asked)
    except PayloadLostError as lost:
        raise RefusedError("payload_missing", str(lost)) from lost
