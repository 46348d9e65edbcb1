"""Sends to runs what people and other runs want of them: signals, and the wish that they end, stand still, or go on."""

from typing import Any

from towpath_router.requests import Asked
from towpath_router.succession import Succession
from towpath_schemas.calls import Control, ControlSent, RunEvent, SignalSent
from towpath_schemas.identity import derived_id
from towpath_schemas.requests import ControlRequested, RequestDone, SignalRequested


class Sender:
    """Sends events to the runs that requests name."""

    def __init__(self, succession: Succession) -> None:
        self._succession = succession

    async def signal(self, asked: Asked[SignalRequested]) -> RequestDone:
        """Send a signal; see `_send`."""
        said = asked.said
        event = SignalSent(
            signal_id=said.signal_id or asked.own_id,
            run_id=asked.target,
            name=said.name,
            payload=said.payload,
            attribution=asked.by,
        )
        return await self._send(asked, event)

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
        """
        await self._succession.send(event, await self._succession.named(asked))
        return RequestDone(subject=asked.request.subject, targets=(event.run_id,))


def _control(asked: Asked[ControlRequested], control: Control) -> ControlSent:
    return ControlSent(
        event_id=derived_id(control, asked.target, asked.own_id),
        run_id=asked.target,
        control=control,
        reason=asked.said.reason,
        attribution=asked.by,
    )
