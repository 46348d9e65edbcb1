"""What leaves a stream because of its age: the stream's own limit, and what a message says of itself (`Nats-TTL`).

The server looks when the oldest message is due, and at most every 250 ms; so a message may stay that much longer.
"""

from collections.abc import Callable

from towpath_testkit.jetstream_model.clock import SECOND, Clock
from towpath_testkit.jetstream_model.messages import Message
from towpath_testkit.jetstream_model.refusals import refused
from towpath_testkit.jetstream_model.schedule_patterns import duration_ns
from towpath_testkit.jetstream_model.store import Store

_LEAST_WAIT_NS = SECOND // 4
_LOOK_AGAIN_NS = 2 * SECOND
_LATE_NS = SECOND // 1_000
"""How much later than it was due the server looks: by then the rest of a batch is due as well."""
_TIE_NS = SECOND // 50
"""A message that is due so little before or after the server looks may go now, or only the next time."""
_NEVER = -1


def lifetime_s(text: str) -> int:
    """Read a `Nats-TTL`: whole seconds, 0 for none, -1 for ever.

    Raises:
        RefusedError: If it says nothing of the kind.
    """
    if not text:
        return 0
    if text.lower() == "never":
        return _NEVER
    length = duration_ns(text)
    if length is not None and length >= SECOND:
        return length // SECOND
    if length is None and text.isdigit():
        return int(text)
    raise refused(10165)


class Ageing:
    """Removes the messages of one stream when their time has come."""

    def __init__(
        self, clock: Clock, store: Store, *, remove: Callable[[int], object], after: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._store = store
        self._remove = remove
        self._after = after
        self._timer = clock.timer(self._expire)
        self._running = False
        self._due_ns: int | None = None
        self._tied = False
        self._own: dict[int, int] = {}

    def stored(self, message: Message) -> None:
        """Notice a message that was stored."""
        config = self._store.config
        lifetime = lifetime_s(message.headers.get("Nats-TTL")) if config.allow_msg_ttl else 0
        if lifetime > 0:
            self._own[message.sequence] = message.at_ns + lifetime * SECOND
            self._arm(0)
        elif not self._running and (config.max_age or config.allow_msg_ttl):
            self._start(config.max_age)

    def removed(self, message: Message) -> None:
        """Notice a message that is gone."""
        self._own.pop(message.sequence, None)

    def recovered(self) -> None:
        """Begin again with what the stream holds after a restart."""
        for message in self._store:
            self.stored(message)
        self._expire()

    def changed(self) -> None:
        """Notice that the stream was changed: whether its limit is another or not, the server looks at once."""
        config = self._store.config
        if not config.max_age:
            self._stop()
        elif not self._running:
            self._start(config.max_age)
        if config.max_age or config.allow_msg_ttl:
            self._expire()

    def stop(self) -> None:
        """End."""
        self._stop()

    def _start(self, wait_ns: int) -> None:
        self._running = True
        self._timer.set(wait_ns, about_ns=wait_ns if self._tied else 0)

    def _arm(self, left_ns: int) -> None:
        """Look again when the next is due; `left_ns` is what the oldest message has left, 0 if that is not known."""
        waits = self._waits(left_ns)
        if not waits:
            self._stop()
            return
        wait_ns = max(min(waits), _LEAST_WAIT_NS)
        due_ns = self._clock.now_ns() + wait_ns
        if self._due_ns is None or due_ns <= self._due_ns:
            self._due_ns = due_ns
            self._start(wait_ns)

    def _waits(self, left_ns: int) -> list[int]:
        age, own = self._store.config.max_age, min(self._own.values(), default=None)
        waits = [] if own is None else [own - self._clock.now_ns()]
        if age:
            waits.append(age)
            waits += [_LOOK_AGAIN_NS] if left_ns == 0 and len(self._store) else []
            waits += [left_ns] if left_ns > 0 else []
        return waits

    def _stop(self) -> None:
        self._running = self._tied = False
        self._due_ns = None
        self._timer.cancel()

    def _expire(self) -> None:
        left_ns = self._expire_by_age()
        now_ns = self._clock.now_ns()
        for sequence in sorted(sequence for sequence, due in self._own.items() if due <= now_ns):
            self._remove(sequence)
        self._due_ns = None
        if not len(self._store) and not self._own:
            self._stop()
        else:
            self._arm(left_ns)
        self._after()

    def _expire_by_age(self) -> int:
        age, self._tied = self._store.config.max_age, False
        for message in self._store if age else ():
            left_ns = message.at_ns + age - self._clock.now_ns()
            self._tied |= _LATE_NS < abs(left_ns) < _TIE_NS
            if left_ns > _LATE_NS:
                return left_ns
            if lifetime_s(message.headers.get("Nats-TTL")) != _NEVER:
                self._remove(message.sequence)
        return 0
