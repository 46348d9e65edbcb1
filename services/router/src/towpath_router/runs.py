"""Knows of each run what its journal says: whose it is, where it runs, whether it has ended."""

import asyncio
from typing import Any

from pydantic import ValidationError

from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_outline
from towpath_chassis.messages import StoredMessage
from towpath_router.requests import Asked, RefusedError
from towpath_schemas import subjects
from towpath_schemas.journal import JournalRecord, RunFinished, RunPurged, RunStarted, read_record


class Runs:
    """The runs of all tenants, as the journal has them."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def started(self, run_id: str) -> RunStarted | None:
        """Read the first entry of a run, without an input that is large; None where there is no such run.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        if subjects.token(run_id) != run_id:
            return None  # no run has such an id, and it must not become a pattern
        record = await self._newest(subjects.journal_entry(run_id, 0))
        return record if isinstance(record, RunStarted) else None

    async def finished(self, run_id: str) -> RunFinished | None:
        """Read how a run ended, without a result that is large; None where it has not. Nothing is written after it.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        closing = await self.closing(run_id)
        return closing if isinstance(closing, RunFinished) else None

    async def closing(self, run_id: str) -> RunFinished | RunPurged | None:
        """Read how a run ended, or the note that it is forgotten; None where there is neither.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        found = await newest_outline(self._js, subjects.journal_of(run_id))
        if found is None or found.subject == subjects.journal_entry(run_id, 0):
            return None
        record = _read(found)
        return record if isinstance(record, RunFinished | RunPurged) else None

    async def is_forgotten(self, run_id: str) -> bool:
        """Tell whether a run that there was is purged, though something of it may be there still.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        started, closing = await asyncio.gather(self.started(run_id), self.closing(run_id))
        return started is None or isinstance(closing, RunPurged)

    async def named(self, asked: Asked[Any]) -> RunStarted:
        """Find the run that a request names.

        Raises:
            RefusedError: If the tenant has no such run; those of others it does not hear of.
            UnconfirmedError: If the broker could not be asked.
        """
        started = await self.started(asked.target)
        if started is None or started.attribution.tenant != asked.tenant:
            raise unknown(asked)
        return started

    async def _newest(self, pattern: str) -> JournalRecord | None:
        found = await newest_outline(self._js, pattern)
        return _read(found) if found else None


def _read(entry: StoredMessage) -> JournalRecord | None:
    try:
        return read_record(entry.body)
    except ValidationError:
        return None  # a newer version wrote it


def unknown(asked: Asked[Any]) -> RefusedError:
    """Refuse what is asked of a run that the tenant does not have."""
    message = f"there is no run {asked.target!r} of {asked.tenant!r}; name it by the id it was accepted with"
    return RefusedError("unknown_run", message)


def ended(run_id: str) -> RefusedError:
    """Refuse what can only be asked of a run that goes on."""
    return RefusedError("run_ended", f"run {run_id!r} has ended; fork it, or start a new one")
