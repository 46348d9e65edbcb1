"""The ledger: one line of text for each audit event, each sealed to the line before it, and the proof that all are there.

A line is `{"entry":<entry>,"prev":"<seal of the line before>","hash":"<seal>"}`, where the seal is SHA-256 over
a zero byte, the seal before, and the very bytes of the entry. So no canonical form is needed, and every byte of a
line counts. Whoever can write the whole file can seal it anew: that is only noticed against a `Head` kept elsewhere.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

GENESIS = "0" * 64
"""The seal before the first line."""

_OPENING, _TO_PREVIOUS, _TO_SEAL, _CLOSING = b'{"entry":', b',"prev":"', b'","hash":"', b'"}\n'
_SEQUENCE = re.compile(rb'\{"sequence":(\d{1,20})[,}]')
_SEAL_LENGTH = len(GENESIS)
_TAIL_LENGTH = len(_TO_PREVIOUS) + _SEAL_LENGTH + len(_TO_SEAL) + _SEAL_LENGTH + len(_CLOSING)

Defect = Literal["altered", "missing", "swapped", "torn", "truncated", "rewritten"]


class Head(NamedTuple):
    """A line by its sequence and seal: what somebody wrote down to compare with later."""

    sequence: int
    seal: str


class Line(NamedTuple):
    """One line that is sealed as it should be."""

    entry: bytes
    previous: str
    head: Head

    @property
    def content(self) -> dict[str, Any]:
        """What it says: sequence (first of all), subject, headers and body of the audit event."""
        return json.loads(self.entry)


class Finding(NamedTuple):
    """The first place, in lines from 1, where the ledger is not what was written, and what is wrong there."""

    line: int
    defect: Defect
    sentence: str


class Verdict(NamedTuple):
    """How many lines from the first on are proven, the last of them, and what is wrong behind it, if anything."""

    lines: int
    head: Head
    finding: Finding | None


def sealed(entry: bytes, previous: str) -> tuple[bytes, str]:
    """Write an entry as the line behind the seal `previous`; tell its own seal too."""
    seal = seal_of(entry, previous)
    parts = (_OPENING, entry, _TO_PREVIOUS, previous.encode("latin-1"), _TO_SEAL, seal.encode(), _CLOSING)
    return b"".join(parts), seal


def seal_of(entry: bytes, previous: str) -> str:
    """Compute the seal of an entry behind the seal `previous`."""
    return hashlib.sha256(b"\x00" + previous.encode("latin-1") + entry).hexdigest()


def read_line(raw: bytes) -> Line | None:
    """Read one line, its newline included; None if it is not sealed as it says."""
    entry, tail = raw[len(_OPENING) : -_TAIL_LENGTH], raw[-_TAIL_LENGTH:]
    first = len(_TO_PREVIOUS)
    previous = tail[first : first + _SEAL_LENGTH].decode("latin-1")
    line, seal = sealed(entry, previous)
    sequence = _SEQUENCE.match(entry)
    return Line(entry, previous, Head(int(sequence[1]), seal)) if line == raw and sequence else None


def verify(path: Path, expected: Head | None = None) -> Verdict:
    """Walk a ledger and find the first line that is not what was written.

    Args:
        path: The ledger.
        expected: A head known from elsewhere; without it, lines cut off at the end are not noticed.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as lines:
        verdict = _walk(lines, expected)
    if verdict.finding is None or verdict.finding.defect != "missing":
        return verdict
    return _swapped_or_missing(path, verdict, verdict.finding)


def _walk(lines: Iterable[bytes], expected: Head | None) -> Verdict:
    number, head = 0, Head(0, GENESIS)
    for number, raw in enumerate(lines, 1):
        line = read_line(raw)
        if line is None:
            return Verdict(number - 1, head, _unsealed(number, raw))
        found = line.head
        defect = _unlinked(number, head, line, found) or _unexpected(number, found, expected)
        if defect is not None:
            return Verdict(number - 1, head, defect)
        head = found
    return Verdict(number, head, _too_short(number, head, expected))


def _unsealed(number: int, raw: bytes) -> Finding:
    if not raw.endswith(b"\n"):
        return Finding(number, "torn", f"line {number} is torn: it ends without a newline")
    return Finding(number, "altered", f"line {number} was altered: its hash does not fit its content")


def _unlinked(number: int, before: Head, line: Line, found: Head) -> Finding | None:
    due = before.sequence + 1
    if found.sequence > due:
        sentence = f"line {number} has sequence {found.sequence} where {due} was due: lines are missing"
        return Finding(number, "missing", sentence)
    if found.sequence < due:
        sentence = f"line {number} is not in its place: it has sequence {found.sequence} where {due} was due"
        return Finding(number, "swapped", sentence)
    if line.previous != before.seal:
        last = max(number - 1, 1)
        sentence = f"line {last} was rewritten: the seal in line {number} names another line before it"
        return Finding(last, "rewritten", sentence)
    return None


def _unexpected(number: int, found: Head, expected: Head | None) -> Finding | None:
    if expected is None or found.sequence != expected.sequence or found.seal == expected.seal:
        return None
    return Finding(number, "rewritten", f"line {number} or one before it was rewritten: {_apart(expected)}")


def _apart(expected: Head) -> str:
    return f"sequence {expected.sequence} is expected to have the hash {expected.seal}"


def _too_short(lines: int, head: Head, expected: Head | None) -> Finding | None:
    if expected is None or head.sequence >= expected.sequence:
        return None
    sentence = f"the end is cut off behind sequence {head.sequence}: {_apart(expected)}"
    return Finding(lines + 1, "truncated", sentence)


def _swapped_or_missing(path: Path, verdict: Verdict, finding: Finding) -> Verdict:
    """Look whether the line that is missing stands somewhere else."""
    due = verdict.head.sequence + 1
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            line = read_line(raw)
            if number > finding.line and line is not None and line.head.sequence == due:
                sentence = f"line {finding.line} is not in its place: sequence {due} stands in line {number}"
                return verdict._replace(finding=Finding(finding.line, "swapped", sentence))
    return verdict
