"""Keeps the index of runs up with the audit stream, and builds it again where Redis has lost it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp, RetryLater
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_chassis.pulling import Puller
from towpath_chassis.streams import ensure_consumer, nanoseconds
from towpath_chassis.tasks import background
from towpath_entity_store.redis_door import RedisDoor, RedisFailedError
from towpath_entity_store.runs.index import IndexFlushedError, RunsIndex
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.runs import RunsAsked, RunsListed
from towpath_schemas.streams import AUDIT, RUNS_INDEX

log = structlog.get_logger(__name__)

_BUILDS_FOR_S = 30.0
_LOOK_AGAIN_S = 0.1
_IDLE_LOOK_S = 2.0
_LISTED_WITHIN_S = 4.0
_AGAIN_AFTER_S = 0.5
_BEGINNING = 1
# Redis confirms a write before it is on its disk: what it lost when it ended is folded again.
_REWOUND = 20_000


class RunsFollower:
    """Shares a durable consumer of the audit stream with the other replicas; made by `following`."""

    def __init__(self, js: JetStream, redis: RedisDoor, index: RunsIndex, settings: Settings) -> None:
        self._js = js
        self._redis = redis
        self._index = index
        self._settings = settings
        self._losses = redis.losses
        self._stirred = asyncio.Event()
        self.puller = Puller(
            js,
            AUDIT,
            RUNS_INDEX,
            self._on_event,
            capacity=settings.index_capacity,
            ack_wait_s=settings.ack_wait_s,
            max_attempts=settings.max_attempts,
        )

    async def listed(self, asked: RunsAsked) -> RunsListed:
        """List runs; where the index is being built, from what is there after a few seconds.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        try:
            async with asyncio.timeout(_LISTED_WITHIN_S):
                while await self._index.standing() != "ready":
                    self._stirred.set()
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            log.info("runs are listed from an index that is not complete yet")
        return RunsListed(runs=await self._index.matching(asked))

    async def watch(self) -> None:
        """See, for ever, that the index is there."""
        while True:
            try:
                await self._look()
            except (BrokerError, RedisFailedError) as error:
                log.info("the index of runs cannot be looked after now", reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)
            await self._idle()

    async def begin(self) -> None:
        """Set the consumer a little back, or to the beginning where there is no index."""
        info = await self._js.info(f"CONSUMER.INFO.{AUDIT.name}.{RUNS_INDEX}")
        floor = 0 if info is None else int(info["ack_floor"]["stream_seq"])
        await self._read_from(max(_BEGINNING, floor + 1 - _REWOUND))

    async def _look(self) -> None:
        if await self._index.standing() == "missing" and await self._index.begin_building(_BUILDS_FOR_S):
            await self._build()
        elif self._losses != self._redis.losses:
            self._losses = self._redis.losses
            await self.begin()

    async def _build(self) -> None:
        log.info("the index of runs is built from the audit stream")
        await self._read_from(_BEGINNING)
        while not await self._is_through():
            await self._index.go_on_building(_BUILDS_FOR_S)
            await asyncio.sleep(_LOOK_AGAIN_S)
        await self._index.end_building()
        log.info("the index of runs is complete")

    async def _is_through(self) -> bool:
        info = await self._js.info(f"CONSUMER.INFO.{AUDIT.name}.{RUNS_INDEX}")
        return info is not None and info["num_pending"] == info["num_ack_pending"] == 0

    async def _read_from(self, sequence: int) -> None:
        await self._js.info(f"CONSUMER.DELETE.{AUDIT.name}.{RUNS_INDEX}")
        await ensure_consumer(
            self._js,
            AUDIT,
            RUNS_INDEX,
            filter_subject=subjects.EVERY_RUN_AUDIT,
            deliver_policy="by_start_sequence",
            opt_start_seq=sequence,
            ack_wait=nanoseconds(self._settings.ack_wait_s),
            max_ack_pending=-1,
        )

    async def _idle(self) -> None:
        self._stirred.clear()
        try:
            async with asyncio.timeout(_IDLE_LOOK_S):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def _on_event(self, message: Message) -> None:
        try:
            await self._index.fold(AuditEvent.from_body(message.data))
        except ValidationError as error:
            raise GiveUp(f"this is no audit event: {error}") from error
        except IndexFlushedError as error:
            self._stirred.set()
            raise RetryLater("the index is built again", after_s=_AGAIN_AFTER_S) from error
        except RedisFailedError as error:
            raise RetryLater(str(error)) from error


@asynccontextmanager
async def following(
    js: JetStream, redis: RedisDoor, index: RunsIndex, settings: Settings
) -> AsyncGenerator[RunsFollower]:
    """Keep the index until the end of the block."""
    follower = RunsFollower(js, redis, index, settings)
    await follower.begin()
    await follower.puller.start()
    try:
        async with background(follower.watch, name="runs-index"):
            yield follower
    finally:
        await follower.puller.stop(settings.drain_s)
