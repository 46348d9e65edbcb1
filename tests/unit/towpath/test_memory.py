"""Memories in a plain script: what is stored, found, changed and forgotten, and what is refused."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from towpath import (
    ComponentError,
    ConfigurationError,
    Context,
    DatabaseMemoryService,
    InMemoryMemoryService,
    InvalidInputError,
    LocalContext,
    Memory,
    NotSerialisableError,
    Session,
    UnknownMemoryError,
    VectorMemoryService,
    function,
)
from towpath.local import run
from towpath.memory import MemoryService
from towpath_schemas.attribution import Attribution
from towpath_testkit.remembered import keys

pytestmark = pytest.mark.usefixtures("nothing_kept")


# --- Storing and recalling --------------------------------------------------------------------------


async def test_what_is_stored_is_recalled_with_what_was_said_about_it(memory: Memory) -> None:
    await memory.store("role", "Senior engineer", type="user_info", since=datetime(2024, 5, 1, tzinfo=UTC))

    (item,) = await memory.recall(["role"])

    assert (item.key, item.content, item.score) == ("role", "Senior engineer", 1.0)
    assert item.metadata == {"type": "user_info", "since": "2024-05-01T00:00:00Z"}


async def test_what_there_is_comes_back_in_the_order_it_was_asked_for(memory: Memory) -> None:
    for name in ("one", "two", "three"):
        await memory.store(name, f"number {name}")

    assert keys(await memory.recall(["three", "nothing", "one", "three"])) == ["three", "one", "three"]
    assert keys(await memory.recall("two")) == ["two"]


async def test_what_is_stored_again_takes_the_place_of_what_was_there(memory: Memory) -> None:
    await memory.store("drink", "tea", hot=True)
    await memory.store("drink", "coffee")

    (item,) = await memory.recall("drink")

    assert (item.content, item.metadata) == ("coffee", {})
    assert await memory.list_keys() == ["drink"]


async def test_any_json_can_be_remembered_and_is_searched_as_its_text(memory: Memory) -> None:
    await memory.store("cart", {"items": ["kayak", "rope"], "total": 12.5})

    assert (await memory.search("kayak rope"))[0].content == {"items": ["kayak", "rope"], "total": 12.5}


async def test_an_update_changes_what_it_names_and_leaves_the_rest(memory: Memory) -> None:
    await memory.store("drink", "black tea", hot=True, cups=2)

    await memory.update("drink", cups=3)
    await memory.update("drink", "green tea")

    (item,) = await memory.recall("drink")
    assert (item.content, item.metadata) == ("green tea", {"hot": True, "cups": 3})
    assert keys(await memory.search("green")) == ["drink"]


async def test_what_is_not_there_cannot_be_updated(memory: Memory) -> None:
    with pytest.raises(UnknownMemoryError, match="'drink'"):
        await memory.update("drink", cups=3)
    assert await memory.list_keys() == []


async def test_what_is_forgotten_is_not_found_any_more(memory: Memory) -> None:
    await memory.store("drink", "tea")
    await memory.store("food", "rice")

    assert await memory.forget(["drink", "drink", "never there"]) == 1
    assert await memory.forget("drink") == 0
    assert keys(await memory.recall(["drink", "food"])) == ["food"]
    assert keys(await memory.search("tea")) in ([], ["food"])
    assert await memory.list_keys() == ["food"]


async def test_many_are_listed_and_recalled_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towpath.remembering.shelf._PAGE", 7)
    memory, names = Memory(), [f"m{number}" for number in range(30)]
    for name in names:
        await memory.store(name, f"memory {name}")

    assert await memory.list_keys() == names
    assert keys(await memory.recall([*reversed(names)])) == [*reversed(names)]


# --- Searching --------------------------------------------------------------------------------------


async def test_the_best_come_first_with_their_scores(memory: Memory) -> None:
    await memory.store("db", "knows postgres databases well")
    await memory.store("web", "writes frontend code in typescript")
    await memory.store("dba", "postgres databases")

    found = await memory.search("postgres databases", limit=2)

    assert keys(found) == ["dba", "db"]
    assert found[0].score > found[1].score > 0


async def test_a_filter_says_what_the_metadata_must_be(memory: Memory) -> None:
    await memory.store("sql", "postgres", kind="decision", tags=["db", "acid"], sure=0.9, by={"name": "ada"})
    await memory.store("cache", "postgres and redis", kind="decision", tags=["cache"], sure=0.4)
    await memory.store("plain", "postgres too")

    async def found(**conditions: Any) -> list[str]:
        return sorted(keys(await memory.search("postgres", filter=conditions)))

    assert await found(kind="decision") == ["cache", "sql"]
    assert await found(kind="decision", tags="acid") == ["sql"]
    assert await found(tags=["db", "cache"]) == ["cache", "sql"]
    assert await found(sure={"gte": 0.5}) == ["sql"]
    assert sorted(keys(await memory.search("postgres", filter={"by.name": "ada"}))) == ["sql"]
    assert await found(kind=True) == []


async def test_what_is_less_like_it_than_asked_for_is_left_out() -> None:
    memory = Memory()
    await memory.store("a", "boats on canals")
    await memory.store("b", "boats and trains")

    assert keys(await memory.search("boats on canals", min_score=0.9)) == ["a"]


async def test_what_one_knew_earlier_can_be_asked_for_later(memory: Memory) -> None:
    await memory.store("drink", "likes tea")
    before = await memory.search("likes")
    await memory.store("drink", "likes coffee")
    await memory.store("food", "likes rice")
    await memory.forget("drink")

    assert keys(await memory.search("likes")) == ["food"]
    (then,) = await memory.search("likes", as_of=before.as_of)
    assert then.content == "likes tea"
    assert then.retired is not None
    assert (await memory.recall("drink", as_of=before.as_of))[0].content == "likes tea"


async def test_a_memory_with_vectors_of_another_model_is_reindexed_not_guessed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Lengths:
        name, dimensions = "mine/lengths", 2

        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return [[1.0, float(len(text))] for text in texts]

    await Memory().store("drink", "likes tea")
    changed = Memory(VectorMemoryService(Lengths()))

    with pytest.raises(ComponentError, match=r"none of the memories .* 1 by test/words; Memory.reindex\(\)"):
        await changed.search("tea")
    await changed.store("food", "likes rice")
    with caplog.at_level(logging.WARNING):
        assert keys(await changed.search("tea")) == ["food"]
    assert "test/words" in caplog.text

    assert await changed.reindex() == 2
    assert sorted(keys(await changed.search("tea"))) == ["drink", "food"]


# --- Bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        ("", "tea", "key has 0 characters"),
        ("k" * 257, "tea", "key has 257 characters"),
        (7, "tea", "key is of type int"),
        ("drink", "", "there is nothing in it"),
        ("drink", " \n", "there is nothing in it"),
        ("drink", None, "there is nothing in it"),
        ("drink", "x" * 300_000, "300,0.. bytes"),
    ],
)
async def test_what_cannot_be_remembered_is_refused_by_name(key: Any, content: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        await Memory().store(key, content)
    assert await Memory().list_keys() == []


@pytest.mark.parametrize("value", [{"open": object()}, float("nan"), {1, 2}, b"raw"])
async def test_what_json_cannot_carry_is_refused_or_written_as_json_does(value: Any) -> None:
    memory = Memory()
    try:
        await memory.store("value", "text", about=value)
    except NotSerialisableError:
        assert await memory.list_keys() == []
    else:
        assert keys(await memory.recall("value")) == ["value"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"query": " "}, "query"),
        ({"query": "tea", "limit": 0}, "limit"),
        ({"query": "tea", "filter": {"type": object()}}, "filter: 'type'"),
        (
            {"query": "tea", "filter": {"sure": {}}},
            "filter: 'sure' is to be a value, a list of values, or a range",
        ),
        ({"query": "tea", "min_score": float("nan")}, "min_score"),
        ({"query": "tea", "user_id": "u" * 300}, "user_id has 300"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        await Memory().search(**asked)


async def test_an_unknown_scope_or_strategy_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="scope is 'global'"):
        Memory(scope="global")
    with pytest.raises(ConfigurationError, match="strategy is 'clever'"):
        await Memory().ingest_from_session(Session("chat"), strategy="clever")  # type: ignore[arg-type]


async def test_what_is_found_by_its_words_is_not_left_out_for_its_score() -> None:
    by_words = [DatabaseMemoryService(), InMemoryMemoryService(hybrid=True)]
    for service in [*by_words, InMemoryMemoryService()]:
        memory = Memory(service)
        await memory.store("boat", "sails a small boat on Sundays")

        found = await memory.search("boat", min_score=0.999)

        assert keys(found) == (["boat"] if service in by_words else [])


# --- ctx.memory -------------------------------------------------------------------------------------


async def test_a_component_remembers_under_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    @function
    async def remembers(ctx: Context) -> Any:
        await ctx.memory.set("diet", "eats no meat")
        await ctx.memory.append("visited", "Delft")
        await ctx.memory.append("visited", "Gouda")
        found = await ctx.memory.search("meat")
        gone = (
            await ctx.memory.get("visited"),
            await ctx.memory.delete("visited"),
            await ctx.memory.get("visited", 0),
        )
        return [await ctx.memory.get("diet"), keys(found)[0], *gone]

    ada = LocalContext(attribution=Attribution(tenant="local", user_id="ada"))

    assert await run(remembers, context=ada) == ["eats no meat", "diet", ["Delft", "Gouda"], True, 0]
    assert (await Memory().recall("diet", user_id="ada"))[0].content == "eats no meat"
    assert await Memory().recall("diet", user_id="bob") == []


async def test_only_a_list_can_be_added_to() -> None:
    ctx = LocalContext()
    await ctx.memory.set("diet", "eats no meat")

    with pytest.raises(ComponentError, match="memory 'diet' holds no list"):
        await ctx.memory.append("diet", "nor fish")


async def test_a_memory_that_is_added_to_cannot_grow_without_end() -> None:
    ctx = LocalContext()
    for _ in range(2):
        await ctx.memory.append("log", "x" * 100_000)

    with pytest.raises(ComponentError, match=r"memory 'log' has 300,0\d\d bytes with its metadata"):
        await ctx.memory.append("log", "x" * 100_000)

    assert len(await ctx.memory.get("log")) == 2


async def test_very_many_are_forgotten_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towpath.remembering.shelf._AT_ONCE", 3)
    memory = Memory()
    for number in range(10):
        await memory.store(f"m{number}", f"memory {number}")

    assert await memory.forget([*await memory.list_keys(), "never"]) == 10


def test_a_service_can_be_of_ones_own() -> None:
    class Words(MemoryService):
        def meaning(self, context: Any) -> None:
            return None

    assert Memory(service=Words()).service.meaning(LocalContext()) is None
