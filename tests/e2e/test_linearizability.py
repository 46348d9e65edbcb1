"""N2 to N4, R5: entities whose owners are killed and paused are, to all who call them, like variables in one thread.

64 callers work on registers, growing sets and banks, by client and by runs, while one thing after the other is done to
the three entity stores and to Redis. What the callers saw must have an order that explains all of it: a lost update, one
that was applied twice, a half of a write or a state of before has none.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from towpath.client import Client
from towpath_testkit.linearizability.callers import Callers
from towpath_testkit.linearizability.checking import fault_in
from towpath_testkit.linearizability.things import ACCOUNTS_OF_A_BANK, BANK, GROWING_SET, REGISTER
from towpath_testkit.stage import Stage

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

APP = Path(__file__).with_name("ledgers.py")
THINGS = (REGISTER, GROWING_SET, BANK, REGISTER, GROWING_SET, BANK, ACCOUNTS_OF_A_BANK)
STORES = ("entity-store", "entity-store-2", "entity-store-3")
CALLERS = 64
PIN_S = 0.5
PAUSED_S = 3 * PIN_S
BETWEEN_FAULTS_S = 1.0
FALSIFIED = 0.3
SETTINGS = {"partition_pin_s": str(PIN_S), "ack_wait_s": "3", "redis_within_s": "0.5"}


class Faults:
    """What is done to the stores while callers work; by chance, but each kind as often."""

    def __init__(self, stage: Stage, redis: Any, seed: int) -> None:
        self._stage = stage
        self._redis = redis
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.done: list[str] = []

    async def go_on(self) -> None:
        """Do one after the other, for ever."""
        while True:
            for fault in self._chance.sample((self._kill, self._pause, self._flush, self._falsify), 4):
                await asyncio.sleep(BETWEEN_FAULTS_S)
                await fault()
                self.done.append(fault.__name__)

    async def _kill(self) -> None:
        await self._stage.platform.restart(self._chance.choice(STORES))

    async def _pause(self) -> None:
        """Stop an owner for longer than its partitions wait for it, and let it go on as if nothing had happened."""
        process = self._stage.platform.services[self._chance.choice(STORES)]
        process.pause()
        await asyncio.sleep(PAUSED_S)
        process.resume()

    async def _flush(self) -> None:
        await self._stage.empty_redis()

    async def _falsify(self) -> None:
        """Write wrong values into some of the copies."""
        async for key in self._redis.scan_iter("towpath:*:entity:*"):
            if self._chance.random() > FALSIFIED:
                continue
            for field in await self._redis.hkeys(key):
                if field.startswith(b"="):
                    await self._redis.hset(key, field, b"7")


@asynccontextmanager
async def disturbed(stage: Stage, seed: int) -> AsyncGenerator[Faults]:
    """Disturb until the end of the block, then see that everything stands again."""
    async with Redis.from_url(stage.servers.redis.url) as redis:  # pyright: ignore[reportUnknownMemberType]
        faults = Faults(stage, redis, seed)
        going_on = asyncio.create_task(faults.go_on())
        yield faults
        going_on.cancel()
        with suppress(asyncio.CancelledError):
            await going_on
        for name in STORES:
            stage.platform.services[name].resume()
            await stage.platform.start(name)


@asynccontextmanager
async def three_entity_stores(directory: Path) -> AsyncGenerator[Stage]:
    stage = Stage(APP, directory, settings=SETTINGS, roles=("router", "agent-runner", *["entity-store"] * 3))
    await stage.put_up()
    try:
        yield stage
    finally:
        await stage.take_down()


async def everything_has_an_order(directory: Path, *, operations: int, seed: int, each: int) -> None:
    """Have callers work on entities in trouble, and look for what cannot have happened."""
    async with three_entity_stores(directory) as stage, Client(stage.nats_url) as client:
        callers = Callers(client, THINGS, each=each, seed=seed, within_s=20.0)
        async with disturbed(stage, seed) as faults:
            await callers.work(operations, callers=CALLERS)

    assert callers.done == operations
    assert callers.contradictions == []
    assert callers.open < operations / 100
    assert {"_kill", "_pause", "_flush", "_falsify"} <= set(faults.done)
    for thing in THINGS:
        fault = fault_in(callers.history[thing.name], thing.model)
        assert fault is None, str(fault)


async def test_n2_n3_n4_what_64_callers_see_has_an_order_whatever_befalls_owners_and_redis(
    tmp_path: Path,
) -> None:
    await everything_has_an_order(tmp_path, operations=5_000, seed=5, each=6)


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_n2_n3_n4_r5_what_they_see_has_an_order_for_100_000_operations(tmp_path: Path) -> None:
    await everything_has_an_order(tmp_path, operations=100_000, seed=55, each=6)
