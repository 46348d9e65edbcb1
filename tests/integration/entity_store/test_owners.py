"""Replicas share the partitions, and whoever goes is replaced."""

import asyncio

import pytest

from towpath_chassis.service import connection
from towpath_schemas import subjects
from towpath_testkit.entities import played_run
from towpath_testkit.entity_stage import EntityStage, eventually

pytestmark = pytest.mark.live


async def owners(stage: EntityStage) -> set[str]:
    """Write to an entity of each partition; tell who committed."""
    keys = {subjects.partition_of("acme", "Cart", f"k{n}"): f"k{n}" for n in range(1_000)}
    await asyncio.gather(*(stage.run.call(key, "add", "a") for key in keys.values()))
    return {(await stage.log_of(key))[-1].owner for key in keys.values()}


async def test_two_replicas_share_and_the_one_that_stays_takes_over(stage: EntityStage) -> None:
    async def shared() -> bool:
        return await owners(stage) == {"one", "two"}

    async with stage.store(instance="one"):
        async with stage.store(instance="two"):
            await eventually(shared)
            calls = [asyncio.create_task(stage.run.call("busy", "add", n)) for n in range(50)]
        answers = await asyncio.gather(*calls)
        left = await owners(stage)

    assert sorted(answer.result for answer in answers) == list(range(1, 51))
    assert left == {"one"}


async def took_turns(stage: EntityStage, count: int) -> bool:
    return len(stage.runner.turns) >= count


async def test_a_killed_owner_is_replaced_and_nothing_is_lost_or_done_twice(stage: EntityStage) -> None:
    keys = [f"k{n}" for n in range(20)]

    async def caller(number: int) -> None:
        async with played_run(stage.js, f"caller-{number}") as run:
            for call in range(30):
                await run.call(keys[(number + call) % 20], "add", f"{number}-{call}")

    first, second = stage.store_process("first"), stage.store_process("second")
    async with first, second:
        callers = [asyncio.create_task(caller(number)) for number in range(16)]
        await eventually(lambda: took_turns(stage, 100))
        await first.kill()
        await asyncio.gather(*callers)
        items = [(await stage.run.read(key, "items")).result for key in keys]

    done = [item for mine in items for item in mine]
    assert sorted(done) == sorted(f"{number}-{call}" for number in range(16) for call in range(30))


async def test_an_owner_that_was_paused_comes_back_as_nobody(stage: EntityStage) -> None:
    sleeper = stage.store_process("sleeper")
    async with sleeper:
        for number in range(5):
            await stage.run.call("c", "add", number)
        sleeper.pause()
        async with stage.store(instance="other", snapshot_every=3):
            results = [(await stage.run.call("c", "add", number)).result for number in range(5, 12)]
            sleeper.resume()
            results += [(await stage.run.call("c", "add", number)).result for number in range(12, 20)]
            items = (await stage.run.read("c", "items")).result

    assert results == list(range(6, 21))
    assert items == list(range(20))


async def test_a_broker_that_restarts_is_outlived(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
        await stage.servers.nats.kill()
        await stage.servers.nats.start()
        async with (
            connection(stage.servers.nats.url, name="again") as (_, js),
            played_run(js, "run-2") as run,
        ):
            results = [(await run.call("c", "add", n)).result for n in range(3)]

    assert results == [2, 3, 4]
