"""How large things may get, derived from the largest payload there may be."""

from typing import NamedTuple


class Limits(NamedTuple):
    """Limits in bytes; a snapshot holds a state and remembered outcomes, and must be one payload.

    Attributes:
        message_bytes: A turn, or a record of the log.
        state_bytes: The state of one entity.
        remembered_bytes: Remembered outcomes in a snapshot.
    """

    message_bytes: int
    state_bytes: int
    remembered_bytes: int

    @classmethod
    def within(cls, payload_bytes: int) -> "Limits":
        """Divide the largest payload."""
        return cls(payload_bytes, payload_bytes // 2, payload_bytes // 4)
