"""What a stream and its consumers ask of the server around them."""

from typing import Protocol

from towpath_testkit.jetstream_model.clock import Clock


class Surroundings(Protocol):
    """The server, as its streams see it."""

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...

    def send(self, to: str, head: bytes, body: bytes, *, subject: str = "", reply: str = "") -> None:
        """Send a message to whoever listens on `to`; they see `subject`, if there is one."""
        ...

    def is_heard(self, subject: str) -> bool:
        """Tell whether somebody listens on a subject."""
        ...

    def jitter_ns(self) -> int:
        """Draw how much longer than asked an idle consumer lives."""
        ...

    def new_pin(self) -> str:
        """Make the id of a pin."""
        ...
