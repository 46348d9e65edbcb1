"""Redis is a copy: emptied, lost or late, it neither stops nor falsifies anything."""

import asyncio

import httpx
import pytest

from towpath_chassis.service import running
from towpath_entity_store.app import app
from towpath_testkit.entity_stage import EntityStage, eventually

pytestmark = pytest.mark.live


async def test_a_redis_that_does_not_answer_stops_the_start(stage: EntityStage) -> None:
    settings = stage.settings(redis_url="redis://user:secret@127.0.0.1:1/0")
    with pytest.raises(ConnectionError, match=r"Redis at redis://127\.0\.0\.1:1/0 does not answer"):
        async with running("entity-store", settings, app):
            pass


async def test_an_emptied_redis_is_filled_again_by_writes_and_by_reads(stage: EntityStage) -> None:
    async with stage.store():
        for key in ("written", "read"):
            await asyncio.gather(*(stage.run.call(key, "add", n) for n in range(3)))
    await stage.redis.flushall()
    async with stage.store():
        assert (await stage.run.call("written", "add", 3)).result == 4
        assert (await stage.run.read("read", "items")).result == [0, 1, 2]

    for key, items in {"written": b"[0,1,2,3]", "read": b"[0,1,2]"}.items():
        assert (await stage.copy_of(key))[b"=items"] == items


async def test_flushing_between_two_writes_of_a_hot_entity_leaves_a_whole_copy(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "set", {"kept": 1})
        await stage.redis.flushall()
        await stage.run.call("c", "add", "a")

    assert (await stage.copy_of("c")).keys() == {b"number", b"seal", b"=kept", b"=items"}


async def test_an_old_copy_is_not_read(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
    (key,) = await stage.redis.keys("*entity:acme:Cart:c")
    await stage.redis.hset(key, mapping={"number": 0, "=items": '["old"]'})
    async with stage.store():
        assert (await stage.run.read("c", "items")).result == ["a"]


async def test_writes_go_on_while_redis_is_lost_and_it_is_caught_up(stage: EntityStage) -> None:
    async with stage.store() as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        await stage.run.call("c", "add", "a")
        await stage.servers.redis.kill()
        answers = [await stage.run.call("c", "add", "b") for _ in range(3)]
        read = await stage.run.read("c", "items")
        unready = (await http.get("/readyz")).json()
        await stage.servers.redis.start()

        async def caught_up() -> bool:
            try:
                return (await stage.copy_of("c")).get(b"number") == b"4"
            except OSError:
                return False

        await eventually(caught_up)
        assert (await http.get("/readyz")).status_code == 200

    assert [answer.result for answer in answers] == [2, 3, 4]
    assert len(read.result) == 4
    assert unready["failing"] == ["redis"]


TAMPERINGS: dict[str, dict[str, str]] = {
    "another value": {"=items": '["x"]'},
    "a value that is no JSON": {"=items": "x"},
    "one value more": {"=more": "1"},
    "a later number": {"number": "3", "=items": '["x"]'},
    "a number far ahead": {"number": "1000"},
    "a number that is none": {"number": "x"},
    "an expiry": {"expires": "1.0"},
    "another seal": {"seal": "x"},
}


@pytest.mark.parametrize("changed", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_a_copy_that_somebody_has_changed_is_neither_read_nor_built_upon(
    stage: EntityStage, changed: dict[str, str]
) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
        await stage.run.call("c", "set", {"kept": 1})
    (key,) = await stage.redis.keys("*entity:acme:Cart:c")
    await stage.redis.hset(key, mapping=changed)
    async with stage.store():
        before = (await stage.run.read("c", "items")).result
        await stage.redis.hset(key, mapping=changed)
        written = (await stage.run.call("c", "add", "b")).result
    async with stage.store():
        after = (await stage.run.read("c", "items")).result

    assert (before, written, after) == (["a"], 2, ["a", "b"])
    copy = await stage.copy_of("c")
    assert (copy[b"number"], copy[b"=items"], copy[b"=kept"]) == (b"3", b'["a","b"]', b"1")
    assert b"=more" not in copy


async def test_a_value_that_was_removed_from_a_copy_or_a_copy_that_is_none_is_written_anew(
    stage: EntityStage,
) -> None:
    async with stage.store():
        await stage.run.call("c", "set", {"items": ["a"], "kept": 1})
    (key,) = await stage.redis.keys("*entity:acme:Cart:c")
    for spoil in (lambda: stage.redis.hdel(key, "=items"), lambda: stage.redis.set(key, "no hash")):
        await spoil()
        async with stage.store():
            assert (await stage.run.read("c", "items")).result == ["a"]
        assert (await stage.copy_of("c")).keys() == {b"number", b"seal", b"=items", b"=kept"}
