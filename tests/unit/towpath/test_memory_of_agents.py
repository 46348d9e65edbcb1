"""What agents are reminded of, what their tools remember, and what of a session is remembered."""

from typing import Any

import pytest

from towpath import (
    Agent,
    Context,
    InvalidInputError,
    Memory,
    Session,
    script,
    tool,
    tool_call,
)
from towpath.testing import FunctionModel
from towpath_testkit.remembered import run_of

pytestmark = pytest.mark.usefixtures("nothing_kept")


# --- Agents -----------------------------------------------------------------------------------------


def listening() -> FunctionModel:
    return FunctionModel(lambda _request: "I see.")


async def test_an_agent_is_reminded_once_of_what_matters() -> None:
    model, memory = listening(), Memory()
    await memory.store("tools", "prefers PyTorch for attention models")
    await memory.store("lunch", "has lunch at noon")
    agent = Agent(name="tutor", model=model, instructions="Be kind.", memory=memory)

    await agent.run("Help me with attention models in PyTorch")
    await agent.run("Zzz")

    assert model.requests[0].system is not None
    assert model.requests[0].system.startswith("Be kind.\n\nWhat you remember")
    assert "- prefers PyTorch for attention models" in model.requests[0].system
    assert "lunch" not in model.requests[0].system
    assert model.requests[1].system == "Be kind."


async def test_an_agent_knows_the_user_of_its_session_in_any_session() -> None:
    model, memory = listening(), Memory()
    await memory.store("boat", "ada sails a boat", user_id="ada")
    agent = Agent(name="crew", model=model, memory=memory)

    await agent.run("which boat", session=Session("one", user_id="ada"))
    await agent.run("which boat", session=Session("two", user_id="bob"))

    assert "ada sails" in (model.requests[0].system or "")
    assert model.requests[1].system is None
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


@pytest.mark.parametrize("verb", ["run", "invoke_async"])
async def test_a_session_knows_its_user_where_nobody_says_who_that_is(verb: str) -> None:
    model, memory = listening(), Memory()
    await memory.store("boat", "ada sails a boat", user_id="ada")
    await Session("one", user_id="ada").send_message("Hello")

    @tool
    async def keep(ctx: Context, fact: str) -> str:
        """Keep a fact."""
        await ctx.memory.set("fact", fact)
        return "kept"

    script("keeps", [tool_call("keep", fact="ada earns 5000"), "Kept."])
    for speaker in ("test/keeps", model):
        agent = Agent(name="crew", model=speaker, memory=memory, session=Session("one"), tools=[keep])
        await getattr(agent, verb)("which boat")

    assert "ada sails" in (model.requests[0].system or "")
    assert await Memory().list_keys() == []
    assert await Memory().list_keys("ada") == ["boat", "fact"]


async def test_an_agent_that_is_a_tool_knows_the_user_of_its_own_session_and_not_the_callers() -> None:
    model, memory = listening(), Memory()
    await memory.store("boat", "ada sails a boat", user_id="ada")
    await memory.store("plane", "bob flies a plane", user_id="bob")
    await Session("hers", user_id="ada").send_message("Hello")
    helper = Agent(name="helper", model=model, memory=memory, session=Session("hers"))
    script("guide", [tool_call("helper", input="boat or plane"), "Done."])

    await Agent(model="test/guide", tools=[helper]).run("go", session=Session("his", user_id="bob"))

    assert "ada sails" in (model.requests[0].system or "")
    assert "bob flies" not in (model.requests[0].system or "")


async def test_it_remembers_for_that_user_when_it_goes_on_after_a_question_too() -> None:
    @tool(confirmation=True)
    async def keep(ctx: Context, fact: str) -> str:
        """Keep a fact."""
        await ctx.memory.set("fact", fact)
        return "kept"

    await Session("hers", user_id="ada").send_message("Hello")
    script("keeps", [tool_call("keep", fact="ada earns 5000"), "Kept."])
    helper = Agent(name="helper", model="test/keeps", tools=[keep], session=Session("hers"))
    script("guide", [tool_call("helper", input="keep it"), "Done."])
    guide = Agent(
        model="test/guide", tools=[helper], session=Session("his", user_id="bob"), callback_handler=None
    )

    (asked,) = (await guide.invoke_async("go")).interrupts
    await guide.invoke_async([{"interruptResponse": {"interruptId": asked.id, "response": "yes"}}])

    assert [await Memory().list_keys(user) for user in ("ada", "bob")] == [["fact"], []]


async def test_a_run_may_have_another_memory_and_no_more_than_it_says() -> None:
    model = listening()
    few = Memory(recall_limit=2, recall_min_score=-1.0)
    for number in range(4):
        await few.store(f"n{number}", f"thing {number}")
    agent = Agent(name="crew", model=model)

    await agent.run("thing", memory=few)
    await agent.run("thing")

    assert (model.requests[0].system or "").count("- thing") == 2
    assert model.requests[1].system is None


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
