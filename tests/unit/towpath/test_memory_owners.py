"""Whose memories are: of a run's user, of the user of the session it speaks in, of an app, or nobody's."""

from collections.abc import Coroutine
from typing import Any

import pytest

from towpath import (
    ContextError,
    InvalidInputError,
    LocalContext,
    Memory,
    Session,
    VectorMemoryService,
)
from towpath.client.memory import ClientMemory, Reached
from towpath.current import running_in
from towpath.local.entity_store import ENTITIES
from towpath_schemas.attribution import Attribution
from towpath_testkit.remembered import keys, run_of

pytestmark = pytest.mark.usefixtures("nothing_kept")


def acts_for(memory: Memory, user_id: str) -> list[Coroutine[Any, Any, Any]]:
    """Everything that a memory does for a user who is named."""
    return [
        memory.store("tea", "likes tea", user_id=user_id),
        memory.update("tea", user_id=user_id),
        memory.search("tea", user_id=user_id),
        memory.recall("tea", user_id=user_id),
        memory.list_keys(user_id),
        memory.forget("tea", user_id=user_id),
        memory.erase(user_id),
        memory.reindex(user_id=user_id),
    ]


async def test_a_run_of_one_user_never_sees_what_is_anothers(memory: Memory) -> None:
    with run_of("ada"):
        await memory.store("secret", "ada keeps bees")
    with run_of("bob"):
        await memory.store("secret", "bob keeps cats")
        assert [one.content for one in await memory.search("keeps bees", limit=10)] == ["bob keeps cats"]
        assert [one.content for one in await memory.recall("secret")] == ["bob keeps cats"]
        await memory.forget("secret")
    with run_of():
        assert await memory.search("keeps") == []
    with run_of("ada", tenant="other"):
        assert await memory.search("keeps") == []
    with run_of("ada"):
        assert keys(await memory.search("keeps")) == ["secret"]


async def test_a_run_of_a_user_cannot_name_another(memory: Memory) -> None:
    with run_of("ada"):
        await memory.store("mine", "hers", user_id="ada")
        chat = Session("chat", user_id="bob")
        for act in (*acts_for(memory, "bob"), memory.ingest_from_session(chat, "all")):
            with pytest.raises(ContextError, match="this run is of user 'ada'"):
                await act


async def test_what_the_app_knows_is_read_by_all_and_written_by_those_who_say_so(memory: Memory) -> None:
    app = Memory(service=memory.service, scope="app")
    with run_of("ada"):
        await app.store("hours", "open from nine to five")
        await memory.store("hours", "ada comes at ten")
    with run_of("bob"):
        assert [one.content for one in await memory.recall("hours")] == ["open from nine to five"]
        assert await memory.forget("hours") == 0
    with run_of("ada"):
        assert [one.content for one in await memory.recall("hours")] == ["ada comes at ten"]
        assert [one.content for one in await app.recall("hours")] == ["open from nine to five"]


async def test_apps_share_nothing(memory: Memory) -> None:
    shop, bank = (Memory(service=memory.service, app_name=name) for name in ("shop", "bank"))
    with run_of("ada"):
        await shop.store("size", "wears size 38")

        assert await bank.search("size") == []
        assert keys(await shop.search("size")) == ["size"]


async def test_what_is_nobodys_is_not_read_by_runs_that_have_a_user(memory: Memory) -> None:
    with run_of():
        await memory.store("visitor", "somebody asked for kayaks")
        assert keys(await memory.search("kayaks")) == ["visitor"]
    with run_of("ada"):
        assert await memory.search("kayaks") == []


async def test_a_program_reads_what_is_of_the_users_it_has_named(memory: Memory) -> None:
    await memory.store("tea", "ada likes tea", user_id="ada")
    await memory.store("rice", "bob likes rice", user_id="bob")

    assert await memory.list_keys("ada") == ["tea"]
    assert sorted(keys(await memory.search("likes"))) == ["rice", "tea"]
    await memory.update("rice", sure=True)
    assert await memory.forget(["tea"]) == 1
    assert await memory.list_keys("ada") == []
    assert (await memory.recall("rice", user_id="bob"))[0].metadata == {"user_id": "bob", "sure": True}


