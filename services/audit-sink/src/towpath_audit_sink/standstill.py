"""Notices that nothing more can be told, though there is something to tell: all that waits for the audit trail waits too."""

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

_PATIENCE_S = 5.0
_SAID_EVERY_S = 60.0


class Standstill:
    """Compares how far the audit stream was at each refusal.

    Another sink that tells in our place is no standstill: then it is further each time.

    Args:
        clock: Tells seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sequence = 0
        self._since = clock()
        self._said_at: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether there is one, as far as is known."""
        return self._said_at is not None

    def went_on(self) -> None:
        """Something was told, by us."""
        self._said_at = None
        self._since = self._clock()

    def refused(self, sequence: int, reason: str) -> None:
        """Something was refused while `sequence` was the newest of the audit stream; say so if that lasts."""
        if sequence != self._sequence:
            self._sequence = sequence
            self.went_on()
        now = self._clock()
        due = self._since + _PATIENCE_S if self._said_at is None else self._said_at + _SAID_EVERY_S
        if now >= due:
            self._said_at = now
            log.warning(
                "the audit stream stands still: what is told is refused each time",
                audit_sequence=sequence,
                seconds=round(now - self._since),
                reason=reason,
            )
