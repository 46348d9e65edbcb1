# pyright: reportUnknownMemberType=false
"""A client of a server, be it real or the model: asks, and takes whatever is answered within a moment."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

Take = Callable[[Msg], Awaitable[None]]

_ANSWER_S = 0.05
_CONNECTIONS = 2


class Sent(NamedTuple):
    """A message for a server."""

    subject: str
    body: bytes
    headers: dict[str, str]


class Asker:
    """Some connections to a server; all inboxes begin with `prefix`."""

    def __init__(self, prefix: str, clients: list[Client]) -> None:
        self._prefix = prefix
        self._clients = clients
        self._asked = 0

    def inbox(self, name: object) -> str:
        """Name an inbox."""
        return f"_INBOX.{self._prefix}.{name}"

    async def listen(self, subject: str, take: Take, *, queue: str = "", connection: int = 0) -> Subscription:
        """Listen; the server knows of it afterwards."""
        client = self._clients[connection % _CONNECTIONS]
        subscription = await client.subscribe(subject, queue, cb=take)
        await client.flush()
        return subscription

    async def hang_up(self, subscription: Subscription) -> None:
        """Listen no more; the server knows of it afterwards."""
        await subscription.unsubscribe()
        for client in self._clients:
            await client.flush()

    async def ping(self) -> None:
        """Wait for the server to say that it is there."""
        await self._clients[0].flush()

    async def tell(self, subject: str, body: bytes, *, reply: str = "") -> None:
        """Send a message, and give what comes of it a moment."""
        await self._clients[0].publish(subject, body, reply=reply)
        await self._clients[0].flush()
        await asyncio.sleep(_ANSWER_S)

    async def ask(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> list[Msg]:
        """Send a message, and take what is answered within a moment."""
        return await self.ask_all([Sent(subject, body, headers or {})])

    async def ask_all(self, messages: Iterable[Sent]) -> list[Msg]:
        """Send messages, one right after the other, and take what is answered to any within a moment."""
        answers: list[Msg] = []

        async def take(message: Msg) -> None:
            answers.append(message)

        self._asked += 1
        inbox = self.inbox(f"ask{self._asked}")
        subscription = await self._clients[0].subscribe(inbox, cb=take)
        for subject, body, headers in messages:
            await self._clients[0].publish(subject, body, reply=inbox, headers=headers or None)
        await self._clients[0].flush()
        await asyncio.sleep(_ANSWER_S)
        await subscription.unsubscribe()
        return answers


@asynccontextmanager
async def asker(url: str, prefix: str) -> AsyncGenerator[Asker]:
    """Connect to a server."""
    clients = [await nats.connect(url, error_cb=_ignore) for _ in range(_CONNECTIONS)]
    try:
        yield Asker(prefix, clients)
    finally:
        for client in clients:
            await client.close()


async def _ignore(_: Exception) -> None:
    pass