async def test_an_erased_user_leaves_nothing_behind(memory: Memory) -> None:
    for app in (None, "shop"):
        await Memory(service=memory.service, app_name=app).store("tea", "ada likes tea", user_id="ada")
    await memory.update("tea", sure=True, user_id="ada")
    await memory.store("rice", "bob likes rice", user_id="bob")
    before = (await memory.search("likes")).as_of

    erased = await memory.erase("ada")

    assert (erased.items, erased.records) == (2, 3)
    assert await memory.search("likes tea", user_id="ada", as_of=before) == []
    assert await memory.list_keys("ada") == []
    assert (await memory.erase("ada")).items == 0
    assert keys(await memory.search("likes", user_id="bob")) == ["rice"]


@pytest.mark.parametrize("user_id", [None, "ada"])
async def test_the_run_is_of_the_user_of_the_session_it_speaks_in_unless_it_has_one(
    memory: Memory, user_id: str | None
) -> None:
    with run_of(user_id), LocalContext().in_session(Session("talk", user_id="ada")):
        await memory.store("tea", "ada likes tea")

    with run_of():
        assert await memory.recall("tea") == []
        assert keys(await memory.recall("tea", user_id="ada")) == ["tea"]


async def test_a_run_of_one_user_is_refused_the_memories_of_a_session_of_another(memory: Memory) -> None:
    ctx = LocalContext(attribution=Attribution(tenant="local", user_id="ada"))
    with running_in(ctx), ctx.in_session(Session("talk", user_id="bob")):
        for act in (memory.recall("tea"), memory.remind(ctx, "tea"), ctx.memory.get("tea")):
            with pytest.raises(ContextError, match=r"of user 'ada', .* user 'bob'; name no other user here"):
                await act


async def test_a_session_without_a_user_is_of_the_user_of_the_session_around_it(memory: Memory) -> None:
    ctx = LocalContext()
    with running_in(ctx), ctx.in_session(Session("talk", user_id="ada", app_name="shop")):
        with ctx.in_session(Session("aside")):
            await memory.store("tea", "ada likes tea")
        with ctx.in_session(Session("other", user_id="bob")):
            assert await memory.recall("tea") == []
        (item,) = await memory.recall("tea")

    assert item.namespace == "app/shop/user/ada"


async def test_a_user_cannot_be_named_where_memories_have_none(memory: Memory) -> None:
    app = Memory(service=memory.service, scope="app", app_name="shop")
    await app.store("hours", "open from nine to five")
    await memory.store("tea", "ada likes tea", user_id="ada")
    for act in acts_for(app, "ada"):
        with pytest.raises(
            InvalidInputError, match=r"user_id is 'ada', but memories of scope 'app' .*scope='user'"
        ):
            await act
    with pytest.raises(InvalidInputError, match="user_id is 'ada'"):
        Memory(scope="app", user_id="ada")

    assert await app.list_keys() == ["hours"]
    assert await memory.list_keys("ada") == ["tea"]


async def test_whose_keys_are_listed_can_be_said_when_they_are_recalled_and_changed_too(
    memory: Memory,
) -> None:
    ctx = LocalContext()
    client = ClientMemory(Reached(ctx.attribution, ctx.entity, ENTITIES, 5.0), service=VectorMemoryService())
    for whose in (memory, client):
        with run_of():
            await whose.store("address", "Lives in Gouda", user_id="user-7")
            (key,) = await whose.list_keys(user_id="user-7")
            await whose.update(key, confidence=0.5, user_id="user-7")
            (item,) = await whose.recall([key], user_id="user-7")

            assert item.metadata["confidence"] == 0.5
            assert await whose.recall([key]) == []
            assert await whose.forget(key, user_id="user-7") == 1
