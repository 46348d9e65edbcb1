"""Keeps the index of runs up with the journal, and builds it again where Redis has lost it.

What became of runs it hears from the audit stream, which is told from the journal; that a runner has taken one, from
the claims.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp, RetryLater
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_chassis.pulling import Puller
from towpath_chassis.streams import read_from
from towpath_chassis.tasks import background
from towpath_entity_store.redis_door import RedisFailedError
from towpath_entity_store.runs.changes import Change, begun, changes
from towpath_entity_store.runs.index import IndexFlushedError, RunsIndex
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.shape import problems
from towpath_schemas.streams import AUDIT, JOURNAL, RUNS_BEGUN, RUNS_INDEX, Stream

log = structlog.get_logger(__name__)

_BUILDS_FOR_S = 10.0
_LOOK_AGAIN_S = 0.1
_IDLE_LOOK_S = 2.0
_STANDS_WITHIN_S = 4.0
_AGAIN_AFTER_S = 0.5
_BEGINNING = 1
# Redis confirms a write before it is on its disk: what it lost when it ended is folded again.
_REWOUND = 20_000


class _Source(NamedTuple):
    """A durable consumer that the replicas share, and by which the index hears of runs."""

    stream: Stream
    consumer: str
    subjects: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"{self.stream.name}.{self.consumer}"


_TOLD = _Source(AUDIT, RUNS_INDEX, subjects.AUDIT_OF_RUNS)
_CLAIMED = _Source(JOURNAL, RUNS_BEGUN, (subjects.EVERY_FIRST_CLAIM,))
_SOURCES = (_TOLD, _CLAIMED)


class RunsFollower:
    """Follows what the index is made of; made by `following`."""

    def __init__(self, js: JetStream, index: RunsIndex, settings: Settings) -> None:
        self._js = js
        self._index = index
        self._settings = settings
        self._losses = index.redis.losses
        self._stirred = asyncio.Event()
        self._pullers = (self._puller(_TOLD), self._puller(_CLAIMED))

    async def start(self) -> None:
        """Begin to follow."""
        await self.begin()
        for puller in self._pullers:
            await puller.start()

    async def stop(self) -> None:
        """Finish what was begun, and follow no more."""
        await asyncio.gather(*(puller.stop(self._settings.drain_s) for puller in self._pullers))

    async def until_standing(self) -> None:
        """Return when the index is there; where it is being built, after a few seconds, as far as it is.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        try:
            async with asyncio.timeout(_STANDS_WITHIN_S):
                while await self._index.standing() != "ready":
                    self._stirred.set()
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            log.info("the index of runs is not complete yet")

    async def rebuild(self) -> None:
        """Empty the index and have it built from the audit stream; return once it stands.

        Raises:
            RedisFailedError: If Redis is lost; then it is built once it is back.
        """
        await self._index.empty(_BUILDS_FOR_S)
        while await self._index.standing() != "ready":
            self._stirred.set()
            await asyncio.sleep(_LOOK_AGAIN_S)

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
        """Set the consumers a little back, or to the beginning where there is no index."""
        for source in _SOURCES:
            info = await self._js.info(f"CONSUMER.INFO.{source.place}")
            floor = 0 if info is None else int(info["ack_floor"]["stream_seq"])
            await self._read_from(source, max(_BEGINNING, floor + 1 - _REWOUND))

    async def _look(self) -> None:
        losses = self._index.redis.losses
        if await self._index.standing() == "missing" and await self._index.begin_building(_BUILDS_FOR_S):
            await self._build_or_leave()
        elif self._losses != losses or not await self._are_there():
            await self.begin()
        self._losses = losses

    async def _are_there(self) -> bool:
        """Tell whether the consumers are: whoever set one back may have ended before it was made again."""
        infos = [await self._js.info(f"CONSUMER.INFO.{source.place}") for source in _SOURCES]
        return None not in infos

    async def _build_or_leave(self) -> None:
        """Build; whoever cannot go on says so, else nobody would build it until that is past."""
        try:
            await self._build()
        except BrokerError:
            await self._index.leave_building()
            raise

    async def _build(self) -> None:
        log.info("the index of runs is built from the audit stream")
        for source in _SOURCES:
            await self._read_from(source, _BEGINNING)
        while not await self._is_through():
            if not await self._index.go_on_building(_BUILDS_FOR_S):
                log.info("the index of runs was emptied while it was built, and is built again")
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
        await self._index.end_building()
        log.info("the index of runs is complete")

    async def _is_through(self) -> bool:
        for source in _SOURCES:
            info = await self._js.info(f"CONSUMER.INFO.{source.place}")
            if info is None or info["num_pending"] or info["num_ack_pending"]:
                return False
        return True

    async def _read_from(self, source: _Source, sequence: int) -> None:
        await read_from(
            self._js,
            source.stream,
            source.consumer,
            sequence,
            ack_wait_s=self._settings.ack_wait_s,
            filter_subjects=list(source.subjects),
        )

    async def _idle(self) -> None:
        self._stirred.clear()
        try:
            async with asyncio.timeout(_IDLE_LOOK_S):
                await self._stirred.wait()
        except TimeoutError:
            return

    def _puller(self, source: _Source) -> Puller:
        handle = self._on_event if source is _TOLD else self._on_claim
        return Puller(
            self._js,
            source.stream,
            source.consumer,
            handle,
            capacity=self._settings.index_capacity,
            ack_wait_s=self._settings.ack_wait_s,
            max_attempts=self._settings.max_attempts,
        )

    async def _on_event(self, message: Message) -> None:
        try:
            event = AuditEvent.from_body(message.data)
        except ValidationError as error:
            raise GiveUp(f"this is no audit event: {problems(error)}") from error
        if not math.isfinite(event.at):
            raise GiveUp(f"this audit event happened at {event.at}, which is no time")
        await self._fold(changes(event))

    async def _on_claim(self, message: Message) -> None:
        run_id, _ = subjects.read_claim(message.subject)
        await self._fold([begun(run_id, message.metadata.sequence.stream)])

    async def _fold(self, said: Iterable[Change]) -> None:
        try:
            for change in said:
                await self._index.fold(change)
        except IndexFlushedError as error:
            self._stirred.set()
            raise RetryLater("the index is built again", after_s=_AGAIN_AFTER_S) from error
        except RedisFailedError as error:
            raise RetryLater(str(error)) from error


@asynccontextmanager
async def following(js: JetStream, index: RunsIndex, settings: Settings) -> AsyncGenerator[RunsFollower]:
    """Keep the index until the end of the block."""
    follower = RunsFollower(js, index, settings)
    await follower.start()
    try:
        async with background(follower.watch, name="runs-index"):
            yield follower
    finally:
        await follower.stop()
