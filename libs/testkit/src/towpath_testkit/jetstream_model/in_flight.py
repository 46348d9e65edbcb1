"""What a consumer has delivered and not heard of again: how often, since when, and what is to be delivered again."""

from dataclasses import dataclass

from towpath_testkit.jetstream_model.consumer_config import ConsumerConfig
from towpath_testkit.jetstream_model.consumer_record import Record


@dataclass(slots=True)
class Delivered:
    """One delivery that waits for its acknowledgement: its count at the consumer, and when it was."""

    count: int
    at_ns: int


class InFlight:
    """The deliveries of one consumer, as it has them in memory; `record` is what it has written down.

    Attributes:
        next_sequence: The first sequence of the stream that was never delivered.
        next_count: The count that the next delivery gets.
        floor_count: Every delivery up to this count is settled.
        floor_sequence: Every message up to this sequence is settled.
        pending: What waits for an acknowledgement, by sequence.
        again: How often messages were delivered again, by sequence.
    """

    def __init__(self, config: ConsumerConfig, record: Record) -> None:
        self.config = config
        self.record = record
        self.next_sequence = record.delivered_sequence + 1
        self.next_count = record.delivered_count + 1
        self.floor_count = record.floor_count
        self.floor_sequence = record.floor_sequence
        self.pending: dict[int, Delivered] = {
            sequence: Delivered(count, 0) for sequence, count in record.pending.items()
        }
        self.again: dict[int, int] = dict(record.again)
        self._queue: list[int] = []

    def start_at(self, sequence: int) -> None:
        """Begin with a sequence."""
        self.next_sequence = sequence
        self.floor_sequence = sequence - 1
        self.record.start_at(sequence - 1)

    @property
    def is_full(self) -> bool:
        """Whether no more may be delivered before something is acknowledged."""
        return 0 < self.config.max_ack_pending <= len(self.pending)

    # --- Delivering -------------------------------------------------------------------------------

    def deliver(self, sequence: int, times: int, now_ns: int) -> int:
        """Note a delivery; return its count."""
        count = self.next_count
        self.next_count += 1
        self.record.deliver(count, sequence, times)
        if self.config.ack_policy == "none":
            self.floor_count, self.floor_sequence = count, sequence
        elif sequence in self.pending:
            self.pending[sequence].at_ns = now_ns  # it keeps its first count
        else:
            self.pending[sequence] = Delivered(count, now_ns)
        return count

    def times(self, sequence: int) -> int:
        """Tell how often a message was delivered, as far as that is counted."""
        return max(self.again.get(sequence, 1), 1)

    def is_used_up(self, sequence: int) -> bool:
        """Tell whether a message whose time is up was delivered often enough; it is let go then."""
        limit = self.config.max_deliver
        if limit <= 0 or self.times(sequence) < limit:
            return False
        times = self.times(sequence)
        self._let_go(sequence, times + 1)
        self.again[sequence] = times
        return True

    def next_again(self) -> tuple[int, int] | None:
        """Take the next message that is to be delivered again, and the number of its delivery."""
        while self._queue:
            sequence = self._queue.pop(0)
            self.again[sequence] = self.again.get(sequence, 0) + 1
            times = self.again[sequence] + 1
            if 0 < self.config.max_deliver < times:
                self._let_go(sequence, times)
                continue
            return sequence, times
        return None

    def not_delivered(self, sequence: int) -> None:
        """Undo `next_again`: nobody was there."""
        if sequence not in self._queue:
            self.is_gone(sequence)
            self._queue.append(sequence)

    def is_gone(self, sequence: int) -> None:
        """Undo `next_again` for a message that the stream has no more."""
        times = self.again.pop(sequence, 0) - 1
        if times > 0:
            self.again[sequence] = times

    def _let_go(self, sequence: int, times: int) -> None:
        delivered = self.pending.pop(sequence, None)
        if delivered is not None:
            self.record.deliver(delivered.count, sequence, times)
            self._move_floor(delivered.count, sequence)

    # --- Settling ---------------------------------------------------------------------------------

    def settle(self, sequence: int) -> None:
        """Note an acknowledgement."""
        delivered = self.pending.pop(sequence, None)
        if delivered is not None:
            self._move_floor(delivered.count, sequence)
        self.again.pop(sequence, None)
        self.drop_from_queue(sequence)
        self.record.settle(delivered.count if delivered else 0, sequence)

    def _move_floor(self, count: int, sequence: int) -> None:
        if not self.pending:
            self.floor_count, self.floor_sequence = self.next_count - 1, self.next_sequence - 1
        elif count == self.floor_count + 1:
            self.floor_count, self.floor_sequence = count, sequence
            above = next(
                (one for one in range(sequence + 1, self.next_sequence) if one in self.pending), None
            )
            if above is not None:
                self.floor_count, self.floor_sequence = self.pending[above].count - 1, above - 1

    # --- Delivering again -------------------------------------------------------------------------

    def queue(self, sequence: int) -> None:
        """Let a message be delivered again, soon."""
        if sequence not in self._queue:
            self._queue.append(sequence)

    def is_queued(self, sequence: int) -> bool:
        """Tell whether a message will be delivered again, soon."""
        return sequence in self._queue

    def drop_from_queue(self, sequence: int) -> None:
        """Let a message not be delivered again."""
        if sequence in self._queue:
            self._queue.remove(sequence)

    @property
    def queued(self) -> int:
        """How many messages will be delivered again, soon."""
        return len(self._queue)

    def forget_gone(self, first: int) -> bool:
        """Forget what the stream has no more (below `first`); tell whether there was any."""
        gone = [one for one in self.pending if one < first or one <= self.floor_sequence]
        for sequence in gone:
            delivered = self.pending.pop(sequence)
            self.again.pop(sequence, None)
            self.drop_from_queue(sequence)
            self.floor_sequence = max(self.floor_sequence, sequence)
            self.floor_count = max(self.floor_count, delivered.count)
        return bool(gone)

    def overdue(self, now_ns: int) -> list[int]:
        """Find what was not acknowledged in time."""
        expired = [
            sequence
            for sequence, delivered in sorted(self.pending.items())
            if now_ns - delivered.at_ns >= self.config.ack_wait and not self.is_queued(sequence)
        ]
        return [sequence for sequence in expired if not self.is_used_up(sequence)]

    def queue_overdue(self, expired: list[int], now_ns: int) -> None:
        """Let what is overdue be delivered again, each as if it had been delivered now, in the same order."""
        shift = now_ns - self.pending[expired[0]].at_ns
        for sequence in expired:
            self._queue.append(sequence)
            self.pending[sequence].at_ns += shift

    def reset_if_idle(self) -> bool:
        """Forget everything where nothing is pending; tell whether that is so."""
        if self.pending:
            return False
        self._queue.clear()
        self.floor_count, self.floor_sequence = self.next_count - 1, self.next_sequence - 1
        return True

    # --- Purging ----------------------------------------------------------------------------------

    def forget_below(self, first: int) -> None:
        """Forget counts of messages that the stream has no more."""
        for sequence in [one for one in self.again if one < first]:
            del self.again[sequence]
            self.drop_from_queue(sequence)
        self.record.forget_below(first)

    def purged(self, start: int, still_there: set[int] | None) -> None:
        """Begin at a later sequence, since all before are gone; `still_there` if only some subjects were purged."""
        self.next_sequence = max(self.next_sequence, start)
        if self.floor_sequence < start:
            self._drop_purged(start, still_there)
        if not self.pending:
            self.again.clear()
            self.floor_count, self.floor_sequence = self.next_count - 1, self.next_sequence - 1
        self._queue = [sequence for sequence in self._queue if sequence >= self.next_sequence]
        self.write()

    def write(self) -> None:
        """Write everything down."""
        self.record.replace(
            (self.next_count - 1, self.next_sequence - 1),
            (self.floor_count, self.floor_sequence),
            {sequence: one.count for sequence, one in self.pending.items()},
            self.again,
        )

    def _drop_purged(self, start: int, still_there: set[int] | None) -> None:
        self.floor_sequence = start - 1
        for sequence, delivered in list(self.pending.items()):
            if sequence <= self.floor_sequence or (still_there is not None and sequence not in still_there):
                self.floor_count = max(self.floor_count, delivered.count)
                self.next_count = max(self.next_count, self.floor_count)
                del self.pending[sequence]
                self.again.pop(sequence, None)
                self.record.settle(delivered.count, sequence)
