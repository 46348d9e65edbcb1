"""States that expire are gone for everybody when their time has come, and what was kept of them soon after."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from towpath_schemas.entities import InvocationRequested
from towpath_schemas.streams import ENTITIES
from towpath_testkit.entities import EXPIRES_IN, invocation
from towpath_testkit.entity_stage import EntityStage, entity_stage, eventually

pytestmark = pytest.mark.live

KEPT_S = 1.5


def basket(state: dict[str, Any], asked: InvocationRequested) -> Any:
    """Execute `put` (an item, and for how long the basket is kept from now on) or `look`."""
    if asked.method == "put":
        item, kept_s = asked.arguments
        state["items"] = [*state.get("items", ()), item]
        if kept_s is not None:
            state[EXPIRES_IN] = kept_s
    return state.get("items", [])


@pytest.fixture
async def stage() -> AsyncGenerator[EntityStage]:
    async with entity_stage(basket) as made:
        yield made


async def is_forgotten(stage: EntityStage) -> bool:
    """Tell whether only a record without state is left."""
    return [record.snapshot for record in await stage.log_of("c")] == [{}]


async def is_dropped(stage: EntityStage) -> bool:
    """Tell whether Redis keeps nothing of the state any more."""
    return set(await stage.copy_of("c")) == {b"number", b"seal"}


async def test_a_state_expires_and_nobody_has_to_ask_for_it(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "put", ("pen", KEPT_S))
        there = (await stage.run.read("c", "look")).result
        await eventually(lambda: is_forgotten(stage))
        gone = (await stage.run.read("c", "look")).result
        await eventually(lambda: is_dropped(stage))

    assert (there, gone) == (["pen"], [])


async def test_a_write_after_the_expiry_begins_with_nothing_whoever_owns_the_entity(
    stage: EntityStage,
) -> None:
    async with stage.store():
        await stage.run.call("c", "put", ("pen", KEPT_S))
        await stage.run.call("c", "put", ("ink", None))
    await asyncio.sleep(KEPT_S)  # nobody is there when it expires
    async with stage.store():
        read = (await stage.run.read("c", "look")).result
        written = (await stage.run.call("c", "put", ("nib", None))).result

    assert (read, written) == ([], ["nib"])


async def test_a_moment_that_is_put_off_is_put_off(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "put", ("pen", 1))
        await stage.run.call("c", "put", ("ink", 3_600))
        await stage.run.call("d", "put", ("pen", 1))
        await stage.run.call("d", "put", ("ink", float("inf")))
        await stage.run.call("e", "put", ("pen", 1))

        async def has_rung() -> bool:
            return not (await stage.run.read("e", "look")).result

        await eventually(has_rung)
        kept = [(await stage.run.read(key, "look")).result for key in ("c", "d")]

    assert kept == [["pen", "ink"], ["pen", "ink"]]


async def test_the_outcome_of_a_call_outlives_the_state(stage: EntityStage) -> None:
    async with stage.store():
        first = await stage.run.call("c", "put", ("pen", 1), invocation_id="the-same")
        await eventually(lambda: is_forgotten(stage))
        again = await stage.run.call("c", "put", ("pen", 1), invocation_id="the-same")
        state = (await stage.run.read("c", "look")).result

    assert (first.result, again.result, state) == (["pen"], ["pen"], [])


async def test_the_alarm_waits_at_the_broker_and_another_one_replaces_it(stage: EntityStage) -> None:
    alarm = invocation("c", "put").entity.alarm
    async with stage.store():
        for kept_s in (3_600, 7_200):
            await stage.run.call("c", "put", ("pen", kept_s))
        waiting = await stage.js.newest_of_each(ENTITIES, "entity-alarms.v1.>")

    assert [message.subject for message in waiting] == [alarm]
