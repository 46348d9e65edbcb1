"""Whatever Qdrant loses, and whoever dies: what was committed is found, and never an old answer in its place."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.memories.memories import memories
from towpath_entity_store.redis_door import redis_door
from towpath_schemas.streams import JOURNAL
from towpath_testkit.memory_stage import MemoryStage, memory_stage
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

EAST = [1.0, 0.0]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[MemoryStage]:
    async with memory_stage(tmp_path) as stage:
        yield stage


async def write_some(stage: MemoryStage, count: int, *, start: int = 0) -> list[str]:
    names = [f"key-{number}" for number in range(start, start + count)]
    for key in names:
        await stage.write(key, f"content of {key}", EAST)
    return names


async def test_a_collection_that_was_dropped_is_missed_and_built_again(stage: MemoryStage) -> None:
    async with stage.store():
        names = await write_some(stage, 20)
        assert await stage.keys() == names
        (dropped,) = await stage.collections()

        await stage.qdrant.delete_collection(dropped)

        await until(lambda: stage.qdrant.collection_exists(dropped), bool)
        assert await stage.keys() == names


async def test_a_collection_that_is_dropped_while_much_is_written_loses_nothing(stage: MemoryStage) -> None:
    async with stage.store():
        names = await write_some(stage, 10)
        assert await stage.keys() == names
        (dropped,) = await stage.collections()

        writing = asyncio.create_task(write_some(stage, 300, start=10))
        for _ in range(3):
            await until(lambda: stage.qdrant.collection_exists(dropped), bool)
            await stage.qdrant.delete_collection(dropped)
        names += await writing

        assert await stage.keys() == names


async def test_a_question_finds_a_collection_dropped_and_waits_for_it(stage: MemoryStage) -> None:
    async with stage.store():
        names = await write_some(stage, 5)
        assert await stage.keys() == names
        for _ in range(2):
            for collection in await stage.collections():
                await stage.qdrant.delete_collection(collection)
            found = await stage.search(EAST)
            assert sorted(one.key for one in found.found) == names


async def test_when_everything_was_dropped_everything_is_built_again(stage: MemoryStage) -> None:
    async with stage.store():
        names = await write_some(stage, 20)
        await stage.forget("key-3")
        await stage.write("words", "only words")
        assert len(await stage.keys()) == 20

        for collection in (await stage.qdrant.get_collections()).collections:
            await stage.qdrant.delete_collection(collection.name)

        assert await stage.keys() == [*(name for name in names if name != "key-3"), "words"]


async def test_while_qdrant_is_away_writes_go_on_and_a_question_fails_for_now(stage: MemoryStage) -> None:
    async with stage.store(memory_within_s=3.0, qdrant_within_s=1.0) as port, httpx.AsyncClient() as http:
        ready = f"http://127.0.0.1:{port}/readyz"
        names = await write_some(stage, 5)
        assert await stage.keys() == names

        await stage.servers.qdrant.kill()
        names += await write_some(stage, 5, start=5)
        answer = await stage.search(EAST)

        assert answer.failure is not None
        assert (answer.failure.code, answer.failure.retryable) == ("unavailable", True)
        assert (await http.get(ready)).json()["failing"] == ["qdrant"]

        await stage.servers.qdrant.start()
        await until(lambda: http.get(ready), lambda answer: answer.status_code == 200)
        found = await until(lambda: stage.ask(question="keys"), lambda answer: answer.failure is None)
        assert [one.key for one in found.found] == names


async def test_a_store_that_starts_without_qdrant_works_once_it_is_there(stage: MemoryStage) -> None:
    await stage.servers.qdrant.stop()
    async with stage.store(memory_within_s=3.0, qdrant_within_s=1.0):
        names = await write_some(stage, 5)
        assert (await stage.search(EAST)).failure is not None

        await stage.servers.qdrant.start()

        found = await until(lambda: stage.search(EAST), lambda answer: answer.failure is None)
        assert sorted(one.key for one in found.found) == names


async def test_a_qdrant_that_comes_back_empty_is_filled_again(stage: MemoryStage, tmp_path: Path) -> None:
    async with stage.store():
        names = await write_some(stage, 20)
        assert await stage.keys() == names

        await stage.servers.qdrant.stop()
        shutil.rmtree(_store_of(tmp_path))
        await stage.servers.qdrant.start()

        assert await stage.keys() == names


async def test_a_qdrant_that_comes_back_with_an_old_copy_is_brought_up_to_date(
    stage: MemoryStage, tmp_path: Path
) -> None:
    async with stage.store():
        names = await write_some(stage, 5)
        assert await stage.keys() == names
        await stage.servers.qdrant.stop()
        shutil.copytree(_store_of(tmp_path), tmp_path / "old")
        await stage.servers.qdrant.start()
        await stage.write("key-0", "replaced", EAST)
        names += await write_some(stage, 5, start=5)
        await stage.keys()

        await stage.servers.qdrant.stop()
        shutil.rmtree(_store_of(tmp_path))
        shutil.copytree(tmp_path / "old", _store_of(tmp_path))
        await stage.servers.qdrant.start()

        async def contents() -> set[object]:
            answer = await stage.ask(question="recall", keys=tuple(names), limit=100)
            return {(one.key, one.content) for one in answer.found}

        expected = {(key, f"content of {key}") for key in names[1:]} | {("key-0", "replaced")}
        await until(contents, lambda seen: seen == expected)


async def test_a_replica_that_is_killed_in_the_middle_leaves_nothing_out(stage: MemoryStage) -> None:
    async with stage.store_process("one") as one, stage.store():
        await until(lambda: stage.ask(question="keys"), lambda answer: answer.failure is None)
        writing = asyncio.create_task(write_some(stage, 1_000))
        await until(lambda: stage.js.last_sequence(JOURNAL), lambda sequence: sequence > 300)

        await one.kill()

        names = await writing
        assert await stage.keys() == names


async def test_replicas_that_fold_everything_again_and_again_change_nothing(stage: MemoryStage) -> None:
    async with stage.store(), stage.store():
        for version in range(5):
            for key in range(20):
                await stage.write(f"key-{key}", version, [1.0, version / 10])
            for key in range(0, 20, 4):
                await stage.forget(f"key-{key}")
        before = await stage.ask(question="recall", keys=_names(20), limit=100)

        for _ in range(2):  # a replica that starts has the newest folded again
            async with stage.store():
                again = await stage.ask(question="recall", keys=_names(20), limit=100)
                assert again.found == before.found

        assert [one.content for one in before.found] == [4] * 15
        (collection,) = await stage.collections()
        assert (await stage.qdrant.count(collection)).count == 100


async def test_an_operator_may_have_the_index_built_anew(stage: MemoryStage) -> None:
    names = await write_some(stage, 20)
    url = stage.servers.qdrant.url
    async with redis_door(stage.servers.redis.url, within_s=1.0) as redis:
        projection = Projection(redis, "test:")
        async with memories(stage.js, stage.settings(), projection, url, born="today") as known:
            await until(stage.collections, bool)
            (collection,) = await stage.collections()
            await until(lambda: stage.qdrant.count(collection), lambda counted: counted.count == len(names))
            await stage.qdrant.set_payload(collection, {"item": "garbage"}, points=[1])

            assert await known.follower.rebuild() == len(names)
            (found,) = await stage.qdrant.retrieve(collection, [1], with_payload=["item"])
            assert found.payload is not None
            assert "content of key-0" in found.payload["item"]


def _names(count: int) -> tuple[str, ...]:
    return tuple(f"key-{number}" for number in range(count))


def _store_of(directory: Path) -> Path:
    return directory / "qdrant" / "collections"
