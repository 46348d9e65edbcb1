"""Memories are kept until they are erased; then they are gone: from the log and what it names, from what waits for them, from Redis and from Qdrant."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from towpath_schemas import subjects
from towpath_schemas.entities import EntityName, InvocationRequested
from towpath_schemas.journal import MemoriesErased, read_record
from towpath_schemas.memory import ITEM, MEMORY_TYPE, ErasureDone, Namespace
from towpath_schemas.streams import ENTITIES, JOURNAL, PAYLOADS, Stream
from towpath_testkit.entities import TENANT, PlayedRun, played_run, played_runner
from towpath_testkit.memory_stage import ANN, MemoryStage, memory_item, memory_stage
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

EAST = [1.0, 0.0]
SAID = "peanuts-7F3A"
_UNDER_WAY = "1h"
"""How long the broker keeps the pieces of a large message between services, whoever it was about."""
ANN_ELSEWHERE, BOB, EVERYBODY = Namespace("desk", "ann"), Namespace("shop", "bob"), Namespace("shop")


def remember(state: dict[str, Any], asked: InvocationRequested) -> Any:
    """Execute the methods of a memory item."""
    if asked.method == "forget":
        state.pop(ITEM, None)
    elif asked.method == "store":
        state[ITEM] = asked.arguments
    return state.get(ITEM) if asked.method == "read" else None


@pytest.fixture
async def stage() -> AsyncGenerator[MemoryStage]:
    async with memory_stage() as stage, stage.store(erasure_within_s=8.0), played_runner(stage.js, remember):
        yield stage


@pytest.fixture
async def run(stage: MemoryStage) -> AsyncGenerator[PlayedRun]:
    async with played_run(stage.js, "run-1") as run:
        yield run


async def store(run: PlayedRun, namespace: Namespace, key: str, content: Any) -> None:
    item = memory_item(key, content, EAST, namespace=namespace).model_dump(mode="json")
    answer = await run.call(namespace.entity_key(key), "store", item, entity_type=MEMORY_TYPE)
    assert answer.failure is None


async def places_of(stage: MemoryStage, text: str) -> list[str]:
    """Name every place that the platform keeps and in which the text stands."""
    needle = text.encode()
    found = [
        subject for stream in (JOURNAL, PAYLOADS, ENTITIES) for subject in await _in(stage, stream, needle)
    ]
    hashes = {key: await stage.redis.hgetall(key) for key in await stage.redis.keys("*:entity:*")}
    found += [f"redis {key}" for key, told in hashes.items() if needle in b"".join(told.values())]
    for collection in await stage.collections():
        points, _ = await stage.qdrant.scroll(collection, limit=10_000)
        found += [f"qdrant {point.id}" for point in points if text in str(point.payload)]
    return found


async def _in(stage: MemoryStage, stream: Stream, needle: bytes) -> list[str]:
    found, start = list[str](), 1
    while page := await stage.js.following(stream, ">", start=start, whole=False):
        kept = [message for message in page if message.headers.get("Nats-TTL") != _UNDER_WAY]
        found += [message.subject for message in kept if needle in message.body]
        start = page[-1].sequence + 1
    return found


async def erasures(stage: MemoryStage, done: ErasureDone) -> list[MemoriesErased]:
    assert done.entry is not None
    stored = await stage.js.newest_of_each(JOURNAL, subjects.journal_of(done.entry))
    records = [read_record(message.body) for message in stored]
    assert all(isinstance(record, MemoriesErased) for record in records)
    return [record for record in records if isinstance(record, MemoriesErased)]


async def test_nothing_is_left_of_what_a_user_said(stage: MemoryStage, run: PlayedRun) -> None:
    for namespace in (ANN, ANN_ELSEWHERE):
        await store(run, namespace, "allergy", f"allergic to {SAID}")
        await store(run, namespace, "allergy", f"very allergic to {SAID}")
        await store(run, namespace, "long", f"{SAID} " * 100_000)
    await run.call(ANN.entity_key("long"), "forget", entity_type=MEMORY_TYPE)
    await store(run, BOB, "drink", "tea")
    await store(run, EVERYBODY, "hours", "nine to five")
    assert await stage.keys(namespace=ANN_ELSEWHERE) == ["allergy", "long"]
    kinds = {place.partition(".")[0].partition(" ")[0] for place in await places_of(stage, SAID)}
    assert kinds == {"entity-log", "payloads", "entities", "redis", "qdrant"}

    done = await stage.erase(user_id="ann", reason="she asked for it")

    assert done.failure is None
    assert (done.items, done.records, done.points) == (4, 7, 6)
    assert await places_of(stage, SAID) == []
    assert await stage.keys() == await stage.keys(namespace=ANN_ELSEWHERE) == []
    assert await stage.keys(namespace=BOB) == ["drink"]
    assert await stage.keys(namespace=EVERYBODY) == ["hours"]


async def test_the_journal_says_who_wanted_it_and_what_it_was(stage: MemoryStage, run: PlayedRun) -> None:
    await store(run, ANN, "allergy", SAID)

    first = await stage.erase(namespace=ANN.written, reason="she asked for it")
    second = await stage.erase(namespace=ANN.written)

    records = await erasures(stage, first)
    assert (first.items, second.items, second.entry) == (1, 0, first.entry)
    assert [record.done for record in records] == [False, True, False, True]
    assert (records[1].namespace, records[1].items, records[1].reason) == (ANN.written, 1, "she asked for it")
    assert records[1].attribution.user_id == "officer"


async def test_what_is_stored_afterwards_is_new(stage: MemoryStage, run: PlayedRun) -> None:
    await store(run, ANN, "allergy", SAID)
    await store(run, ANN, "drink", SAID)
    assert (await stage.erase(namespace=ANN.written)).failure is None

    await store(run, ANN, "drink", "tea")
    read = await run.read(ANN.entity_key("drink"), "read", entity_type=MEMORY_TYPE)

    (found,) = (await stage.search(EAST, namespace=ANN)).found
    assert found.content == read.result["content"] == "tea"
    assert await stage.keys(namespace=ANN, as_of=found.written - 1) == []
    gone = await run.read(ANN.entity_key("allergy"), "read", entity_type=MEMORY_TYPE)
    assert gone.result is None
    assert await places_of(stage, SAID) == []


async def test_what_qdrant_alone_still_has_is_erased_too(stage: MemoryStage) -> None:
    await stage.write("allergy", SAID, EAST)
    assert await stage.keys() == ["allergy"]
    await stage.js.clear(JOURNAL, EntityName(TENANT, MEMORY_TYPE, ANN.entity_key("allergy")).records)

    done = await stage.erase(user_id="ann")

    assert (done.items, done.points) == (0, 1)
    assert await places_of(stage, SAID) == []


async def test_what_is_being_brought_into_the_index_is_erased_as_well(stage: MemoryStage) -> None:
    writing = asyncio.create_task(_write_many(stage))

    for _ in range(3):
        assert (await stage.erase(namespace=ANN.written)).failure is None
    await writing
    done = await stage.erase(namespace=ANN.written)

    assert done.failure is None
    assert await places_of(stage, SAID) == []
    async with stage.store():  # which folds again what may not be on Qdrant's disk
        assert await stage.keys() == []
        assert await places_of(stage, SAID) == []


async def test_while_qdrant_is_away_nothing_is_said_to_be_done(stage: MemoryStage, run: PlayedRun) -> None:
    await store(run, ANN, "allergy", SAID)
    assert await stage.keys() == ["allergy"]
    await stage.servers.qdrant.kill()

    async with asyncio.timeout(30):
        half = await stage.erase(namespace=ANN.written)
    await stage.servers.qdrant.start()
    whole = await until(lambda: stage.erase(namespace=ANN.written), lambda done: done.failure is None)

    assert half.failure is not None
    assert half.failure.retryable
    assert (whole.items, whole.points) == (0, 1)
    assert await places_of(stage, SAID) == []


async def _write_many(stage: MemoryStage) -> None:
    for number in range(500):
        await stage.write(f"key-{number}", SAID, EAST)


async def test_the_log_of_a_memory_is_kept_whole(stage: MemoryStage, run: PlayedRun) -> None:
    async with stage.store(snapshot_every=2):
        for number in range(60):
            await store(run, ANN, "drink", f"drink {number}")
    name = EntityName(TENANT, MEMORY_TYPE, ANN.entity_key("drink"))

    records = await stage.js.newest_of_each(JOURNAL, name.records, whole=False)
    first = await stage.search(EAST, as_of=records[0].sequence)

    assert len(records) == 60
    assert [one.content for one in first.found] == ["drink 0"]
