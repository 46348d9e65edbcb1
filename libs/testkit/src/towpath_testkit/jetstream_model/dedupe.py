"""The message ids that a stream has seen within its window."""

from towpath_testkit.jetstream_model.clock import SECOND, Clock

_LEAST_WAIT_NS = SECOND // 20


class Dedupe:
    """Remembers ids for as long as the window says, or a little longer."""

    def __init__(self, clock: Clock, window_ns: int) -> None:
        self.window_ns = window_ns
        self._clock = clock
        self._timer = clock.timer(self._forget)
        self._seen: dict[str, tuple[int, int]] = {}

    def find(self, message_id: str) -> int | None:
        """Find the sequence of the message that had an id."""
        found = self._seen.get(message_id)
        return None if found is None else found[0]

    def remember(self, message_id: str, sequence: int, at_ns: int) -> None:
        """Remember an id."""
        self._seen.pop(message_id, None)
        self._seen[message_id] = sequence, at_ns
        if self._timer.due_ns is None:
            self._timer.set(self.window_ns)

    def change(self, window_ns: int) -> None:
        """Change the window."""
        if window_ns != self.window_ns:
            self.window_ns = window_ns
            if self._timer.due_ns is not None:
                self._timer.set(0)

    def stop(self) -> None:
        """End."""
        self._timer.cancel()

    def _forget(self) -> None:
        now_ns = self._clock.now_ns()
        for message_id, (_, at_ns) in list(self._seen.items()):
            if now_ns - at_ns < self.window_ns:
                self._timer.set(max(self.window_ns - (now_ns - at_ns), _LEAST_WAIT_NS))
                return
            del self._seen[message_id]
