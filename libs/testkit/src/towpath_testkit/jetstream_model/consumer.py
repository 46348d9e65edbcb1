"""A pull consumer: gives the messages of a stream to those who pull, in order, until each is acknowledged."""

import json
from dataclasses import replace
from typing import Any, Protocol

from towpath_testkit.jetstream_model.clock import SECOND
from towpath_testkit.jetstream_model.consumer_config import INACTIVE_NS, ConsumerConfig
from towpath_testkit.jetstream_model.consumer_record import Record
from towpath_testkit.jetstream_model.dispatch import LATE_NS, Dispatch
from towpath_testkit.jetstream_model.in_flight import InFlight
from towpath_testkit.jetstream_model.messages import Message, timestamp
from towpath_testkit.jetstream_model.schedule_patterns import duration_ns
from towpath_testkit.jetstream_model.starting import first_sequence
from towpath_testkit.jetstream_model.store import Store, is_wanted
from towpath_testkit.jetstream_model.surroundings import Surroundings

_SOON_NS = SECOND // 100


class Owner(Protocol):
    """The stream of a consumer."""

    name: str
    store: Store

    def settled(self, sequence: int) -> None:
        """Take that a consumer is done with a message."""
        ...

    def expired(self, consumer: "Consumer") -> None:
        """Take that a consumer was idle for too long."""
        ...


