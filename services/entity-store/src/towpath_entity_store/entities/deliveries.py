"""What the broker has brought of one partition: where that is provably all there is, no mailbox has to be read.

A consumer counts what it delivers, to whomever, repetitions among it. Who was brought every number since some message
was brought every message since then, for first deliveries come in the order of the stream. Nothing is claimed beyond
that: a gap in the count, or an invocation that is put off, and everybody reads the mailbox once more.
"""

from collections.abc import Generator
from contextlib import contextmanager

from towpath_chassis.messages import Message, StoredMessage, as_stored


class Deliveries:
    """The invocations of one partition that were brought and are not done; all of them, from some message on."""

    def __init__(self) -> None:
        self._count = 0
        self._since: int | None = None
        self._open: dict[str, dict[int, Message]] = {}

    def take(self, message: Message) -> None:
        """Take note of a delivery, in the order in which they come; also of one that is being handled already."""
        place = message.metadata
        if place.sequence.consumer != self._count + 1:
            self.doubt()
        self._count = place.sequence.consumer
        if place.num_delivered > 1:
            return
        if self._since is None:
            self._since = place.sequence.stream
        self._open.setdefault(message.subject, {})[place.sequence.stream] = message

    def doubt(self) -> None:
        """Claim nothing about what was brought until now."""
        self._since = None
        self._open.clear()

    @contextmanager
    def handling(self, message: Message) -> Generator[None]:
        """Handle a delivery until the end of the block, which fails if it is not done."""
        try:
            yield
        except BaseException:
            self.doubt()  # it comes again behind later ones
            raise
        self._forget(message)

    def _forget(self, message: Message) -> None:
        of_mailbox = self._open.get(message.subject, {})
        of_mailbox.pop(message.metadata.sequence.stream, None)
        if not of_mailbox:
            self._open.pop(message.subject, None)

    def behind(self, mailbox: str, through: int) -> list[StoredMessage] | None:
        """List what waits in a mailbox behind sequence `through`, in order; None where something may be missing."""
        if self._since is None or through + 1 < self._since:
            return None
        brought = self._open.get(mailbox, {})
        return [as_stored(brought[sequence]) for sequence in sorted(brought) if sequence > through] or None
