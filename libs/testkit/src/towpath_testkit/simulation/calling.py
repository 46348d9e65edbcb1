"""Clients that call entities, and write down what they were told and when."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from towpath.client.client import Client
from towpath_chassis.service import connection
from towpath_testkit.builders import TENANT
from towpath_testkit.simulation.world import World

_PATIENCE_S = 300.0


class Call(NamedTuple):
    """A call of an entity."""

    entity_type: str
    key: str
    method: str
    argument: Any = None


class Called(NamedTuple):
    """A call that was answered, and when it was made and answered, in virtual seconds."""

    call: Call
    result: Any
    made_s: float
    answered_s: float


async def call(world: World, calls: Sequence[Call], *, pause_s: float) -> list[Called]:
    """Make one call after the other, up to `pause_s` virtual seconds apart."""
    called: list[Called] = []
    async with connection(world.broker.url, name="caller") as (_, js), Client.over(js) as client:
        for one in calls:
            await asyncio.sleep(world.chance.uniform(0, pause_s))
            made_s = world.loop.time()
            result = await client.call_entity(
                one.entity_type, one.key, one.method, one.argument, tenant=TENANT, timeout_s=_PATIENCE_S
            )
            called.append(Called(one, result, made_s, world.loop.time()))
    return called
