"""Puts the entity store together: Redis, the work on entities, the index of runs, the index of memories."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import Chassis
from towpath_chassis.tasks import background
from towpath_chassis.telemetry import COPIES_AUDITED
from towpath_entity_store.entities.actor import Surroundings
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.alarms import Alarms
from towpath_entity_store.entities.answers import Answers
from towpath_entity_store.entities.auditing import Auditor
from towpath_entity_store.entities.comparing import Comparing
from towpath_entity_store.entities.doorbells import Doorbells
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.log import EntityLog
from towpath_entity_store.entities.ownership import Ownership, ownership
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.entities.reading import Reads
from towpath_entity_store.entities.turns import Turns
from towpath_entity_store.handlers import Rebuild, answering, answering_about_memories, answering_rebuilds
from towpath_entity_store.rebuilding import rebuilt, rebuilt_copies
from towpath_entity_store.redis_door import RedisDoor, redis_door
from towpath_entity_store.runs.following import RunsFollower, following
from towpath_entity_store.runs.index import RunsIndex
from towpath_entity_store.runs.questions import Questions
from towpath_entity_store.runs.retention import Retention
from towpath_entity_store.settings import Settings
from towpath_schemas.projections import ProjectionName
from towpath_schemas.streams import AUDIT, JOURNAL, Stream

if TYPE_CHECKING:
    from towpath_entity_store.memories.memories import Memories


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Own entities and index runs until the end of the block."""
    settings, js = chassis.settings, chassis.js
    async with redis_door(settings.redis_url, within_s=settings.redis_within_s) as redis:
        chassis.health.add("redis", lambda: redis.available)
        around = await _surroundings(chassis, redis)
        index = RunsIndex(redis, await _prefix(js, AUDIT))
        actors = Actors(around)
        reads = Reads(actors, around.log, around.projection, around.turns)
        comparing = Comparing(around.log, around.projection)
        async with (
            background(actors.release_idle, name="release-idle"),
            background(lambda: around.projection.catch_up(around.log.load), name="catch-up"),
            following(js, index, settings) as follower,
            background(Retention(js, index, settings).watch, name="retention"),
            answering(chassis, reads, Questions(js, index, follower)),
            _memories(chassis, around.projection) as known,
            answering_about_memories(chassis, known),
            answering_rebuilds(chassis, _rebuilds(js, comparing, follower, known)),
            ownership(js, settings, actors, Doorbells(actors, around.answers)) as owner,
            _auditing(chassis, around.log, comparing, owner),
        ):
            yield
        await around.answers.finish(settings.drain_s)


async def _surroundings(chassis: Chassis[Settings], redis: RedisDoor) -> Surroundings:
    settings, js = chassis.settings, chassis.js
    limits = Limits.within(settings.payload_bytes)
    return Surroundings(
        js=js,
        settings=settings,
        limits=limits,
        log=EntityLog(js, remembers=settings.remembered_outcomes),
        turns=Turns(js, chassis.tracing, settings, limits),
        projection=Projection(redis, await _prefix(js, JOURNAL)),
        answers=Answers(js),
        alarms=Alarms(js),
    )


@asynccontextmanager
async def _memories(chassis: Chassis[Settings], projection: Projection) -> "AsyncGenerator[Memories | None]":
    settings, js = chassis.settings, chassis.js
    if settings.qdrant_url is None:
        yield None
        return
    # Qdrant's client takes seconds to import: only where it is needed, and beside the event loop.
    await asyncio.to_thread(import_module, "towpath_entity_store.memories.memories")
    from towpath_entity_store.memories.memories import memories  # noqa: PLC0415 - see above

    born = (await js.api(f"STREAM.INFO.{JOURNAL.name}"))["created"]
    async with memories(js, settings, projection, settings.qdrant_url, born=born) as known:
        chassis.health.add("qdrant", lambda: known.door.available)
        yield known


def _rebuilds(
    js: JetStream, comparing: Comparing, follower: RunsFollower, known: "Memories | None"
) -> dict[ProjectionName, Rebuild]:
    rebuilds: dict[ProjectionName, Rebuild] = {
        "redis": lambda: rebuilt_copies(js, comparing),
        "index": lambda: rebuilt(follower.rebuild),
    }
    if known is not None:
        rebuilds["qdrant"] = known.rebuilt
    return rebuilds


@asynccontextmanager
async def _auditing(
    chassis: Chassis[Settings], entity_log: EntityLog, comparing: Comparing, owner: Ownership
) -> AsyncGenerator[None]:
    settings, series = chassis.settings, chassis.tracing.counter(COPIES_AUDITED)
    auditor = Auditor(
        chassis.js,
        entity_log,
        comparing,
        lambda: owner.partitions,
        series,
        records_per_s=settings.audited_per_s,
        rest_s=settings.audit_every_s,
    )
    chassis.health.add_detail("copies", auditor.told)
    async with background(auditor.audit, name="auditor"):
        yield


async def _prefix(js: JetStream, truth: Stream) -> str:
    """Begin the names of what is derived from a stream with the stream's birth: another stream, another copy."""
    info = await js.api(f"STREAM.INFO.{truth.name}")
    return f"towpath:{info['created']}:"
