"""One partition in the hands of this process: its doorbells, and those that its last owner left unanswered."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import structlog

from towpath_chassis.delivery import GiveUp, RetryLater
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message, StoredMessage
from towpath_chassis.pulling import Puller
from towpath_chassis.streams import ensure_consumer, nanoseconds
from towpath_entity_store.entities.deliveries import Deliveries
from towpath_entity_store.entities.doorbells import Doorbells
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.streams import ENTITIES, partition_consumer

log = structlog.get_logger(__name__)

_GROUP = "owner"
_PULL_EXPIRES_S = 10.0
_PAGE = 256
_RINGS = 5


class Partition:
    """Pulls one partition; made and ended by `Ownership`."""

    def __init__(self, js: JetStream, settings: Settings, number: int, doorbells: Doorbells) -> None:
        self._js = js
        self._settings = settings
        self._number = number
        self._doorbells = doorbells
        self._consumer = partition_consumer(number)
        self._deliveries = Deliveries()
        self._puller = Puller(
            js,
            ENTITIES,
            self._consumer,
            self._on_delivery,
            capacity=settings.partition_capacity,
            ack_wait_s=settings.ack_wait_s,
            max_attempts=settings.max_attempts,
            group=_GROUP,
            pull_expires_s=_PULL_EXPIRES_S,
            whole=False,  # who reads it makes it whole: see `mail_of`
            heard=self._deliveries.take,
        )
        self._recovery: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to take what comes."""
        await ensure_consumer(
            self._js,
            ENTITIES,
            self._consumer,
            filter_subject=subjects.mailboxes_in(self._number),
            ack_wait=nanoseconds(self._settings.ack_wait_s),
            max_ack_pending=-1,  # invocations that wait for a runner must not keep others from being delivered
            priority_groups=[_GROUP],
            priority_policy="pinned_client",
            priority_timeout=nanoseconds(self._settings.partition_pin_s),
        )
        await self._puller.start()
        self._recovery = asyncio.create_task(self._recover(), name=f"recover-{self._number}")

    async def stop(self) -> None:
        """Hand the partition over at once, and finish what is held."""
        if self._recovery is not None:
            self._recovery.cancel()
            with suppress(asyncio.CancelledError):
                await self._recovery
        await self._puller.stop(self._settings.drain_s)

    async def _on_delivery(self, message: Message) -> None:
        async def body() -> bytes:
            return (await self._js.whole(message)).data

        place = message.metadata
        with self._deliveries.handling(message):
            await self._doorbells.ring(
                message.subject,
                place.sequence.stream,
                body,
                attempt=place.num_delivered,
                deliveries=self._deliveries,
            )

    async def _recover(self) -> None:
        """Ring what was delivered to the last owner and not acknowledged, instead of waiting for `ack_wait_s`.

        That owner may live, and only be handing over: it gets the time to finish that the broker gives it too.
        """
        await asyncio.sleep(self._settings.partition_pin_s / 2)
        try:
            async for page in self._unacknowledged():
                for outcome in await asyncio.gather(*map(self._ring, page), return_exceptions=True):
                    if isinstance(outcome, Exception):  # it keeps no other from being recovered
                        self._say_left(outcome)
        except BrokerError as error:
            self._say_left(error)

    def _say_left(self, error: Exception) -> None:
        """Say that something was not recovered: it is delivered again in the end, and buried if it must be."""
        log.info("invocations were not recovered", partition=self._number, reason=repr(error))

    async def _unacknowledged(self) -> AsyncGenerator[list[StoredMessage]]:
        """Read candidates: some between the first and the last unacknowledged one may be answered already."""
        info = await self._js.info(f"CONSUMER.INFO.{ENTITIES.name}.{self._consumer}")
        if info is None or info["num_ack_pending"] == 0:
            return
        start, last = info["ack_floor"]["stream_seq"] + 1, info["delivered"]["stream_seq"]
        pattern = subjects.mailboxes_in(self._number)
        while page := await self._js.following(ENTITIES, pattern, start=start, limit=_PAGE, whole=False):
            yield [message for message in page if message.sequence <= last]
            start = page[-1].sequence + 1
            if start > last:
                return

    async def _ring(self, message: StoredMessage) -> None:
        async def body() -> bytes:
            return (await self._js.whole_stored(message)).body

        for attempt in range(1, _RINGS + 1):
            try:
                await self._doorbells.ring(
                    message.subject, message.sequence, body, attempt=attempt, deliveries=self._deliveries
                )
            except RetryLater as later:
                await asyncio.sleep(later.after_s or 0)
            except GiveUp:  # its delivery will say so again, to the broker
                return
            else:
                return
