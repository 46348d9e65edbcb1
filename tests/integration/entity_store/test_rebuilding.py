"""`towpath rebuild`: a projection is built anew from the log, while work goes on."""

import asyncio
import sys

import pytest

from towpath.client import Client
from towpath.errors import UnavailableError
from towpath_schemas.projections import ProjectionName, RebuildProgress
from towpath_testkit.entity_stage import EntityStage, eventually
from towpath_testkit.told_runs import listed, tell, until_listed

pytestmark = pytest.mark.live


async def rebuilt(stage: EntityStage, projection: ProjectionName) -> RebuildProgress:
    """Have it built; tell what was said last."""
    async with Client(stage.servers.nats.url) as client:
        return [said async for said in client.rebuild(projection)][-1]


async def test_copies_are_compared_and_those_that_differ_are_written_while_calls_go_on(
    stage: EntityStage,
) -> None:
    async with stage.store(instance="one"), stage.store(instance="two"):
        for _ in range(3):
            await asyncio.gather(*(stage.run.call(f"k{n}", "add", "a") for n in range(100)))
        await stage.redis.flushall()
        await stage.run.call("k0", "add", "a")
        (key,) = await stage.redis.keys("*entity:acme:Cart:k0")
        await stage.redis.hset(key, "=items", '["false"]')
        calling = asyncio.create_task(stage.run.call("k1", "add", "a"))

        said = await rebuilt(stage, "redis")
        await calling

        assert said.done
        assert 99 <= said.looked_at <= 101  # k1 may move on, and be met twice, or not at all
        assert 99 <= said.written <= said.looked_at
        sizes = {n: len((await stage.copy_of(f"k{n}"))[b"=items"]) for n in range(100)}
        assert sizes == {n: len('["a","a","a","a"]' if n < 2 else '["a","a","a"]') for n in range(100)}


async def test_the_index_of_runs_is_emptied_and_built_again(stage: EntityStage) -> None:
    async with stage.store(instance="one"), stage.store(instance="two"):
        for number in range(50):
            await tell(stage, f"r{number}", "started", number + 1)
        await until_listed(stage, [f"r{number}" for number in reversed(range(50))])
        before = await listed(stage, limit=100)
        (key,) = await stage.redis.keys("*runs:run:r7")
        await stage.redis.hset(key, "newest_status", 10**9)
        await stage.redis.copy(key, key.replace(b"r7", b"ghost"))

        assert (await rebuilt(stage, "index")).done

        assert await listed(stage, limit=100) == before
        assert await stage.redis.keys("*runs:run:ghost") == []
        await tell(stage, "r7", "completed", 1_000, outcome="ok")
        await eventually(lambda: is_completed(stage, "r7"))


async def is_completed(stage: EntityStage, run_id: str) -> bool:
    return any(run.run_id == run_id and run.status == "completed" for run in await listed(stage, limit=100))


async def test_an_operator_does_it_by_one_command(stage: EntityStage) -> None:
    async with stage.store():
        await asyncio.gather(*(stage.run.call(f"k{n}", "add", "a") for n in range(3)))
        await stage.redis.flushall()
        command = (sys.executable, "-m", "towpath_cli", "rebuild", "redis", "--url", stage.servers.nats.url)
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()

    assert process.returncode == 0
    assert b"3 entities were compared, 3 written anew" in said


async def test_what_is_not_there_or_cannot_be_reached_is_said(stage: EntityStage) -> None:
    with pytest.raises(UnavailableError, match="no entity-store builds index"):
        await rebuilt(stage, "index")
    async with stage.store():
        with pytest.raises(UnavailableError, match="set TOWPATH_QDRANT_URL"):
            await rebuilt(stage, "qdrant")
        await stage.servers.redis.kill()
        await stage.run.call("c", "add", "a")
        with pytest.raises(UnavailableError, match="redis was not built: it cannot be built now"):
            await rebuilt(stage, "redis")
