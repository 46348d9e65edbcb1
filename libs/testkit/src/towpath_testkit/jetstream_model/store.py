"""What a stream keeps: its messages in order, by subject, and within its limits."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from towpath_testkit.jetstream_model.messages import Headers, Message
from towpath_testkit.jetstream_model.patterns import SubjectIndex, matches
from towpath_testkit.jetstream_model.refusals import NotModelledError, refused
from towpath_testkit.jetstream_model.stream_config import StreamConfig

_EVERYTHING = ">"


class Store:
    """The messages of one stream; sequences only ever grow."""

    def __init__(self, config: StreamConfig, removed: Callable[[Message, str], None]) -> None:
        self.config = config
        self.first = 0
        self.last = 0
        self.bytes = 0
        self.last_at_ns = 0
        self._removed = removed
        self._messages: dict[int, Message] = {}
        self._by_subject: SubjectIndex[list[int]] = SubjectIndex()

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self._messages.values()))

    @property
    def subjects(self) -> int:
        """How many subjects have messages."""
        return len(self._by_subject)

    # --- Writing ----------------------------------------------------------------------------------

    def put(self, subject: str, headers: Headers, body: bytes, at_ns: int) -> Message:
        """Store one message, and drop those that are over the limits.

        Raises:
            RefusedError: If the stream is full and refuses new messages.
        """
        message = Message(self.last + 1, subject, headers, body, max(at_ns, self.last_at_ns + 1))
        self._check_room(message)
        if not self._messages:
            self.first = message.sequence
        self.last, self.last_at_ns = message.sequence, message.at_ns
        self._messages[message.sequence] = message
        self.bytes += message.size(self.config.storage)
        self._index(message)
        self._enforce_limits(subject)
        return message

    def remove(self, sequence: int, *, seen_as: str = "") -> None:
        """Remove one message, and tell so; a purge of one message from a file tells its pattern as the subject."""
        message = self._take_out(sequence)
        if message is not None:
            in_memory = self.config.storage == "memory"
            self._removed(message, message.subject if in_memory or not seen_as else seen_as)

    def take_out_all(self, chosen: list[Message]) -> None:
        """Remove messages without telling of each."""
        for message in chosen:
            self._take_out(message.sequence)

    def empty(self) -> None:
        """Remove everything, without telling of each."""
        self._messages.clear()
        self._by_subject = SubjectIndex()
        self.first, self.bytes = self.last + 1, 0

    def compact(self, before: int) -> None:
        """Remove everything before a sequence, without telling of each; a later sequence becomes the next one."""
        self.take_out_all([message for message in self if message.sequence < before])
        if before > self.last:
            self.first, self.last = before, before - 1

    def enforce_limits(self) -> None:
        """Drop what is over the limits, after these have changed."""
        for message in self:
            self._enforce_limits(message.subject)

    def _check_room(self, message: Message) -> None:
        """See that a message may be stored.

        Raises:
            RefusedError: If the stream is full and refuses new messages.
        """
        if self.config.discard == "new":
            self._check_limits(message)

    def check_room_together(self, subjects: list[str]) -> None:
        """See that the last message of some that are to be stored together may be.

        Raises:
            RefusedError: If the stream is full, with those before it, and refuses new messages.
            NotModelledError: If the server's answer cannot be told.
        """
        config, subject = self.config, subjects[-1]
        if config.discard != "new":
            return
        if 0 < config.max_msgs < len(self) + len(subjects):
            raise refused(10077, reason="maximum messages exceeded")
        if config.max_bytes > 0:
            raise NotModelledError("a batch in a stream of limited bytes")
        if not config.discard_new_per_subject:
            return
        if config.max_msgs > 0 and len(set(subjects)) < len(subjects):
            raise NotModelledError("a subject twice in a batch, where the server (2.15.1) loses count")
        if len(self._by_subject.get(subject) or ()) + subjects.count(subject) > config.max_msgs_per_subject:
            raise refused(10077, reason="maximum messages per subject exceeded")

    def _check_limits(self, message: Message) -> None:
        limit = self.config.max_msgs_per_subject
        at_limit = limit > 0 and len(self._by_subject.get(message.subject) or ()) >= limit
        rolls_up = bool(message.headers.get("Nats-Rollup"))
        if at_limit and self.config.discard_new_per_subject and not rolls_up:
            raise refused(10077, reason="maximum messages per subject exceeded")
        if 0 < self.config.max_msgs <= len(self._messages) and not at_limit:
            raise refused(10077, reason="maximum messages exceeded")
        size = message.size(self.config.storage)
        if 0 < self.config.max_bytes < self.bytes + size and not (at_limit and self._replaces(message)):
            raise refused(10077, reason="maximum bytes exceeded")

    def _replaces(self, message: Message) -> bool:
        oldest = self._messages[(self._by_subject.get(message.subject) or [0])[0]]
        return oldest.size(self.config.storage) >= message.size(self.config.storage)

    def _index(self, message: Message) -> None:
        sequences = self._by_subject.get(message.subject)
        if sequences is None:
            self._by_subject.put(message.subject, [message.sequence])
        else:
            sequences.append(message.sequence)

    def _enforce_limits(self, subject: str) -> None:
        config = self.config
        while 0 < config.max_msgs_per_subject < len(self._by_subject.get(subject) or ()):
            self.remove((self._by_subject.get(subject) or [])[0])
        if config.discard == "new":
            return
        while 0 < config.max_msgs < len(self._messages) or 0 < config.max_bytes < self.bytes:
            self.remove(self.first)

    def _take_out(self, sequence: int) -> Message | None:
        message = self._messages.pop(sequence, None)
        if message is None:
            return None
        self.bytes -= message.size(self.config.storage)
        sequences = self._by_subject.get(message.subject) or []
        sequences.remove(sequence)
        if not sequences:
            self._by_subject.remove(message.subject)
        if sequence == self.first:
            self.first = next(iter(self._messages), self.last + 1)
        return message

    # --- Reading ----------------------------------------------------------------------------------

    def get(self, sequence: int) -> Message | None:
        """Find the message at a sequence."""
        return self._messages.get(sequence)

    def newest(self, pattern: str) -> Message | None:
        """Find the newest message whose subject matches."""
        sequence = max((found[-1] for found in self._by_subject.matching(pattern)), default=0)
        return self._messages.get(sequence)

    def newest_of_each(self, wanted: list[str], *, until: int) -> list[Message]:
        """Find the newest message of every subject that matches, up to a sequence, in order."""
        found = {
            max((sequence for sequence in sequences if sequence <= until), default=0)
            for pattern in wanted
            for sequences in self._by_subject.matching(pattern)
        }
        return [self._messages[sequence] for sequence in sorted(found) if sequence]

    def matching(self, pattern: str) -> list[Message]:
        """Find all messages whose subject matches, in order."""
        found = (sequence for sequences in self._by_subject.matching(pattern) for sequence in sequences)
        return [self._messages[sequence] for sequence in sorted(found)]

    def following(self, start: int, wanted: tuple[str, ...]) -> Message | None:
        """Find the first message from a sequence on whose subject matches one of the patterns, or all if none."""
        for sequence in range(max(start, self.first), self.last + 1):
            message = self._messages.get(sequence)
            if message is not None and is_wanted(message.subject, wanted):
                return message
        return None

    def waiting(self, start: int, wanted: tuple[str, ...]) -> int:
        """Count the messages from a sequence on whose subject matches."""
        return sum(1 for message in self if message.sequence >= start and is_wanted(message.subject, wanted))

    def since(self, at_ns: int) -> int:
        """Find the sequence of the first message stored at a time or later; the next one's if there is none."""
        return next((message.sequence for message in self if message.at_ns >= at_ns), self.last + 1)


@lru_cache(maxsize=200_000)
def is_wanted(subject: str, wanted: tuple[str, ...]) -> bool:
    """Tell whether a subject matches one of the patterns; it does where there are none."""
    return not wanted or wanted == (_EVERYTHING,) or any(matches(pattern, subject) for pattern in wanted)
