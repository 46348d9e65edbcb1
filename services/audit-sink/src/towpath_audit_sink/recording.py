"""Records the audit stream in the ledger, in order, from the ledger's own end on, for ever."""

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from towpath_audit_sink.ledger import Ledger, LedgerBusyError, LedgerError, entry_of, ledger
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.reading import Got, reading
from towpath_schemas.streams import AUDIT

log = structlog.get_logger(__name__)

_SYNC_S = 1.0
_RETRY_S = 1.0
_LINGER_S = 0.05


class Recorder:
    """Records for ever; `trouble` is why it cannot now, if it cannot."""

    def __init__(self, js: JetStream, directory: Path) -> None:
        self._js = js
        self._directory = directory
        self.trouble: str | None = "not begun"

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            try:
                with ledger(self._directory) as opened:
                    await self._record(opened)
            except LedgerBusyError:  # the other one records; this process takes over when that one ends
                self.trouble = None
            except (LedgerError, OSError, BrokerError) as error:
                self._complain(str(error))
            await asyncio.sleep(_RETRY_S)

    async def _record(self, opened: Ledger) -> None:
        await self._recognise(opened)
        self.trouble = None
        syncing = asyncio.create_task(_sync_for_ever(opened), name="ledger-sync")
        try:
            start = opened.head.sequence + 1
            async with reading(self._js, AUDIT, AUDIT.subjects[0], start=start, linger_s=_LINGER_S) as events:
                async for got in events:
                    opened.append(got)
        finally:
            syncing.cancel()
            with suppress(asyncio.CancelledError):
                await syncing

    async def _recognise(self, opened: Ledger) -> None:
        """Make sure that the ledger was recorded from this audit stream."""
        if opened.newest is None:
            return
        sequence = opened.head.sequence
        stored = await self._js.at(AUDIT, sequence)
        there = stored and entry_of(Got(stored.subject, stored.sequence, stored.body, stored.headers))
        if there != opened.newest.entry:
            raise LedgerError(
                f"{opened.path} was recorded from another audit stream: its last line, sequence {sequence}, is not "
                "what the stream has there; move the file away, or restore the stream"
            )

    def _complain(self, reason: str) -> None:
        if reason != self.trouble:
            log.error("cannot record the ledger", reason=reason)
        self.trouble = reason


async def _sync_for_ever(opened: Ledger) -> None:
    while True:
        await asyncio.sleep(_SYNC_S)
        await opened.sync()
