"""Journals outside of a platform: as JSON lines, one for each entry."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from towpath.errors import ConfigurationError
from towpath_schemas.journal import JournalRecord, read_record

Entries = list[tuple[int, JournalRecord]]
"""The records of a journal, each with its number, in the order in which they were written."""


def journal_line(number: int, record: JournalRecord) -> str:
    """Write one entry as a line."""
    return f'{{"number":{number},"record":{record.to_body().decode()}}}'


def read_journal(records: str | Iterable[JournalRecord | str]) -> Entries:
    """Read a journal.

    Args:
        records: Its records, or lines as `VirtualRun.export` writes them; a line may be the record alone.

    Raises:
        ConfigurationError: If a line is no record that this version knows; the message names it.
    """
    given = records.splitlines() if isinstance(records, str) else records
    present = [one for one in given if not isinstance(one, str) or one.strip()]
    return [_read(place, one) for place, one in enumerate(present)]


def _read(place: int, given: JournalRecord | str) -> tuple[int, JournalRecord]:
    if not isinstance(given, str):
        return place, given
    try:
        said: Any = json.loads(given)
        number, record = (said["number"], said["record"]) if "record" in said else (place, said)
        return int(number), read_record(json.dumps(record).encode())
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"line {place + 1} is no record of a journal: {error}") from error
