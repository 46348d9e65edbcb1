"""Pulls messages of a durable consumer, never more than there is room for, and keeps held ones alive.

For messages that are held while something happens (a run, a tool call, an entity's turn). A message that
is handled at once may as well come through a FastStream subscriber; both end in `delivery`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import orjson
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from towpath_chassis.delivery import Delivery
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import Chassis
from towpath_chassis.streams import ensure_consumer, nanoseconds
from towpath_schemas.streams import Stream

log = structlog.get_logger(__name__)

_PULL_EXPIRES_S = 2.0
_GRACE_S = 0.5
_KEEPALIVES_PER_ACK_WAIT = 3
_PIN_LOST = "423"
_ORDINARY_ENDS = frozenset({"404", "408", _PIN_LOST})

Handle = Callable[[Msg], Awaitable[object]]


class Puller:
    """One process's share of a durable consumer.

    With a `group`, the consumer is pinned: the broker gives its messages to one process at a time, which
    is told so by `pin` and can hand over at once with `unpin`. A process that shares many consumers, most
    of them idle, gives `pull_expires_s` a larger value: a pull is renewed that often where nothing comes. Without
    `whole`, messages that only name their payload come as they stand. `heard` is told of each delivery as it comes, in
    order, also of one that is handled already.
    """

    def __init__(
        self,
        js: JetStream,
        stream: Stream,
        consumer: str,
        handle: Handle,
        *,
        capacity: int,
        ack_wait_s: float,
        max_attempts: int,
        group: str | None = None,
        pull_expires_s: float = _PULL_EXPIRES_S,
        whole: bool = True,
        heard: Callable[[Msg], None] | None = None,
    ) -> None:
        self._js = js
        self._stream = stream
        self._consumer = consumer
        self._handle = handle
        self._heard = heard
        self._capacity = capacity
        self._ack_wait_s = ack_wait_s
        self._group = group
        self._pull_expires_s = pull_expires_s
        self._troubled = False
        self._delivery = Delivery(
            js, stream=stream, consumer=consumer, max_attempts=max_attempts, whole=whole
        )
        self._held: dict[asyncio.Task[None], int] = {}
        self._in_hand: dict[int, Msg] = {}
        self._room = asyncio.Event()
        self._pull_ended = asyncio.Event()
        self._asked = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._subscription: Subscription | None = None
        self.pin: str | None = None

    async def start(self) -> None:
        """Begin to pull."""
        inbox = self._js.nats.new_inbox()
        self._js.on_reconnect.append(self._pull_ended.set)
        self._subscription = await self._js.subscribe(inbox, self._on_message, whole=False)
        self._tasks = [
            asyncio.create_task(self._pull_for_ever(inbox), name=f"pull-{self._consumer}"),
            asyncio.create_task(self._keep_alive_for_ever(), name=f"keep-{self._consumer}"),
        ]

    async def stop(self, drain_s: float) -> None:
        """Stop pulling, let held messages finish for `drain_s` seconds, give back the others."""
        self._js.on_reconnect.remove(self._pull_ended.set)
        for task in self._tasks[:1]:
            await _cancelled(task)
        if self._subscription is not None:
            with suppress(NatsError):
                await self._subscription.unsubscribe()
        if self._group is not None:
            await self.unpin()
        if self._held:
            await asyncio.wait(self._held, timeout=drain_s)
        for task in (*self._held, *self._tasks):
            await _cancelled(task)

    async def unpin(self) -> None:
        """Let another process be pinned now instead of after the consumer's timeout."""
        if self.pin is None:
            return
        self.pin = None
        with suppress(BrokerError):
            await self._js.api(f"CONSUMER.UNPIN.{self._stream.name}.{self._consumer}", {"group": self._group})

    @property
    def held(self) -> int:
        """How many messages are being handled."""
        return len(self._held)

    async def _pull_for_ever(self, inbox: str) -> None:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream.name}.{self._consumer}"
        while True:
            await self._wait_for_room()
            self._pull_ended.clear()
            self._asked = self._capacity - len(self._held)
            try:
                await self._js.nats.publish(subject, orjson.dumps(self._question(self._asked)), reply=inbox)
            except NatsError:
                await asyncio.sleep(_GRACE_S)  # not connected: nothing to do until we are
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    self._pull_expires_s + _GRACE_S
                ):  # wait_for may swallow a cancellation
                    await self._pull_ended.wait()
            if self._troubled:  # the consumer is not there now: to ask again at once would only be noise
                self._troubled = False
                await asyncio.sleep(_GRACE_S)

    async def _wait_for_room(self) -> None:
        while len(self._held) >= self._capacity:
            self._room.clear()
            await self._room.wait()

    def _question(self, batch: int) -> dict[str, Any]:
        question: dict[str, Any] = {"batch": batch, "expires": int(self._pull_expires_s * 1e9)}
        if self._group is not None:
            question["group"] = self._group
            if self.pin is not None:
                question["id"] = self.pin
        return question

    async def _on_message(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        if status is not None and not message.reply.startswith("$JS.ACK."):
            self._on_status(status)
            return
        self.pin = headers.get("Nats-Pin-Id", self.pin)
        self._asked -= 1
        if self._asked <= 0:
            self._pull_ended.set()
        self._take(message)

    def _take(self, message: Msg) -> None:
        """Handle a message; one that is in our hands is not begun again: what ends the first ends them all."""
        if self._heard is not None:
            self._heard(message)
        sequence = message.metadata.sequence.stream
        is_begun = sequence in self._in_hand
        self._in_hand[sequence] = message
        if not is_begun:
            newest = partial(self._in_hand.__getitem__, sequence)
            task = asyncio.create_task(self._delivery.conclude(message, self._handle, newest))
            self._held[task] = sequence
            task.add_done_callback(self._let_go)

    def _on_status(self, status: str) -> None:
        if status == _PIN_LOST:
            self.pin = None
        self._troubled = status not in _ORDINARY_ENDS
        self._pull_ended.set()

    def _let_go(self, task: asyncio.Task[None]) -> None:
        del self._in_hand[self._held.pop(task)]
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a message was not concluded", exc_info=error)

    async def _keep_alive_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / _KEEPALIVES_PER_ACK_WAIT)
            for message in list(self._in_hand.values()):
                with suppress(NatsError):
                    await message.in_progress()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


@asynccontextmanager
async def pulled(
    chassis: Chassis[Any],
    stream: Stream,
    consumer: str,
    subject: str,
    handle: Handle,
    *,
    capacity: int,
) -> AsyncGenerator[Puller]:
    """Handle the messages of a durable consumer, `capacity` at a time, until the end of the block; then drain."""
    settings = chassis.settings
    await ensure_consumer(
        chassis.js,
        stream,
        consumer,
        filter_subject=subject,
        ack_wait=nanoseconds(settings.ack_wait_s),
        max_ack_pending=-1,
    )
    puller = Puller(
        chassis.js,
        stream,
        consumer,
        handle,
        capacity=capacity,
        ack_wait_s=settings.ack_wait_s,
        max_attempts=settings.max_attempts,
    )
    await puller.start()
    try:
        yield puller
    finally:
        await puller.stop(settings.drain_s)