class Consumer:
    """One consumer of a stream."""

    def __init__(self, around: Surroundings, name: str, config: ConsumerConfig, owner: Owner) -> None:
        self.name = name
        self.config = stamped(config)
        self.record = Record(acknowledges=config.ack_policy == "explicit", max_deliver=config.max_deliver)
        self.flight = InFlight(self.config, self.record)
        self._around = around
        self._owner = owner
        self._store = owner.store
        self._clock = around.clock
        self._dispatch = Dispatch(around, self.config, self.signal)
        self._redelivery = self._clock.timer(self._check_pending)
        self._idling = self._clock.timer(self._end_if_idle)
        self._created_ns = self._clock.now_ns()
        self._lives_ns = 0
        self._waiting = 0
        self._counted_until = 0
        self._gone: list[int] = []

    # --- Its life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin where the configuration says."""
        self.flight.start_at(first_sequence(self.config, self._store))
        self._count_waiting()
        self._live()

    def recover(self) -> None:
        """Begin again after a restart of the server, with what was written down."""
        self.flight = InFlight(self.config, self.record)
        self._dispatch = Dispatch(self._around, self.config, self.signal)
        self._count_waiting()
        self._live()
        if self.flight.pending:
            self._redelivery.set(min(self.config.ack_wait, SECOND // 2 + self._around.jitter_ns()))

    def change(self, config: ConsumerConfig) -> dict[str, Any]:
        """Take another configuration, which was checked, and tell how it stands then.

        After that is told, another limit has the server look what can be delivered; no other change has.
        """
        before, changed = self.config, config
        if config.inactive_threshold != before.inactive_threshold:
            changed = stamped(config)
        self.config = self.flight.config = self._dispatch.config = changed
        self.record.max_deliver = changed.max_deliver
        if changed.ack_wait != before.ack_wait and self._redelivery.due_ns is not None:
            self._redelivery.set(SECOND // 10)
        if changed.inactive_threshold != before.inactive_threshold:
            self._live()
        if changed.filters != before.filters:
            self._count_waiting()
        said = self.info()
        if changed.max_ack_pending != before.max_ack_pending:
            self.signal()
        return said

    def stop(self) -> None:
        """End, and tell those who pull."""
        self._dispatch.close()
        self._redelivery.cancel()
        self._idling.cancel()

    def _live(self) -> None:
        self._idling.cancel()
        self._lives_ns = 0
        if self.config.inactive_threshold:
            self._lives_ns = self.config.inactive_threshold + self._around.jitter_ns()
            self._idle_for(self._lives_ns)

    def _end_if_idle(self) -> None:
        now_ns = self._clock.now_ns()
        left_ns = self._dispatch.last_used_ns + self._lives_ns - now_ns
        if left_ns > 0:
            self._idle_for(left_ns)
            return
        self._dispatch.drop_ended(at_end=True)
        patience_ns = self.config.ack_wait + LATE_NS + self._lives_ns
        delays = [one.at_ns + patience_ns - now_ns for one in self.flight.pending.values()]
        if self._dispatch:
            self._idle_for(self._lives_ns)
        elif (delay_ns := max(delays, default=0)) > 0:
            self._idle_for(delay_ns)
        else:
            self._owner.expired(self)

    def _idle_for(self, delay_ns: int) -> None:
        self._idling.set(delay_ns, about_ns=0 if self._dispatch else SECOND)

    # --- Delivering -------------------------------------------------------------------------------

    def pull(self, reply: str, body: bytes) -> None:
        """Take a pull."""
        self._dispatch.take(reply, body, waiting=self.waiting + self.flight.queued)

    def unpin(self) -> None:
        """Let another client be pinned."""
        self._dispatch.pinning.release()
        self.signal()

    def signal(self) -> None:
        """Deliver what can be delivered now."""
        stalled = False
        while self._dispatch:
            found = self._next()
            stalled = found is None and self.flight.is_full
            if found is None or not self._deliver(*found):
                break
        self._dispatch.drop_ended(at_end=not stalled)

    def _next(self) -> tuple[Message, int] | None:
        while (again := self.flight.next_again()) is not None:
            sequence, times = again
            message = self._store.get(sequence)
            if message is not None:
                return message, times
            self.flight.is_gone(sequence)
            self.flight.settle(sequence)
        return None if self.flight.is_full else self._next_new()

    def _next_new(self) -> tuple[Message, int] | None:
        flight, last = self.flight, self._store.last
        message = self._store.following(flight.next_sequence, self.config.filters)
        passed = last if message is None else message.sequence
        flight.next_sequence = max(flight.next_sequence, passed + 1)
        if message is None and flight.next_sequence > last:
            self._waiting, self._counted_until = 0, last
        return None if message is None else (message, 1)

    def _deliver(self, message: Message, times: int) -> bool:
        """Give a message to the next who pulls; tell whether there was one."""
        is_first = times == 1
        self._waiting -= is_first
        place = f"{times}.{message.sequence}.{self.flight.next_count}.{message.at_ns}.{self.waiting}"
        ack = f"$JS.ACK.{self._owner.name}.{self.name}.{place}"
        size = len(message.subject) + len(ack) + len(message.headers.raw) + len(message.body)
        pull = self._dispatch.next(size)
        if pull is None:
            self._take_back(message.sequence, is_first=is_first)
            return False
        self.flight.deliver(message.sequence, times, self._clock.now_ns())
        if self.config.ack_policy == "explicit":
            self._watch(self.config.ack_wait + LATE_NS)
        self._dispatch.give(pull, message, ack)
        return True

    def _take_back(self, sequence: int, *, is_first: bool) -> None:
        if is_first and sequence == self.flight.next_sequence - 1:
            self.flight.next_sequence -= 1
            self._waiting += 1
        else:
            self.flight.not_delivered(sequence)

    # --- Hearing of deliveries --------------------------------------------------------------------

    def acknowledge(self, sequence: int, count: int, said: bytes, reply: str) -> None:
        """Take what a client says of a delivery."""
        if self.config.ack_policy != "explicit":
            return
        answers = True
        if said in {b"", b"+ACK", b"+OK"} or said.startswith(b"+TERM"):
            answers = sequence < self.flight.next_sequence
            if answers:
                self._settle(sequence)
        elif said.startswith(b"-NAK"):
            self._deliver_again(sequence, count, said.removeprefix(b"-NAK").strip())
        elif said == b"+WPI" and sequence in self.flight.pending:
            self.flight.pending[sequence].at_ns = self._clock.now_ns()
        if reply and answers:
            self._around.send(reply, b"", b"")

    def _settle(self, sequence: int) -> None:
        was_full = self.flight.is_full
        self.flight.settle(sequence)
        self._owner.settled(sequence)
        if was_full:
            self.signal()

    def _deliver_again(self, sequence: int, count: int, wish: bytes) -> None:
        flight = self.flight
        if not flight.floor_count < count <= flight.next_count or sequence not in flight.pending:
            return
        delay_ns = _delay_ns(wish)
        if delay_ns is None:
            flight.queue(sequence)
            self.signal()
            return
        flight.drop_from_queue(sequence)
        flight.pending[sequence].at_ns = self._clock.now_ns() - self.config.ack_wait + delay_ns
        if self._redelivery.due_ns is not None:
            self._redelivery.set(_SOON_NS)

    def _watch(self, wait_ns: int) -> None:
        due_ns = self._redelivery.due_ns
        if due_ns is None or due_ns > self._clock.now_ns() + wait_ns:
            self._redelivery.set(wait_ns)

    def _check_pending(self) -> None:
        now_ns, wait_ns = self._clock.now_ns(), self.config.ack_wait
        forgot = self.flight.forget_gone(self._store.first)
        was_full = self.flight.is_full
        expired = self.flight.overdue(now_ns)
        left = [wait_ns - (now_ns - one.at_ns) for one in self.flight.pending.values()]
        if expired:
            self.flight.queue_overdue(expired, now_ns)
        if not self.flight.reset_if_idle():
            self._redelivery.set(min([one for one in left if one > 0] + [wait_ns + LATE_NS]))
        if forgot:
            self.flight.write()
        if expired or (was_full and not self.flight.is_full):
            self.signal()

    # --- What happens to the stream ---------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many messages were never delivered."""
        return max(self._waiting, 0)

    def stored(self, message: Message) -> None:
        """Notice a new message."""
        if is_wanted(message.subject, self.config.filters):
            self._waiting += message.sequence > self._counted_until
            if message.sequence >= self.flight.next_sequence:
                self.signal()

    def removed(self, message: Message, seen_as: str) -> None:
        """Notice that a message is gone, told as if of some subject; who removed it lets the consumer go on afterwards."""
        sequence = message.sequence
        if not is_wanted(seen_as, self.config.filters):
            return
        self._waiting -= sequence >= self.flight.next_sequence
        if sequence in self.flight.pending:
            self._gone.append(sequence)
        elif self.flight.again.pop(sequence, None) is not None:
            self.record.settle(0, sequence)

    def go_on(self) -> None:
        """Be done with deliveries of messages that are gone."""
        gone, self._gone = self._gone, []
        for sequence in gone:
            if sequence < self.flight.next_sequence:
                self._settle(sequence)

    def purged(self, start: int, still_there: set[int] | None) -> None:
        """Notice that many messages are gone; the next may be at `start`."""
        self.flight.purged(start, still_there)

    def recount(self) -> None:
        """Count anew what waits, since many messages are gone."""
        self._count_waiting()
        self.flight.forget_below(self._store.first)

    def needs(self, message: Message) -> bool:
        """Tell whether a message of a work queue is still to be handled."""
        if not is_wanted(message.subject, self.config.filters):
            return False
        flight, sequence = self.flight, message.sequence
        is_new = sequence > flight.floor_sequence and sequence >= flight.next_sequence
        return is_new or sequence in flight.pending or sequence in flight.again

    def _count_waiting(self) -> None:
        self._waiting = self._store.waiting(self.flight.next_sequence, self.config.filters)
        self._counted_until = self._store.last

    # --- Telling ----------------------------------------------------------------------------------

    def _correct_waiting(self) -> None:
        """Count no more than there can be."""
        left = self._store.last - self.flight.next_sequence + 1
        self._waiting = min(self._waiting, len(self._store), left) if left > 0 else 0

    @property
    def _is_in_memory(self) -> bool:
        return self.config.mem_storage or self._store.config.storage == "memory"

    def info(self) -> dict[str, Any]:
        """Tell how it stands."""
        self._dispatch.drop_ended(at_end=False)
        self._correct_waiting()
        record = self.record
        delivered = record.delivered_count, record.delivered_sequence
        if record.is_blank and self._is_in_memory:
            delivered = self.flight.next_count - 1, self.flight.next_sequence - 1
        return {
            "stream_name": self._owner.name,
            "name": self.name,
            "created": timestamp(self._created_ns),
            "config": self.config.as_json(),
            "delivered": {"consumer_seq": delivered[0], "stream_seq": delivered[1]},
            "ack_floor": {"consumer_seq": record.floor_count, "stream_seq": record.floor_sequence},
            "num_ack_pending": len(self.flight.pending),
            "num_redelivered": len(self.flight.again) if self.config.max_deliver != 1 else 0,
            "num_waiting": len(self._dispatch.pulls),
            "num_pending": self.waiting,
            "ts": timestamp(self._clock.now_ns()),
        }


def stamped(config: ConsumerConfig) -> ConsumerConfig:
    """Let a consumer that is not durable end when it is idle."""
    if config.durable_name or config.inactive_threshold:
        return config
    return replace(config, inactive_threshold=INACTIVE_NS)


def _delay_ns(wish: bytes) -> int | None:
    """Read how long a redelivery is to wait; None for not at all."""
    if not wish:
        return None
    if wish.startswith(b"{"):
        try:
            return int(json.loads(wish).get("delay", 0))
        except ValueError:
            return None
    return duration_ns(wish.decode(errors="replace"))
