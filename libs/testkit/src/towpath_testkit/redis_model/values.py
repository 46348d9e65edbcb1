"""What Redis is told and answers, and how it is written on the wire (RESP3)."""

import re
from contextlib import suppress
from typing import Any, NamedTuple


class Status(NamedTuple):
    """A word that says that something was done, such as OK."""

    word: str


class RedisRefusedError(Exception):
    """Redis refuses a command, in Redis's own words."""


class NotModelledError(Exception):
    """The model does not know what it was asked; a real server does."""


OK = Status("OK")
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
LARGEST = 2**63 - 1
_DECIMAL = re.compile(rb"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf)", re.IGNORECASE)


def integer(text: bytes) -> int:
    """Read an integer, which Redis takes in one way of writing only.

    Raises:
        RedisRefusedError: If it is none, or has more than 64 bits.
    """
    with suppress(ValueError):
        value = int(text)
        if b"%d" % value == text and -LARGEST - 1 <= value <= LARGEST:
            return value
    raise RedisRefusedError("ERR value is not an integer or out of range")


def decimal(text: bytes, refusal: str) -> float:
    """Read a number that may be infinite; a negative zero is zero.

    Raises:
        RedisRefusedError: With `refusal`, if it is none.
    """
    if not _DECIMAL.fullmatch(text):
        raise RedisRefusedError(refusal)
    return float(text) + 0.0


def written(value: Any) -> bytes:  # noqa: PLR0911 - each kind has a mark of its own
    """Write an answer for a client."""
    match value:
        case None:
            return b"_\r\n"
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(value), value)
        case int():
            return b":%d\r\n" % value
        case float():
            return b",%b\r\n" % repr(value).encode()
        case Status():
            return b"+%b\r\n" % value.word.encode()
        case RedisRefusedError():
            return b"-%b\r\n" % str(value).replace("\r\n", " ").encode()
        case _:
            return _written_together(value)


def _written_together(values: dict[bytes, Any] | list[Any]) -> bytes:
    kind, listed = b"*", values
    if isinstance(values, dict):
        kind, listed = b"%", [one for pair in values.items() for one in pair]
    return b"%b%d\r\n" % (kind, len(values)) + b"".join(map(written, listed))
