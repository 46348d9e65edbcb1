"""Puts the entity store together: Redis, the work on entities, the index of runs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import Chassis
from towpath_chassis.tasks import background
from towpath_entity_store.entities.actor import Surroundings
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.answers import Answers
from towpath_entity_store.entities.doorbells import Doorbells
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.log import EntityLog
from towpath_entity_store.entities.ownership import ownership
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.entities.reading import Reads
from towpath_entity_store.entities.turns import Turns
from towpath_entity_store.handlers import answering
from towpath_entity_store.redis_door import RedisDoor, redis_door
from towpath_entity_store.runs.following import following
from towpath_entity_store.runs.index import RunsIndex
from towpath_entity_store.runs.questions import Questions
from towpath_entity_store.runs.retention import Retention
from towpath_entity_store.settings import Settings
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_schemas.streams import AUDIT, JOURNAL, Stream


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
        async with (
            background(lambda: around.projection.catch_up(around.log.load), name="catch-up"),
            following(js, index, settings) as follower,
            background(Retention(js, index, settings).watch, name="retention"),
            answering(chassis, reads, Questions(js, index, follower)),
            ownership(js, settings, actors, Doorbells(actors, around.answers)),
        ):
            yield
        await around.answers.finish(settings.drain_s)


async def _surroundings(chassis: Chassis[Settings], redis: RedisDoor) -> Surroundings:
    settings, js = chassis.settings, chassis.js
    limits = Limits.within(MAX_PAYLOAD_BYTES)
    return Surroundings(
        js=js,
        settings=settings,
        limits=limits,
        log=EntityLog(js, remembers=settings.remembered_outcomes),
        turns=Turns(js, chassis.tracing, settings, limits),
        projection=Projection(redis, await _prefix(js, JOURNAL)),
        answers=Answers(js),
    )


async def _prefix(js: JetStream, truth: Stream) -> str:
    """Begin the names of what is derived from a stream with the stream's birth: another stream, another copy."""
    info = await js.api(f"STREAM.INFO.{truth.name}")
    return f"towpath:{info['created']}:"
