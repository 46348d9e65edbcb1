"""A service is upgraded runner by runner: turns whose code an old one lacks are left to those who have it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from towpath import Context, entity
from towpath.components import REGISTRY, Registry
from towpath_schemas.calls import Answered
from towpath_testkit.builders import SERVICE
from towpath_testkit.entity_stage import EntityStage
from towpath_testkit.hosting import own_registry, platform

pytestmark = pytest.mark.live

CALLS = 12


def code(*methods: str, entity_type: str = "Counter") -> Registry:
    """Make a registry of one type of entity, whose methods return their names."""
    with own_registry():
        made = entity(entity_type)
        for name in methods:
            made.write(_named(name))
        registry = Registry()
        for component in REGISTRY:
            registry.add(component)
        return registry


def _named(name: str) -> Callable[[Context], Awaitable[str]]:
    async def method(_ctx: Context) -> str:
        return name

    method.__name__ = name
    return method


async def called(stage: EntityStage, entity_type: str, method: str) -> list[Answered]:
    """Call a method of several entities, each for itself."""
    calls = (
        stage.run.call(f"k{number}", method, {}, entity_type=entity_type, service=SERVICE)
        for number in range(CALLS)
    )
    return [await one for one in calls]


@pytest.mark.parametrize(
    ("newer", "entity_type", "method"),
    [
        (code("count", entity_type="Timer"), "Timer", "count"),
        (code("count", "reset"), "Counter", "reset"),
    ],
    ids=["type", "method"],
)
async def test_a_type_or_method_that_only_new_runners_have_is_executed_by_them(
    stage: EntityStage, newer: Registry, entity_type: str, method: str
) -> None:
    async with stage.store(), platform(stage.servers.nats.url) as towpath:
        await towpath.agent_runner(code("count"))
        await towpath.agent_runner(newer)

        answers = await called(stage, entity_type, method)

    assert [(one.result, one.failure) for one in answers] == [(method, None)] * CALLS


async def test_what_nobody_has_fails_at_once(stage: EntityStage) -> None:
    async with stage.store(), platform(stage.servers.nats.url) as towpath:
        await asyncio.gather(
            towpath.agent_runner(code("count")), towpath.agent_runner(code("count", "reset"))
        )

        answers = await called(stage, "Counter", "explode")

    assert {one.failure.code if one.failure else None for one in answers} == {"unknown_component"}
