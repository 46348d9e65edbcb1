"""Has what comes for one run be done in the order in which its stream has it, though much is handled at the same time.

In this process one message waits for another. One that another router has in hand, or had when it died, is still in the
stream: whoever comes behind it does that one first. So it may be done twice, as if it were delivered twice.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from towpath_chassis.delivery import RetryLater
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_schemas.streams import Stream


@dataclass(slots=True)
class _Queue:
    """The messages of some subjects that are in hand here.

    Attributes:
        done: Up to which sequence they are done, though the stream may not have heard of it.
        given_up: What one of them said that could not be done yet, so that none behind it can.
    """

    waiting: int = 0
    done: int = 0
    given_up: RetryLater | None = None
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    def check(self) -> None:
        """Say the same as one that came before and could not be done yet."""
        if self.given_up is not None:
            raise RetryLater(str(self.given_up), after_s=self.given_up.after_s)


class Turn:
    """The turn of one message."""

    def __init__(self, js: JetStream, stream: Stream, subject: str, sequence: int, queue: _Queue) -> None:
        self._js = js
        self._stream = stream
        self._subject = subject
        self._sequence = sequence
        self._queue = queue
        self._start = queue.done + 1

    async def earlier(self) -> StoredMessage | None:
        """Read, as it stands, the next message that may have to be done before this one; None where there is none."""
        found = await self._js.following(self._stream, self._subject, start=self._start, limit=1, whole=False)
        if not found or found[0].sequence >= self._sequence:
            return None
        self._start = found[0].sequence + 1
        return found[0]

    def is_done(self) -> None:
        """Say that the message is done, and all before it."""
        self._queue.done = max(self._queue.done, self._sequence)


class Order:
    """The order of one stream."""

    def __init__(self, js: JetStream, stream: Stream) -> None:
        self._js = js
        self._stream = stream
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def turn(self, subject: str, sequence: int) -> AsyncGenerator[Turn]:
        """Wait until those are through that came here before, of the messages whose subject matches.

        Raises:
            RetryLater: If one of them could not be done yet.
        """
        queue = self._queues.setdefault(subject, _Queue())
        queue.waiting += 1
        try:
            async with queue.alone:
                queue.check()
                yield Turn(self._js, self._stream, subject, sequence, queue)
        except (RetryLater, BrokerError) as error:
            queue.given_up = error if isinstance(error, RetryLater) else RetryLater(str(error))
            raise
        finally:
            queue.waiting -= 1
            if queue.given_up is not None or not queue.waiting:
                self._end(subject, queue)

    def _end(self, subject: str, queue: _Queue) -> None:
        if self._queues.get(subject) is queue:
            del self._queues[subject]
