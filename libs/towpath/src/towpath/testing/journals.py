"""Journals outside of a platform: as JSON lines, one for each entry."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from towpath.errors import ConfigurationError
from towpath_schemas.journal import JournalRecord, read_record

Entry = tuple[int, JournalRecord]
"""A record and its number."""

Entries = list[Entry]
"""The records of a journal, in the order in which they were written."""

Given = Entry | JournalRecord | str
"""An entry, its record alone, or the line that it is in a file."""


def journal_line(number: int, record: JournalRecord) -> str:
    """Write one entry as a line."""
    return f'{{"number":{number},"record":{record.to_body().decode()}}}'


def read_journal(records: str | Iterable[Given]) -> Entries:
    """Read a journal.

    Args:
        records: Its entries or records, or lines as `VirtualRun.export` writes them; a line may be the record alone.

    Raises:
        ConfigurationError: If a line is no record that this version knows; the message names it.
    """
    given = records.split("\n") if isinstance(records, str) else records
    present = [one for one in given if not isinstance(one, str) or one.strip()]
    return [_read(place, one) for place, one in enumerate(present)]


def _read(place: int, given: Given) -> Entry:
    if isinstance(given, tuple):
        return given
    if not isinstance(given, str):
        return place, given
    try:
        said: Any = json.loads(given)
        number, record = (said["number"], said["record"]) if "record" in said else (place, said)
        return int(number), read_record(json.dumps(record).encode())
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"line {place + 1} is no record of a journal: {error}") from error
