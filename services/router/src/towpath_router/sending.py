"""Sends to runs what people and other runs want of them: signals, and the wish that they end, stand still, or go on."""

from typing import Any

from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import read_journal
from towpath_router.requests import Asked
from towpath_router.runs import Runs, ended
from towpath_schemas.calls import Control, ControlSent, RunEvent, SignalSent, event_id_of
from towpath_schemas.identity import derived_id
from towpath_schemas.journal import CallSettled, CancelReceived, JournalRecord, PauseReceived, SignalReceived
from towpath_schemas.requests import ControlRequested, RequestDone, SignalRequested


class Sender:
    """Sends events to the runs that requests name."""

    def __init__(self, js: JetStream, runs: Runs) -> None:
        self._js = js
        self._runs = runs

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
        """Put an event into its run's inbox.

        Raises:
            RefusedError: If the tenant has no such run, or it has ended without having taken the event before.
        """
        await self._runs.named(asked)
        if await self._runs.finished(event.run_id) is None:
            await keep(self._js, event)
        elif not await self._was_taken(event):
            raise ended(event.run_id)
        return RequestDone(subject=asked.request.subject, targets=(event.run_id,))

    async def _was_taken(self, event: RunEvent) -> bool:
        entries = await read_journal(self._js, event.run_id)
        return any(_took(record) == event_id_of(event) for _, record in entries)


def _control(asked: Asked[ControlRequested], control: Control) -> ControlSent:
    return ControlSent(
        event_id=derived_id(control, asked.target, asked.own_id),
        run_id=asked.target,
        control=control,
        reason=asked.said.reason,
        attribution=asked.by,
    )


def _took(record: JournalRecord) -> str | None:
    """Tell the id of the event that a record says was taken."""
    match record:
        case SignalReceived():
            return record.signal_id
        case CallSettled():
            return record.source
        case CancelReceived() | PauseReceived():
            return record.event_id
        case _:
            return None
