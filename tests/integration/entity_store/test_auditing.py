"""The auditor: what is lost or falsified in Redis is found and mended without anybody asking."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.redis_door import redis_door
from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_testkit.entities import SERVICE, TENANT, played_run
from towpath_testkit.entity_stage import EntityStage, eventually
from towpath_testkit.spans import received_spans

pytestmark = pytest.mark.live

KEYS = [f"k{n}" for n in range(20)]
QUICKLY: dict[str, Any] = {"audited_per_s": 2_000, "audit_every_s": 0.1}
NAME = EntityName(TENANT, "Cart", "c")


async def copies(stage: EntityStage) -> dict[str, bytes]:
    return {key: (await stage.copy_of(key)).get(b"=items", b"") for key in KEYS}


async def test_an_emptied_redis_is_filled_again_though_nobody_writes_or_reads(stage: EntityStage) -> None:
    async with stage.store(**QUICKLY):
        await asyncio.gather(*(stage.run.call(key, "add", "a") for key in KEYS))
        before = await copies(stage)
        await stage.redis.flushall()

        async def are_back() -> bool:
            return await copies(stage) == before

        await eventually(are_back)

    assert set(before.values()) == {b'["a"]'}


async def test_copies_falsified_in_the_middle_of_load_are_not_read_and_are_mended(stage: EntityStage) -> None:
    seen_wrong: list[Any] = []
    stopped = asyncio.Event()

    async def caller(number: int) -> int:
        """Add to an entity of its own, and see that it reads what it has added; tell how much that was."""
        added = 0
        async with played_run(stage.js, f"caller-{number}") as run:
            while not stopped.is_set():
                added += (await run.call(KEYS[number], "add", added)).failure is None
                read = (await run.read(KEYS[number], "items")).result
                if read != list(range(added)):
                    seen_wrong.append(read)
        return added

    async def falsify() -> None:
        for key in KEYS:
            for found in await stage.redis.keys(f"towpath:*:entity:*:{key}"):
                await stage.redis.hset(found, "=items", '["false"]')

    async with stage.store(instance="one", **QUICKLY), stage.store(instance="two", **QUICKLY) as port:
        idle = KEYS[4:]
        await asyncio.gather(*(stage.run.call(key, "add", "a") for key in idle))
        callers = [asyncio.create_task(caller(number)) for number in range(4)]
        for _ in range(2):
            await falsify()
            await eventually(lambda: are_mended(stage, idle))
            await stage.redis.flushall()
            await eventually(lambda: are_mended(stage, idle))
        stopped.set()
        added = await asyncio.gather(*callers)
        told = await told_by(port)

    assert min(added) > 0
    assert seen_wrong == []
    assert told["wrong"] > 0


async def are_mended(stage: EntityStage, keys: list[str]) -> bool:
    found = await copies(stage)
    return {found[key] for key in keys} == {b'["a"]'}


async def told_by(port: int) -> dict[str, int]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        return (await http.get("/readyz")).json()["copies"]


async def test_what_was_found_is_counted_and_told(stage: EntityStage) -> None:
    with received_spans() as spans:
        async with stage.store(otlp_endpoint=spans.url, **QUICKLY) as port:
            await stage.run.call("c", "add", "a")
            (key,) = await stage.redis.keys("*entity:acme:Cart:c")
            await stage.redis.hset(key, "=items", '["false"]')

            async def is_told() -> bool:
                return {"wrong", "right"} <= set(await told_by(port))

            await eventually(is_told)
    counted = {one.attributes["verdict"]: one.value for one in spans.counted if one.name.endswith("audited")}

    assert counted["wrong"] == 1
    assert counted["right"] > 0


async def test_a_log_with_damage_keeps_no_other_entity_from_being_audited(stage: EntityStage) -> None:
    await stage.js.publish(subjects.entity_log(TENANT, "Cart", "broken", 1), b"no record")
    async with stage.store(**QUICKLY) as port:
        await stage.run.call("c", "add", "a")
        await stage.redis.flushall()

        async def both_are_told() -> bool:
            return {"missing", "unreadable"} <= set(await told_by(port))

        await eventually(both_are_told)


# --- Never backwards --------------------------------------------------------------------------------


def folded(count: int) -> Entity:
    """Fold so many records, each of which writes its own number."""
    entity = Entity(remembers=1)
    for number in range(1, count + 1):
        record = EntityCommitted(number=number, through=number, at=0.0, owner=SERVICE, values={"n": number})
        entity.apply(record, sequence=10 * number, size=1)
    return entity


async def test_a_copy_that_somebody_writes_meanwhile_is_left_as_it_is(stage: EntityStage) -> None:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_door(stage.servers.redis.url, within_s=1.0))
        projection = Projection(redis, "test:")
        await projection.replace(NAME, folded(1))
        seen = await projection.look(NAME)
        await projection.replace(NAME, folded(3))

        mended = await projection.mend(NAME, seen, folded(2))
        newest = await projection.look(NAME)

    assert not mended
    assert (newest.number, newest.values) == (b"3", {b"n": b"3"})


async def test_a_copy_of_the_future_is_replaced_by_what_the_log_says(stage: EntityStage) -> None:
    async with redis_door(stage.servers.redis.url, within_s=1.0) as redis:
        projection = Projection(redis, "test:")
        await projection.replace(NAME, folded(5))
        seen = await projection.look(NAME)

        mended = await projection.mend(NAME, seen, folded(2))

        assert mended
        assert (await projection.look(NAME)).number == b"2"
