"""What Redis answers, and how it is written on the wire (RESP3)."""

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
            return b",%b\r\n" % number(value)
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


def number(value: float) -> bytes:
    """Write a number as Redis does, in as few digits as tell it from every other."""
    return str(int(value)).encode() if value.is_integer() else repr(value).encode()
