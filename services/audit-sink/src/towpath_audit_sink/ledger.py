"""The ledger's file: audit events appended line by line, each sealed to the one before; the file is its own offset."""

import asyncio
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from towpath_chassis.reading import Got
from towpath_schemas.ledger import GENESIS, Head, Line, read_line, sealed

FILE_NAME = "audit.jsonl"
_BLOCK = 64 * 1024


class LedgerError(ValueError):
    """The ledger is not what this sink may append to; the message says why and what to do."""


class LedgerBusyError(LedgerError):
    """Another process appends to the ledger."""


class Ledger:
    """An open ledger, to which only this process appends; made by `ledger`."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._unsynced = False
        self.newest = _newest(path, file)
        self.head = self.newest.head if self.newest else Head(0, GENESIS)

    def append(self, events: list[Got]) -> None:
        """Write events behind the head; they survive the end of this process, and a power cut after `sync`."""
        head, lines = self.head, list[bytes]()
        for event in events:
            line, seal = sealed(entry_of(event), head.seal)
            head = Head(event.sequence, seal)
            lines.append(line)
        self._file.write(b"".join(lines))
        self._file.flush()
        self.head, self._unsynced = head, True

    async def sync(self) -> None:
        """Let what was appended survive a power cut."""
        if self._unsynced:
            self._unsynced = False
            await asyncio.to_thread(os.fsync, self._file.fileno())


@contextmanager
def ledger(directory: Path) -> Generator[Ledger]:
    """Open the ledger in `directory`, or begin it; a line that a crash left half-written is cut off.

    Raises:
        LedgerBusyError: If another process has it open.
        LedgerError: If its last line was altered.
        OSError: If it cannot be read or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE_NAME
    with path.open("a+b") as file:
        _lock(path, file)
        opened = Ledger(path, file)
        try:
            yield opened
        finally:
            os.fsync(file.fileno())


def entry_of(event: Got) -> bytes:
    """Write an audit event as the entry of a ledger line; a body that is no text stands in hexadecimal."""
    entry: dict[str, object] = {
        "sequence": event.sequence,
        "subject": event.subject,
        "headers": event.headers,
    }
    try:
        return orjson.dumps({**entry, "body": event.body.decode()})
    except (UnicodeDecodeError, TypeError):
        return orjson.dumps({**entry, "headers": repr(event.headers), "body_hex": event.body.hex()})


def _lock(path: Path, file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LedgerBusyError(f"another process appends to {path}") from None


def _newest(path: Path, file: BinaryIO) -> Line | None:
    """Read the last whole line, and cut off what stands behind it."""
    end = _end_of_whole_lines(file, os.fstat(file.fileno()).st_size)
    file.truncate(end)
    if end == 0:
        return None
    start = _end_of_whole_lines(file, end - 1)
    file.seek(start)
    line = read_line(file.read(end - start))
    file.seek(0, os.SEEK_END)
    if line is None:
        raise LedgerError(f"the last line of {path} was altered; see `towpath audit verify {path}`")
    return line


def _end_of_whole_lines(file: BinaryIO, size: int) -> int:
    """Find the last newline below `size`; tell the position behind it, 0 if there is none."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
