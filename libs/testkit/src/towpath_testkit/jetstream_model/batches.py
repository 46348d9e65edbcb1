"""Atomic batches: messages that are collected until the last one comes, and then stored together or not at all."""

from collections.abc import Callable
from typing import NamedTuple

from towpath_testkit.jetstream_model.clock import SECOND, Clock, Timer
from towpath_testkit.jetstream_model.messages import Headers
from towpath_testkit.jetstream_model.refusals import NotModelledError, refused

_FORGOTTEN_NS = 10 * SECOND
_COMMITS = "1"
_LONGEST_ID = 64
_LARGEST = 1_000
_MOST_OPEN = 50


class Part(NamedTuple):
    """One message of a batch."""

    subject: str
    headers: Headers
    body: bytes


class _Batch(NamedTuple):
    parts: list[Part]
    timer: Timer


class Batches:
    """The batches of one stream that are not complete; they are lost when the server ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, _Batch] = {}

    def take(self, part: Part) -> list[Part] | None:
        """Take a message; with the last one of its batch, return all of them.

        Raises:
            RefusedError: If its id or its number is none, or if messages of the batch are missing or too many.
            NotModelledError: If the model does not know what is asked.
        """
        batch_id, said = part.headers.get("Nats-Batch-Id"), part.headers.get("Nats-Batch-Sequence")
        if len(batch_id) > _LONGEST_ID:
            raise refused(10179)
        if not said.isdigit():
            raise refused(10175)
        parts, commit = [*self._taken_out(batch_id, int(said)), part], part.headers.get("Nats-Batch-Commit")
        if commit not in {"", _COMMITS}:
            raise NotModelledError(f"the end of a batch by {commit!r}")
        if commit:
            return parts
        self._keep(batch_id, parts)
        return None

    def forget_all(self) -> None:
        """Give up all batches."""
        for batch_id in list(self._open):
            self._forget(batch_id)

    def _taken_out(self, batch_id: str, number: int) -> list[Part]:
        """Take out the messages before one, which are lost if it is not the one that comes next."""
        begun = batch_id in self._open
        before = self._open[batch_id].parts if begun else []
        self._forget(batch_id)
        if number > _LARGEST and (not begun or number == len(before) + 1):
            raise refused(10199, size=_LARGEST)
        if number != len(before) + 1:
            raise refused(10176)
        return before

    def _keep(self, batch_id: str, parts: list[Part]) -> None:
        if len(self._open) >= _MOST_OPEN:
            raise NotModelledError(f"more than {_MOST_OPEN} batches at once")
        self._open[batch_id] = _Batch(parts, self._clock.timer(self._forgets(batch_id)))
        self._open[batch_id].timer.set(_FORGOTTEN_NS)

    def _forgets(self, batch_id: str) -> Callable[[], None]:
        return lambda: self._forget(batch_id)

    def _forget(self, batch_id: str) -> None:
        if batch_id in self._open:
            self._open.pop(batch_id).timer.cancel()
