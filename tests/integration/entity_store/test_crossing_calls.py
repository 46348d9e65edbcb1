"""Methods that call each other's entities at the same time wait no longer than a turn may take."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from towpath.components import REGISTRY
from towpath.runtime.entity_host import EntityHost
from towpath_chassis.service import Chassis
from towpath_chassis.telemetry import Tracing
from towpath_testkit.crossing import offer_crossing
from towpath_testkit.entity_stage import EntityStage
from towpath_testkit.hosting import own_registry

pytestmark = pytest.mark.live

CROSSING = "crossing"


async def test_crossing_calls_end_at_the_turns_deadline_and_say_who_waited_for_whom(
    stage: EntityStage,
) -> None:
    async def call(name: str, method: str) -> Any:
        return await stage.run.call("k", method, {}, entity_type=name, service=CROSSING)

    around = cast(
        "Chassis[Any]",
        SimpleNamespace(js=stage.js, settings=SimpleNamespace(drain_s=1), tracing=Tracing(None)),
    )
    with own_registry():
        offer_crossing()
        store = stage.store(turn_deadline_s=2.0, turn_silence_s=3.0)
        async with store, EntityHost(around, REGISTRY).serving(CROSSING):
            left, right = await asyncio.gather(call("Left", "go"), call("Right", "go"))
            after = await asyncio.gather(call("Left", "take"), call("Right", "take"))

    said = {one.failure.message.partition(", which")[0] for one in (left, right) if one.failure}
    assert said
    assert said <= {
        f"{holder}/k was held for 1.8 s by a method that still waits for {called}/k"
        for holder, called in (("Left", "Right"), ("Right", "Left"))
    }
    assert [one.result for one in after] == ["taken from Left", "taken from Right"]
