"""Sends to runs what people and other runs want of them: signals, and the wish that they end, stand still, or go on.

Signals to one run are sent in the order in which they were asked for, also those that other routers have in hand.
"""

import asyncio
from contextlib import suppress
from typing import Any

from towpath_chassis.errors import PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_router.ordering import Order
from towpath_router.requests import Asked, RefusedError, Request, check_tenant, read_body
from towpath_router.succession import Line, Succession
from towpath_schemas.calls import Control, ControlSent, RunEvent, SignalSent
from towpath_schemas.identity import derived_id
from towpath_schemas.requests import ControlRequested, RequestDone, SignalRequested
from towpath_schemas.streams import REQUESTS


class Sender:
    """Sends events to the runs that requests name."""

    def __init__(self, js: JetStream, succession: Succession) -> None:
        self._js = js
        self._succession = succession
        self._order = Order(js, REQUESTS)

    async def signal(self, asked: Asked[SignalRequested]) -> RequestDone:
        """Send a signal, once those that were asked for before it are sent; see `_send`.

        Raises:
            RetryLater: If another run is just about to go on from the one that it is for.
        """
        async with self._order.turn(asked.request.subject, asked.request.sequence) as turn:
            line, earlier = await asyncio.gather(self._succession.named(asked), turn.earlier())
            while earlier is not None:
                await self._send_earlier(earlier, asked, line)
                earlier = await turn.earlier()
            await self._succession.send(_signal(asked), line)
            turn.is_done()
        return _done(asked)

    async def _send_earlier(self, message: StoredMessage, behind: Asked[SignalRequested], line: Line) -> None:
        """Send what another request for the same run asks for, unless it will be refused, by whoever has it in hand."""
        with suppress(RefusedError, PayloadLostError):
            request = Request.stored(await self._js.whole_stored(message))
            check_tenant(request, behind.address)
            earlier = read_body(request, behind.address, SignalRequested, None)
            await self._succession.send(_signal(earlier), line)

    async def cancel(self, asked: Asked[ControlRequested]) -> RequestDone:
        """Ask a run to end; see `_send`."""
        return await self._send(asked, _control(asked, "cancel"))

    async def pause(self, asked: Asked[ControlRequested]) -> RequestDone:
        """Ask a run to stand still; see `_send`."""
        return await self._send(asked, _control(asked, "pause"))

    async def unpause(self, asked: Asked[ControlRequested]) -> RequestDone:
        """Ask a run to go on; see `_send`."""
        return await self._send(asked, _control(asked, "unpause"))

    async def _send(self, asked: Asked[Any], event: RunEvent) -> RequestDone:
        """Send an event to its run, or to the one that goes on from it.

        Raises:
            RefusedError: If the tenant has no such run, or it has ended without having taken the event before.
            RetryLater: If another run is just about to go on from it.
        """
        await self._succession.send(event, await self._succession.named(asked))
        return _done(asked)


def _done(asked: Asked[Any]) -> RequestDone:
    return RequestDone(subject=asked.request.subject, targets=(asked.target,))


def _signal(asked: Asked[SignalRequested]) -> SignalSent:
    said = asked.said
    return SignalSent(
        signal_id=said.signal_id or asked.own_id,
        run_id=asked.target,
        name=said.name,
        payload=said.payload,
        attribution=asked.by,
    )


def _control(asked: Asked[ControlRequested], control: Control) -> ControlSent:
    return ControlSent(
        event_id=derived_id(control, asked.target, asked.own_id),
        run_id=asked.target,
        control=control,
        reason=asked.said.reason,
        attribution=asked.by,
    )
