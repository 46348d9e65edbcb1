"""Atomic batches: messages that are collected until the last one comes, and then stored together or not at all."""

from typing import NamedTuple

from towpath_testkit.jetstream_model.clock import SECOND, Clock
from towpath_testkit.jetstream_model.messages import Headers
from towpath_testkit.jetstream_model.refusals import NotModelledError, refused

_FORGOTTEN_NS = 10 * SECOND
_COMMITS = "1"
_NOT_MODELLED = ("Nats-Msg-Id", "Nats-TTL", "Nats-Rollup", "Nats-Schedule", "Nats-Schedule-Next")


class Part(NamedTuple):
    """One message of a batch."""

    subject: str
    headers: Headers
    body: bytes


class _Batch(NamedTuple):
    parts: list[Part]
    touched_ns: int


class Batches:
    """The batches of one stream that are not complete; they are lost when the server ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, _Batch] = {}

    def take(self, part: Part) -> list[Part] | None:
        """Take a message; with the last one of its batch, return all of them.

        Raises:
            RefusedError: If messages of the batch are missing.
            NotModelledError: If the model does not know what is asked.
        """
        if any(part.headers.get(name) for name in _NOT_MODELLED):
            raise NotModelledError(f"headers in a batch: {part.headers.values}")
        self._forget()
        batch_id, number = part.headers.get("Nats-Batch-Id"), int(part.headers.get("Nats-Batch-Sequence"))
        before = self._open.pop(batch_id, _Batch([], 0)).parts
        if len(before) != number - 1:
            raise refused(10176)
        parts = [*before, part]
        if part.headers.get("Nats-Batch-Commit") == _COMMITS:
            return parts
        self._open[batch_id] = _Batch(parts, self._clock.now_ns())
        return None

    def _forget(self) -> None:
        """Give up batches for which nothing has come for long."""
        before_ns = self._clock.now_ns() - _FORGOTTEN_NS
        self._open = {name: batch for name, batch in self._open.items() if batch.touched_ns >= before_ns}
