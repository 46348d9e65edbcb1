"""Lets things go wrong, one after the other, at moments that depend on the seed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from towpath_testkit.simulation.plan import Plan
from towpath_testkit.simulation.world import Process, World

_FAULTS = ("kill", "kill", "kill", "cut", "stop", "stop", "pause", "broker", "flush", "redis")
_LOSSES = ("nothing", "what it had not saved", "everything")
_PAUSE_S = (0.1, 6.0)


@asynccontextmanager
async def trouble(world: World, plan: Plan) -> AsyncGenerator[None]:
    """Make trouble until the plan is fulfilled or the block ends."""
    making = asyncio.create_task(_make(world, plan), name="trouble")
    try:
        yield
    finally:
        making.cancel()
        with suppress(asyncio.CancelledError):
            await making


async def _make(world: World, plan: Plan) -> None:
    faults = world.broker.faults
    faults.lost_answers, faults.lost_acks = plan.lost_answers, plan.lost_acks
    async with asyncio.TaskGroup() as mending:
        for _ in range(plan.faults):
            await asyncio.sleep(world.chance.uniform(*plan.every_s))
            world.redis.store.save()
            mending.create_task(_one_fault(world, plan))
    faults.lost_answers = faults.lost_acks = 0.0
    world.note("nothing goes wrong any more")


async def _one_fault(world: World, plan: Plan) -> None:
    match world.chance.choice(_FAULTS):
        case "kill":
            for process in _chosen(world):
                process.kill(lossy=world.chance.random() < 0.5)  # noqa: PLR2004 - either way
        case "cut":
            for process in _chosen(world):
                process.cut()
        case "stop":
            await asyncio.gather(*(_stop(world, process) for process in _chosen(world)))
        case "pause":
            await _pause_broker(world)
        case "flush":
            world.note("redis is flushed")
            world.redis.store.clear()
        case "redis":
            await _restart_redis(world, plan)
        case _:
            await _restart_broker(world, plan)


def _chosen(world: World) -> list[Process]:
    """Choose one of the processes that run, if there is any."""
    return world.chance.choices(list(world.alive.values())) if world.alive else []


async def _stop(world: World, process: Process) -> None:
    process.stop()
    await asyncio.sleep(world.chance.uniform(*_PAUSE_S))
    process.go_on()


async def _pause_broker(world: World) -> None:
    if not world.broker.is_up or world.broker.is_paused:
        return
    world.note("the broker is paused")
    world.broker.pause()
    await asyncio.sleep(world.chance.uniform(*_PAUSE_S))
    if world.broker.is_paused:
        world.broker.resume()
        world.note("the broker goes on")


async def _restart_broker(world: World, plan: Plan) -> None:
    if not world.broker.is_up:
        return
    world.note("the broker is killed")
    world.broker.kill()
    await asyncio.sleep(world.chance.uniform(0, plan.down_s))
    world.broker.start()
    world.note("the broker is back")


async def _restart_redis(world: World, plan: Plan) -> None:
    """Kill Redis and start it again, without what it may have lost: it says that it has done what is on no disk yet."""
    if not world.redis.is_up:
        return
    loses = world.chance.choice(_LOSSES)
    world.note(f"redis is killed, and loses {loses}")
    world.redis.kill()
    match loses:
        case "everything":
            world.redis.store.clear()
        case "what it had not saved":
            world.redis.store.go_back()
        case _:
            pass
    await asyncio.sleep(world.chance.uniform(0, plan.down_s))
    world.redis.start()
    world.note("redis is back")
