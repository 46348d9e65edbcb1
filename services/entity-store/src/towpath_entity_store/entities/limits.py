"""How large things may get, derived from the largest message the broker takes."""

from typing import NamedTuple

_HEADERS_BYTES = 4_096


class Limits(NamedTuple):
    """Limits in bytes; a snapshot holds a state and remembered outcomes, and must be one message.

    Attributes:
        message_bytes: A turn, or a record of the log.
        state_bytes: The state of one entity.
        remembered_bytes: Remembered outcomes in a snapshot.
    """

    message_bytes: int
    state_bytes: int
    remembered_bytes: int

    @classmethod
    def within(cls, max_payload: int) -> "Limits":
        """Divide what the broker takes."""
        message_bytes = max_payload - _HEADERS_BYTES
        return cls(message_bytes, message_bytes // 2, message_bytes // 4)
