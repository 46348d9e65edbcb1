"""Messages as they stand in a stream, with their headers as they came; and writing headers as the server does."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from towpath_testkit.jetstream_model.clock import SECOND

_VERSION = b"NATS/1.0\r\n"
_END = b"\r\n"


@dataclass(slots=True, frozen=True)
class Headers:
    """A block of headers: the bytes, and what the first line of each name says."""

    raw: bytes = b""
    values: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, raw: bytes) -> "Headers":
        """Read a block."""
        if b"Nats-" not in raw:
            return cls(raw)  # nothing that the server would look at
        values: dict[str, str] = {}
        for line in raw.decode(errors="replace").split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                values.setdefault(name, value.strip())
        return cls(raw, values)

    def get(self, name: str) -> str:
        """Find a value; empty where there is none."""
        return self.values.get(name, "")

    def with_lines(self, lines: Iterable[tuple[str, object]]) -> bytes:
        """Write the block with more lines at its end."""
        return written(lines, self.raw)

    def without(self, *prefixes: str) -> "Headers":
        """Leave out the lines whose names begin so."""
        kept = [line for line in self.raw.split(_END)[1:-2] if not line.decode().startswith(prefixes)]
        return Headers.read(_VERSION + b"".join(line + _END for line in kept) + _END) if kept else Headers()


def written(lines: Iterable[tuple[str, object]], before: bytes = b"") -> bytes:
    """Write a block of headers, behind one that is there."""
    head = before[: -len(_END)] if before else _VERSION
    return head + "".join(f"{name}: {value}\r\n" for name, value in lines).encode() + _END


def status(code: int, text: str, lines: Iterable[tuple[str, object]] = ()) -> bytes:
    """Write the headers of a message that is only a status."""
    return f"NATS/1.0 {code} {text}\r\n".encode() + written(lines)[len(_VERSION) :]


@dataclass(slots=True, frozen=True)
class Message:
    """One message of a stream."""

    sequence: int
    subject: str
    headers: Headers
    body: bytes
    at_ns: int

    @property
    def stamp(self) -> str:
        """When it was stored, as the server writes it."""
        return timestamp(self.at_ns)

    def size(self, storage: str) -> int:
        """Tell the bytes that it takes."""
        held = len(self.subject) + len(self.headers.raw) + len(self.body)
        if storage == "memory":
            return held + 16
        return held + (34 if self.headers.raw else 30)


def timestamp(at_ns: int) -> str:
    """Write a time as Go does: RFC 3339, without the zeros at the end."""
    seconds, rest = divmod(at_ns, SECOND)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{_moment(seconds)}{fraction}Z"


@lru_cache(maxsize=10_000)
def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def read_time(text: str) -> int | None:
    """Read RFC 3339 as nanoseconds since 1970; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or "T" not in text:
        return None
    whole = int(moment.replace(microsecond=0).timestamp()) * SECOND
    digits = text.partition(".")[2]
    fraction = "".join(char for char in digits[:9] if char.isdigit()) if digits else ""
    fraction = fraction[: next((i for i, char in enumerate(digits) if not char.isdigit()), len(digits))]
    return whole + int(fraction.ljust(9, "0")) if fraction else whole
