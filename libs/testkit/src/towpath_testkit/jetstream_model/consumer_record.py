"""What a consumer writes down of its deliveries: what it tells when asked, and what it still knows after a restart."""


class Record:
    """The durable part of a consumer's state."""

    def __init__(self, *, acknowledges: bool, max_deliver: int) -> None:
        self.delivered_count = 0
        self.delivered_sequence = 0
        self.floor_count = 0
        self.floor_sequence = 0
        self.pending: dict[int, int] = {}
        self.again: dict[int, int] = {}
        self._acknowledges = acknowledges
        self.max_deliver = max_deliver

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written down."""
        return not self.delivered_count and not self.delivered_sequence

    def start_at(self, sequence: int) -> None:
        """Note that everything up to a sequence is not the consumer's concern."""
        self.delivered_sequence = self.floor_sequence = sequence

    def deliver(self, count: int, sequence: int, times: int) -> None:
        """Note a delivery, the `times`th of its message."""
        if count <= self.floor_count:
            return
        if self._acknowledges and sequence > self.delivered_sequence:
            self.pending[sequence] = count
        self.delivered_count = max(self.delivered_count, count)
        self.delivered_sequence = max(self.delivered_sequence, sequence)
        if not self._acknowledges:
            self.floor_count, self.floor_sequence = self.delivered_count, self.delivered_sequence
        elif times > 1:
            if 0 < self.max_deliver < times:
                self.pending.pop(sequence, None)
            self.again[sequence] = max(self.again.get(sequence, 0), times - 1)

    def settle(self, count: int, sequence: int) -> None:
        """Note an acknowledgement."""
        self.again.pop(sequence, None)
        if count <= self.floor_count or sequence not in self.pending:
            return
        count = min(count, self.pending.pop(sequence))
        if not self.pending:
            self.floor_count, self.floor_sequence = self.delivered_count, self.delivered_sequence
        elif count == self.floor_count + 1:
            self.floor_count, self.floor_sequence = count, sequence
            rest = range(sequence + 1, self.delivered_sequence + 1)
            above = next((one for one in rest if one in self.pending), None)
            if above is not None:
                self.floor_count, self.floor_sequence = self.pending[above] - 1, above - 1

    def forget_below(self, first: int) -> None:
        """Forget counts of messages that the stream has no more."""
        self.again = {sequence: times for sequence, times in self.again.items() if sequence >= first}

    def replace(
        self,
        delivered: tuple[int, int],
        floor: tuple[int, int],
        pending: dict[int, int],
        again: dict[int, int],
    ) -> None:
        """Write down another state: count and sequence of what was delivered and settled, and what is open.

        What does not fit together, or is older, is left alone.
        """
        fits = floor[0] <= delivered[0] and all(floor[1] < sequence <= delivered[1] for sequence in pending)
        is_older = delivered[0] < self.delivered_count or floor[1] < self.floor_sequence
        if not fits or floor[1] > delivered[1] or is_older:
            return
        self.delivered_count, self.delivered_sequence = delivered
        self.floor_count, self.floor_sequence = floor
        self.pending, self.again = pending, dict(again)
