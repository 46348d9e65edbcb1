"""A durable consumer in a test's hands, and a handler that does what it is told."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_chassis.pulling import Puller
from towpath_chassis.streams import ensure_consumer, nanoseconds
from towpath_schemas import subjects
from towpath_schemas.streams import TOOLS, Stream
from towpath_testkit.settled import until_so

CONSUMER = "tools-hello"
CALL = subjects.call("hello", "add")
Handle = Callable[[Message], Awaitable[object]]


@asynccontextmanager
async def pulling(
    js: JetStream,
    handle: Handle,
    *,
    stream: Stream = TOOLS,
    ack_wait_s: float = 30.0,
    drain_s: float = 0.0,
    **options: Any,
) -> AsyncGenerator[Puller]:
    """Pull the calls of a service `hello` until the end of the block."""
    await ensure_consumer(
        js, TOOLS, CONSUMER, filter_subject=subjects.calls_of("hello"), ack_wait=nanoseconds(ack_wait_s)
    )
    options = {"capacity": 10, "max_attempts": 3, **options}
    puller = Puller(js, stream, CONSUMER, handle, ack_wait_s=ack_wait_s, **options)
    await puller.start()
    try:
        yield puller
    finally:
        await puller.stop(drain_s)


class Handler:
    """Notes what came, and does what it is told."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.bodies: list[bytes] = []
        self.at: list[float] = []
        self.came = asyncio.Event()
        self.most_at_once = 0
        self._at_once = 0
        self.release = asyncio.Event()
        self.release.set()
        self._outcomes = [*outcomes]

    async def __call__(self, message: Message) -> None:
        """Handle one message."""
        self.bodies.append(message.data)
        self.at.append(asyncio.get_running_loop().time())
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.came.set()
        try:
            await self.release.wait()
        finally:
            self._at_once -= 1
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if outcome is not None:
            raise outcome

    async def seen(self, count: int) -> None:
        """Wait until so many came."""
        await until_so(lambda: len(self.bodies) >= count)
