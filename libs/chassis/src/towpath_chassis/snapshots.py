"""Shortens the reading of long journals: their first entries, copied into one message each time they are many more.

A snapshot is a convenience, and the journal remains whole beside it: one that is lost or cannot be read is not missed.
Entries never change, so it does not matter who wrote it, nor whether they still owned the run.
"""

from contextlib import suppress
from itertools import count
from operator import itemgetter

from pydantic import TypeAdapter, ValidationError

from towpath_chassis.errors import BrokerError, PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import Entry, read_journal
from towpath_schemas import subjects
from towpath_schemas.journal import JournalRecord, RunResumed
from towpath_schemas.streams import SNAPSHOTS

SNAPSHOT_EVERY = 1_000
"""Entries beyond the last snapshot for which another one is worth its writing."""

_ENTRIES: TypeAdapter[list[tuple[int, JournalRecord]]] = TypeAdapter(list[tuple[int, JournalRecord]])


async def read_long_journal(js: JetStream, run_id: str) -> list[Entry]:
    """Read all entries of a run as `read_journal` does, from its snapshot on; leave a new one where it is worth it.

    Raises:
        PayloadLostError: If what an entry names is lost.
        UnconfirmedError: If the broker could not be asked.
    """
    known = await _read_snapshot(js, run_id)
    after = known[-1][0] if known else -1
    later = [entry for entry in await read_journal(js, run_id, after=after) if entry[0] > after]
    entries = [*known, *later]
    if len(later) >= SNAPSHOT_EVERY:
        await _write_snapshot(js, run_id, entries)
    return entries


async def forget_snapshot(js: JetStream, run_id: str) -> None:
    """Remove the snapshot of a run that nobody resumes any more."""
    await js.purge(SNAPSHOTS, subjects.snapshot(run_id))


async def _read_snapshot(js: JetStream, run_id: str) -> list[Entry]:
    try:
        found = await js.last(SNAPSHOTS, subjects.snapshot(run_id))
        return _ENTRIES.validate_json(found.body) if found else []
    except (PayloadLostError, ValidationError):  # lost, or of another version: the journal has it all
        return []


async def _write_snapshot(js: JetStream, run_id: str, entries: list[Entry]) -> None:
    with suppress(BrokerError):
        await js.publish(subjects.snapshot(run_id), _ENTRIES.dump_json(_final(entries)))


def _final(entries: list[Entry]) -> list[Entry]:
    """List the first entries, up to where one may come yet: a place that is empty when a run is taken up stays empty."""
    taken_up = max((place for place, record in entries if isinstance(record, RunResumed)), default=0)
    known = {place for place, _ in entries}
    end = next(place for place in count(taken_up) if place not in known)
    return sorted((entry for entry in entries if entry[0] < end), key=itemgetter(0))
