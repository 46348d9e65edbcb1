"""Entities are kept in memory while they are used, as far as there is room."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from towpath_entity_store.entities.actor import Surroundings
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.settings import Settings
from towpath_schemas.entities import EntityName
from towpath_testkit.virtual_time import run_virtually

A, B, C = (EntityName("acme", "Cart", key) for key in "abc")


def actors(**settings: Any) -> Actors:
    return Actors(cast("Surroundings", SimpleNamespace(settings=Settings(**settings))))


def use(among: Actors, name: EntityName, size: int = 2) -> None:
    with among.using(name) as actor:
        actor.entity = Entity(remembers=1)
        actor.entity.state_at_most = size


def kept(among: Actors) -> set[str]:
    return {name.key for name in (A, B, C) if among.committed(name) is not None}


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"hot_entities": 2}, {"a", "c"}),
        ({"hot_bytes": 250}, {"a", "c"}),
        ({"hot_bytes": 50}, {"a"}),
        ({}, {"a", "b", "c"}),
    ],
    ids=["entities", "bytes", "one-is-always-kept", "room"],
)
async def test_what_was_used_longest_ago_makes_room(settings: dict[str, int], left: set[str]) -> None:
    among = actors(**settings)
    for name in (A, B, C, A):
        use(among, name, 100)

    assert kept(among) == left


async def test_what_is_in_use_is_not_dropped() -> None:
    among = actors(hot_entities=1)
    with among.using(A) as actor:
        actor.entity = Entity(remembers=1)
        use(among, B)

        assert "a" in kept(among)


async def test_what_shrinks_makes_room() -> None:
    among = actors(hot_bytes=250)
    for name, size in ((A, 200), (A, 10), (B, 100), (C, 100)):
        use(among, name, size)

    assert kept(among) == {"a", "b", "c"}


def test_what_is_idle_is_released() -> None:
    async def scenario() -> list[set[str]]:
        among = actors(hot_idle_s=60)
        releasing = asyncio.create_task(among.release_idle())
        seen: list[set[str]] = []
        for name in (A, B):
            use(among, name)
            await asyncio.sleep(40)
        seen.append(kept(among))
        await asyncio.sleep(60)
        seen.append(kept(among))
        releasing.cancel()
        return seen

    assert run_virtually(lambda _loop: scenario()) == [{"b"}, set()]
