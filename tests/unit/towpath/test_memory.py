"""Memories in a plain script: what is stored, found, changed, forgotten and erased, and whose it is."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from towpath import (
    Agent,
    ComponentError,
    ConfigurationError,
    Context,
    ContextError,
    DatabaseMemoryService,
    InMemoryMemoryService,
    InvalidInputError,
    LocalContext,
    Memory,
    MemoryItem,
    ModelRequest,
    NotSerialisableError,
    Session,
    UnknownMemoryError,
    VectorMemoryService,
    function,
    script,
    tool,
    tool_call,
)
from towpath.client.memory import ClientMemory, Reached
from towpath.current import running_in
from towpath.local import run
from towpath.local.entity_store import ENTITIES
from towpath.memory import MemoryService
from towpath_schemas.attribution import Attribution


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TOWPATH_DEFAULT_EMBEDDER", "test/words")
    yield
    ENTITIES.__init__()


SERVICES = [
    VectorMemoryService(),
    VectorMemoryService(hybrid=True),
    InMemoryMemoryService(),
    DatabaseMemoryService(),
]


@pytest.fixture(params=SERVICES, ids=["vector", "hybrid", "in_memory", "database"])
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    yield Memory(service=request.param)
    if isinstance(request.param, InMemoryMemoryService):
        request.param.__init__()


def run_of(user_id: str | None = None, tenant: str = "local") -> Any:
    """Run what follows in a run on behalf of somebody."""
    return running_in(LocalContext(attribution=Attribution(tenant=tenant, user_id=user_id)))


def keys(items: Sequence[MemoryItem]) -> list[str]:
    return [item.key for item in items]


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


# --- Whose ------------------------------------------------------------------------------------------


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
        acts = [
            memory.store("theirs", "his", user_id="bob"),
            memory.update("theirs", user_id="bob"),
            memory.search("his", user_id="bob"),
            memory.recall("theirs", user_id="bob"),
            memory.list_keys("bob"),
            memory.forget("theirs", user_id="bob"),
            memory.erase("bob"),
            memory.ingest_from_session(Session("chat", user_id="bob"), "all"),
        ]
        for act in acts:
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
    acts = [
        app.store("tea", "ada likes tea", user_id="ada"),
        app.update("hours", user_id="ada"),
        app.search("tea", user_id="ada"),
        app.recall("hours", user_id="ada"),
        app.list_keys("ada"),
        app.forget("hours", user_id="ada"),
        app.erase("ada"),
        app.reindex(user_id="ada"),
    ]
    for act in acts:
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


# --- Agents -----------------------------------------------------------------------------------------


def listening() -> list[ModelRequest]:
    asked: list[ModelRequest] = []

    def answers(request: ModelRequest) -> str:
        asked.append(request)
        return "I see."

    script("listens", answers)
    return asked


async def test_an_agent_is_reminded_once_of_what_matters() -> None:
    asked, memory = listening(), Memory()
    await memory.store("tools", "prefers PyTorch for attention models")
    await memory.store("lunch", "has lunch at noon")
    agent = Agent(name="tutor", model="test/listens", instructions="Be kind.", memory=memory)

    await agent.run("Help me with attention models in PyTorch")
    await agent.run("Zzz")

    assert asked[0].system is not None
    assert asked[0].system.startswith("Be kind.\n\nWhat you remember")
    assert "- prefers PyTorch for attention models" in asked[0].system
    assert "lunch" not in asked[0].system
    assert asked[1].system == "Be kind."


async def test_an_agent_knows_the_user_of_its_session_in_any_session() -> None:
    asked, memory = listening(), Memory()
    await memory.store("boat", "ada sails a boat", user_id="ada")
    agent = Agent(name="crew", model="test/listens", memory=memory)

    await agent.run("which boat", session=Session("one", user_id="ada"))
    await agent.run("which boat", session=Session("two", user_id="bob"))

    assert "ada sails" in (asked[0].system or "")
    assert asked[1].system is None
    assert "ada sails" not in str(await Session("one", user_id="ada").history())


async def test_what_a_tool_remembers_in_a_session_is_its_users() -> None:
    memory = Memory()

    @tool
    async def keep(ctx: Context, fact: str) -> str:
        """Keep a fact."""
        await ctx.memory.set("fact", fact)
        await memory.store("again", fact)
        return "kept"

    script("keeps", [tool_call("keep", fact="ada earns 5000"), "Kept."])
    await Agent(name="clerk", model="test/keeps", tools=[keep]).run(
        "keep", session=Session("a", user_id="ada")
    )

    assert await Memory().list_keys() == []
    assert await Memory().list_keys("ada") == ["fact", "again"]


async def test_a_run_may_have_another_memory_and_no_more_than_it_says() -> None:
    asked = listening()
    few = Memory(recall_limit=2, recall_min_score=-1.0)
    for number in range(4):
        await few.store(f"n{number}", f"thing {number}")
    agent = Agent(name="crew", model="test/listens")

    await agent.run("thing", memory=few)
    await agent.run("thing")

    assert (asked[0].system or "").count("- thing") == 2
    assert asked[1].system is None


# --- Ingesting --------------------------------------------------------------------------------------


async def talked() -> Session:
    session = Session("consultation", user_id="ada")
    await session.send_message("We have 10M users")
    await session.send_message("Noted.", role="assistant")
    return session


async def test_every_message_is_ingested_once(memory: Memory) -> None:
    session = await talked()

    first = await memory.ingest_from_session(session, "all")
    again = await memory.ingest_from_session(session, "all")

    assert first == again == await memory.list_keys("ada")
    items = await memory.recall(first, user_id="ada")
    assert [(one.content, one.metadata["role"]) for one in items] == [
        ("We have 10M users", "user"),
        ("Noted.", "assistant"),
    ]
    assert {one.metadata["source_session"] for one in items} == {"consultation"}
    with run_of("bob"):
        assert await memory.search("users") == []


@pytest.mark.parametrize(
    ("strategy", "said", "remembered"),
    [
        ("smart", '[{"fact": "Has 10M users", "type": "scale", "confidence": 0.9}]', ["Has 10M users"]),
        ("key_points", '["10M users", "10M users", " "]', ["10M users"]),
        ("summary", "They have 10M users.", ["They have 10M users."]),
    ],
)
async def test_a_model_says_what_is_worth_remembering(
    strategy: Any, said: str, remembered: list[str]
) -> None:
    script("reads", lambda _request: said)
    memory = Memory(model="test/reads")

    found = await memory.ingest_from_session(await talked(), strategy)

    items = await memory.recall(found, user_id="ada")
    assert [one.content for one in items] == remembered
    assert found == await memory.ingest_from_session(Session("consultation", user_id="ada"), strategy)


async def test_a_message_too_large_to_remember_is_named_and_nothing_is_written(memory: Memory) -> None:
    session = Session("long", user_id="ada")
    for content in ("first", "x" * 300_000, "third"):
        await session.send_message(content)

    with pytest.raises(
        InvalidInputError, match=r"message 1 of session 'long' has 300,\d{3} bytes .*'summary'"
    ):
        await memory.ingest_from_session(session, "all")

    assert await memory.list_keys("ada") == []


async def test_of_an_empty_session_nothing_is_remembered_and_no_model_is_asked() -> None:
    assert await Memory(model="test/nobody").ingest_from_session(Session("empty"), "smart") == []


def test_a_service_can_be_of_ones_own() -> None:
    class Words(MemoryService):
        def meaning(self, context: Any) -> None:
            return None

    assert Memory(service=Words()).service.meaning(LocalContext()) is None
