"""A stream: takes messages under their conditions, keeps them within its limits, and has consumers."""

import json
from dataclasses import replace
from typing import Any

from towpath_testkit.jetstream_model import consumer_config, stream_config
from towpath_testkit.jetstream_model.ageing import Ageing
from towpath_testkit.jetstream_model.batch_publishing import admit_together
from towpath_testkit.jetstream_model.batches import Batches, Part
from towpath_testkit.jetstream_model.consumer import Consumer
from towpath_testkit.jetstream_model.consumer_config import ConsumerConfig, check_alone, check_workqueue
from towpath_testkit.jetstream_model.dedupe import Dedupe
from towpath_testkit.jetstream_model.messages import Headers, Message, timestamp
from towpath_testkit.jetstream_model.patterns import covers
from towpath_testkit.jetstream_model.publishing import Standing, admit, check_size
from towpath_testkit.jetstream_model.refusals import DuplicateError, RefusedError, refused
from towpath_testkit.jetstream_model.schedules import PURGE, Fired, Schedules
from towpath_testkit.jetstream_model.store import Store
from towpath_testkit.jetstream_model.stream_config import StreamConfig
from towpath_testkit.jetstream_model.surroundings import Surroundings

_EVERYTHING = ">"


class Stream:
    """One stream with its consumers."""

    def __init__(self, around: Surroundings, config: StreamConfig) -> None:
        self.name = config.name
        self.config = config
        self.consumers: dict[str, Consumer] = {}
        self.store = Store(config, self._removed)
        self._around = around
        self._clock = around.clock
        self._created_ns = self._clock.now_ns()
        self._last_id = ""
        self._begin()

    def _begin(self) -> None:
        clock = self._clock
        self._dedupe = Dedupe(clock, self.config.duplicate_window)
        self._batches = Batches(clock)
        self._ageing = Ageing(clock, self.store, remove=self.store.remove, after=self.go_on)
        self._schedules = Schedules(clock, self.store.get, self._fire)

    # --- Publishing -------------------------------------------------------------------------------

    def publish(self, subject: str, headers: Headers, body: bytes) -> bytes:
        """Take a message, and write what the publisher is told; nothing, before the end of a batch."""
        try:
            if headers.get("Nats-Batch-Id"):
                return self._publish_part(Part(subject, headers, body))
            headers = admit(self._standing(), subject, headers, body)
            return b'{"stream":"%s","seq":%d}' % (self.name.encode(), self._put(subject, headers, body))
        except DuplicateError as duplicate:
            return b'{"stream":"%s","seq":%d,"duplicate": true}' % (self.name.encode(), duplicate.sequence)
        except RefusedError as refusal:
            return json.dumps({"error": refusal.as_json(), "stream": self.name, "seq": 0}).encode()

    def _publish_part(self, part: Part) -> bytes:
        check_size(self.config, part.headers, part.body)
        if not self.config.allow_atomic:
            raise refused(10174)
        parts = self._batches.take(part)
        if parts is None:
            return b""
        admit_together(self._standing(), parts)
        last = [self._put(one.subject, one.headers, one.body) for one in parts][-1]
        batch_id = part.headers.get("Nats-Batch-Id").encode()
        told = self.name.encode(), last, batch_id, len(parts)
        return b'{"stream":"%s","seq":%d,"batch":"%s","count":%d}' % told

    def _standing(self) -> Standing:
        return Standing(self.store, self._dedupe, self._last_id, self._clock.now_ns())

    def _put(self, subject: str, headers: Headers, body: bytes) -> int:
        message = self.store.put(subject, headers, body, self._clock.now_ns())
        self._ageing.stored(message)
        if self.config.allow_msg_schedules:
            self._schedules.stored(message)
        self._last_id = headers.get("Nats-Msg-Id")
        if self._last_id:
            self._dedupe.remember(self._last_id, message.sequence, message.at_ns)
        if headers.values:
            self._roll_up(message)
        for consumer in list(self.consumers.values()):
            consumer.stored(message)
        self.go_on()
        return message.sequence

    def _roll_up(self, message: Message) -> None:
        headers = message.headers
        match headers.get("Nats-Rollup").lower():
            case "sub":
                self.purge(message.subject, keep=1)
            case "all":
                self.purge("", keep=1)
            case _:
                pass
        if headers.get("Nats-Schedule-Next") == PURGE:
            self.purge(headers.get("Nats-Scheduler"))

    def _fire(self, fired: Fired) -> None:
        self._put(fired.subject, fired.headers, fired.body)

    # --- Removing ---------------------------------------------------------------------------------

    def purge(self, subject: str = "", *, before: int = 0, keep: int = 0) -> int:
        """Remove messages; return how many."""
        gone = self._purged(subject, before=before, keep=keep)
        first = self.store.first
        if subject:
            matching = self.store.matching(subject)
            first = matching[0].sequence if matching else 0
        for consumer in self.consumers.values():
            self._purge_at(consumer, subject, first)
        return gone

    def _purged(self, subject: str, *, before: int, keep: int) -> int:
        store = self.store
        if before == 1:
            return 0
        if subject in {"", _EVERYTHING} and keep == 0:
            return self._purge_all(before)
        chosen = store.matching(subject or _EVERYTHING)
        if keep:
            chosen = chosen[: max(len(chosen) - keep, 0)]
        elif before:
            chosen = [message for message in chosen if message.sequence < before]
        if len(chosen) == 1:
            store.remove(chosen[0].sequence, seen_as=subject or _EVERYTHING)
        elif chosen:
            store.take_out_all(chosen)
            self._removed_many(chosen)
        return len(chosen)

    def _purge_all(self, before: int) -> int:
        gone = [message for message in self.store if not before or message.sequence < before]
        if before:
            self.store.compact(before)
        else:
            self.store.empty()
        self._removed_many(gone)
        return len(gone)

    def _purge_at(self, consumer: Consumer, subject: str, first: int) -> None:
        filters = consumer.config.filters
        last = self.store.last
        if not subject or (filters and all(covers(subject, pattern) for pattern in filters)):
            consumer.purged(first or last + 1, None)
        elif not filters or any(covers(pattern, subject) for pattern in filters):
            there = {sequence for sequence in consumer.flight.pending if self.store.get(sequence)}
            consumer.purged(self.store.first, there)

    def _removed(self, message: Message, seen_as: str) -> None:
        self._ageing.removed(message)
        self._schedules.removed(message)
        for consumer in self.consumers.values():
            consumer.removed(message, seen_as)

    def _removed_many(self, messages: list[Message]) -> None:
        for message in messages:
            self._ageing.removed(message)
            self._schedules.removed(message)
        for consumer in self.consumers.values():
            consumer.recount()

    def go_on(self) -> None:
        """Let consumers be done with what is gone."""
        for consumer in list(self.consumers.values()):
            consumer.go_on()

    def settled(self, sequence: int) -> None:
        """Take that a consumer is done with a message: a work queue drops it."""
        message = self.store.get(sequence)
        if message is None or self.config.retention != "workqueue":
            return
        if not any(consumer.needs(message) for consumer in self.consumers.values()):
            self.store.remove(sequence)

    # --- Consumers --------------------------------------------------------------------------------

    def make_consumer(self, name: str, asked: dict[str, Any], action: str) -> dict[str, Any]:
        """Make a consumer, or change the one that is there, and tell how it stands.

        Raises:
            RefusedError: If the server would refuse it.
        """
        config = replace(ConsumerConfig.asked(asked, self.config), name=name)
        present = self.consumers.get(name)
        if present is not None:
            return self._change_consumer(present, config, action)
        if action == "update":
            raise refused(10149)
        if self.config.retention == "workqueue":
            check_workqueue(config, [other.config for other in self.consumers.values()])
        made = self.consumers[name] = Consumer(self._around, name, config, self)
        made.start()
        return made.info()

    def _change_consumer(self, present: Consumer, config: ConsumerConfig, action: str) -> dict[str, Any]:
        if action == "create" and config != present.config:
            raise refused(10148)
        if self.config.retention == "workqueue":
            check_alone(config, [one.config for one in self.consumers.values() if one is not present])
        consumer_config.check_update(present.config, config)
        return present.change(config)

    def drop_consumer(self, name: str) -> None:
        """Delete a consumer.

        Raises:
            RefusedError: If there is none.
        """
        if name not in self.consumers:
            raise refused(10014)
        self.consumers.pop(name).stop()

    def expired(self, consumer: Consumer) -> None:
        """Delete a consumer that was idle for too long."""
        self.drop_consumer(consumer.name)

    # --- Itself -----------------------------------------------------------------------------------

    def change(self, config: StreamConfig) -> None:
        """Take another configuration.

        Raises:
            RefusedError: If the server would refuse it.
        """
        stream_config.check_update(self.config, config)
        self.config = self.store.config = config
        self._dedupe.change(config.duplicate_window)
        if not config.allow_atomic:
            self._batches.forget_all()
        self._ageing.changed()
        self._schedules.run()
        self.store.enforce_limits()
        self.go_on()

    def stop(self) -> None:
        """End, with all consumers."""
        for name in list(self.consumers):
            self.drop_consumer(name)
        self._ageing.stop()
        self._schedules.stop()
        self._dedupe.stop()
        self._batches.forget_all()

    def recover(self) -> None:
        """Begin again after a restart of the server, with what was written down."""
        self._begin()
        since_ns = self._clock.now_ns() - self.config.duplicate_window
        for message in self.store:
            message_id = message.headers.get("Nats-Msg-Id")
            if message_id and message.at_ns >= since_ns:
                self._dedupe.remember(message_id, message.sequence, message.at_ns)
            if message.sequence == self.store.last:
                self._last_id = message_id
            if self.config.allow_msg_schedules:
                self._schedules.stored(message)
        self._ageing.recovered()
        self.consumers = {name: one for name, one in self.consumers.items() if not one.config.mem_storage}
        for consumer in self.consumers.values():
            consumer.recover()

    def info(self) -> dict[str, Any]:
        """Tell how it stands."""
        store = self.store
        return {
            "config": self.config.as_json(),
            "created": timestamp(self._created_ns),
            "state": {
                "messages": len(store),
                "bytes": store.bytes,
                "first_seq": store.first,
                "last_seq": store.last,
                "num_subjects": store.subjects,
                "num_deleted": store.last + 1 - max(store.first, 1) - len(store),
                "consumer_count": len(self.consumers),
            },
            "ts": timestamp(self._clock.now_ns()),
        }
