"""A session in a plain script: messages, events, export, pruning, retention, and agents that share it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from towpath import (
    Agent,
    ConfigurationError,
    Context,
    ContextError,
    InvalidInputError,
    LocalContext,
    Message,
    ModelRequest,
    NotSerialisableError,
    Session,
    SessionError,
    function,
    script,
    tool_call,
)
from towpath.current import running_in
from towpath.errors import ModelError
from towpath.local import run
from towpath.local.entity_store import ENTITIES
from towpath.models.port import LanguageModel
from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import EntityName
from towpath_schemas.sessions import SESSION_TYPE


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    ENTITIES.__init__()


async def talked(session: Session, *texts: str) -> Session:
    for text in texts:
        await session.send_message(text)
    return session


async def texts(session: Session, **limits: Any) -> list[str]:
    return [message.content for message in await session.history(**limits)]


def kept_of(session: Session) -> dict[str, Any]:
    """Return what the entity of a session holds."""
    return dict(ENTITIES.committed(EntityName("local", SESSION_TYPE, session.id)))


# --- Messages -------------------------------------------------------------------------------------


async def test_messages_come_back_in_order_wherever_the_id_is_named() -> None:
    await Session("chat").send_message("Hello", metadata={"channel": "web"})
    await Session("chat").send_message("Hi there", role="assistant")

    history = await Session("chat").history()

    assert [(one.role, one.content, one.metadata) for one in history] == [
        ("user", "Hello", {"channel": "web"}),
        ("assistant", "Hi there", {}),
    ]
    assert history[0].timestamp <= history[1].timestamp
    assert await Session("another").history() == []


async def test_history_gives_the_newest_so_many() -> None:
    session = await talked(Session("chat"), "a", "b", "c")

    assert await texts(session, limit=2) == ["b", "c"]
    assert await texts(session, limit=0) == []
    assert await texts(session, limit=9) == ["a", "b", "c"]


async def test_messages_that_are_appended_together_stay_together() -> None:
    session = Session("chat")

    async def twice(name: str) -> None:
        await session.append([Message(role="user", content=name), Message(role="assistant", content=name)])

    await asyncio.gather(*(twice(name) for name in "abcdef"))

    said = await texts(session)
    assert said[::2] == said[1::2]
    assert sorted(said[::2]) == list("abcdef")


async def test_a_session_is_one_users_and_one_apps() -> None:
    await Session("chat", app_name="shop", user_id="ann").send_message("Hello")

    with pytest.raises(SessionError, match="'chat' is of another user_id"):
        await Session("chat", user_id="bob").send_message("Hello?")
    with pytest.raises(SessionError, match="'chat' is of another app_name"):
        await Session("chat", app_name="bank").send_message("Hello?")
    assert await texts(Session("chat")) == ["Hello"]


OTHERS = r"this run is of user 'bob', and may not reach session '\w+' of user 'ann'"
ACTS: list[Callable[[Session], Awaitable[Any]]] = [
    Session.history,
    Session.head,
    Session.events,
    Session.export,
    Session.load,
    Session.delete,
    lambda session: session.send_message("Hello?"),
    lambda session: session.prune("keep_last_1"),
]


@pytest.mark.parametrize("named", [None, "ann"])
async def test_a_run_of_one_user_reaches_no_session_of_another(named: str | None) -> None:
    await Session("chat", user_id="ann").send_message("Hello")
    theirs = Session("chat", user_id=named)

    with running_in(LocalContext(attribution=Attribution(tenant="local", user_id="bob"))):
        for act in ACTS:
            with pytest.raises(ContextError, match=OTHERS):
                await act(theirs)

    assert await texts(Session("chat")) == ["Hello"]


async def test_a_run_of_one_user_reaches_no_state_of_another() -> None:
    others = Session("new", app_name="shop", user_id="ann")
    scopes: list[Any] = ["session", "user", "app", "temp"]

    with running_in(LocalContext(attribution=Attribution(tenant="local", user_id="bob"))):
        for scope in scopes:
            with pytest.raises(ContextError, match=OTHERS):
                others.set_state("city", "Oslo", scope=scope)
            with pytest.raises(ContextError, match=OTHERS):
                others.get_state("city", scope=scope)
            with pytest.raises(ContextError, match=OTHERS):
                others.delete_state("city", scope=scope)


@pytest.mark.parametrize(("owner", "user"), [(None, "bob"), ("ann", None), ("ann", "ann"), (None, None)])
async def test_a_session_without_a_user_and_a_run_without_one_go_with_any(
    owner: str | None, user: str | None
) -> None:
    await Session("chat", user_id=owner).send_message("Hello")

    with running_in(LocalContext(attribution=Attribution(tenant="local", user_id=user))):
        assert await texts(Session("chat")) == ["Hello"]
        assert await Session("chat").delete() == 1


async def test_nobody_reads_or_deletes_another_users_session() -> None:
    await Session("chat", user_id="ann").send_message("Hello")
    of_bob = Session("chat", user_id="bob")

    for act in (of_bob.history, of_bob.events, of_bob.export, of_bob.load, of_bob.delete):
        with pytest.raises(SessionError, match="of another user_id"):
            await act()
    assert await texts(Session("chat", user_id="ann")) == ["Hello"]


@pytest.mark.parametrize(
    "said", [{"role": "nobody", "content": "Hello"}, {"content": 7}, {"content": "a", "tool_calls": ["find"]}]
)
async def test_what_is_no_message_is_refused_by_the_field_that_is_wrong(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"this is no message: (role|content|tool_calls)"):
        await Session("chat").send_message(**said)


@pytest.mark.parametrize(
    "said", [{"id": ""}, {"id": 7}, {"id": "a", "user_id": ""}, {"id": "a", "app_name": 3}]
)
def test_an_id_that_is_no_text_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^Session\(.*=...\).* text"):
        Session(**said)


def test_metadata_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(NotSerialisableError, match="made"):
        Session("chat", metadata={"made": object()})


# --- Events and export ----------------------------------------------------------------------------


async def test_events_tell_messages_prunings_and_changes_of_state() -> None:
    session = Session("chat")
    session.set_state("step", "pay")
    await talked(session, "a", "b")
    await session.prune("keep_last_1")
    session.delete_state("step")
    await session.flush()

    events = await session.events()

    assert [event.kind for event in events] == ["state", "message", "message", "pruned", "state"]
    assert [event.number for event in events] == [0, 1, 2, 3, 4]
    assert await session.events(limit=2) == events[:2]


async def test_events_since_a_moment_are_those_from_then_on() -> None:
    session = await talked(Session("chat"), *map(str, range(12)))
    events = await session.events()

    assert await session.events(since="2024-01-01") == events
    assert await session.events(since=events[7].timestamp) == events[7:]
    assert await session.events(since=events[7].timestamp.isoformat(), limit=2) == events[7:9]
    assert await session.events(since=events[-1].timestamp + timedelta(seconds=1)) == []
    with pytest.raises(SessionError, match="since='yesterday' is no date"):
        await session.events(since="yesterday")


async def test_an_export_has_a_line_for_each_message_there_was() -> None:
    session = Session("chat")
    script("searching", [tool_call("find", q="boats"), "found"])
    await Agent(model="test/searching", tools=[find], session=session).run("Find boats")
    await session.prune("keep_summary", model=script("short", lambda _: "all of it"))

    lines = [json.loads(line) for line in (await session.export()).splitlines()]

    assert [line["role"] for line in lines] == ["user", "assistant", "tool", "assistant", "system"]
    assert all({"timestamp", "role", "message", "metadata", "tool_calls"} <= line.keys() for line in lines)
    assert lines[1]["tool_calls"][0]["name"] == "find"
    assert lines[2]["tool_call_id"] == lines[1]["tool_calls"][0]["id"]
    assert datetime.fromisoformat(lines[0]["timestamp"]).tzinfo is not None
    with pytest.raises(SessionError, match="cannot be exported as 'csv'"):
        await session.export(format="csv")


# --- Pruning --------------------------------------------------------------------------------------


async def test_pruning_changes_the_history_and_nothing_else() -> None:
    session = await talked(Session("chat"), *"abcde")

    assert await session.prune("keep_last_2") == 3
    assert await texts(session) == ["d", "e"]
    assert (await session.export()).count("\n") == 5
    assert await session.prune("keep_last_2") == 0
    await talked(session, "f")
    assert await texts(session) == ["d", "e", "f"]


async def test_a_summary_stands_where_the_old_messages_were() -> None:
    session = await talked(Session("chat"), *"abcde")
    asked: list[ModelRequest] = []

    def summarize(request: ModelRequest) -> str:
        asked.append(request)
        return "first three"

    dropped = await session.prune("summarize_old", threshold=2, model=script("brief", summarize))

    assert dropped == 3
    assert await texts(session) == ["Summary of the conversation so far: first three", "d", "e"]
    assert asked[0].messages[0].content == "0. user: a\n1. user: b\n2. user: c"
    assert await session.prune("summarize_old", threshold=2, model="test/brief") == 1
    assert asked[1].messages[0].content.endswith("first three")


async def long_talk() -> Session:
    """Have a session that no model reads at once: thousands of messages, and one that fills pages by itself."""
    session = Session("long")
    said = [f"{number} " + "word " * 100 for number in range(3_000)]
    said[1_000] = "x" * 250_000
    await session.append([Message(role="user", content=text) for text in said])
    return session


def small(name: str, reply: Callable[[str], str], asked: list[str]) -> LanguageModel:
    """Name a model that refuses what is longer than it can read."""

    def read(request: ModelRequest) -> str:
        told = request.messages[0].content
        assert len(told) < 110_000, "context overflow"
        asked.append(told)
        return reply(told)

    return script(name, read)


async def test_a_history_that_no_model_reads_at_once_is_summarized_page_by_page() -> None:
    session, asked = await long_talk(), list[str]()
    model = small("brief", lambda _: f"summary {len(asked)}", asked)

    assert await session.prune("summarize_old", threshold=1, model=model) == 2_999

    assert (await texts(session))[0] == f"Summary of the conversation so far: summary {len(asked)}"
    assert len(asked) > 10
    for number, told in enumerate(asked):
        assert (f"which goes into yours: summary {number}" in told) == (number > 0)
    read = "\n".join(asked)
    assert all(f"\n{number}. user: {number} word" in read for number in range(1, 2_999) if number != 1_000)
    assert read.count("x") >= 250_000


async def test_what_is_important_is_asked_page_by_page() -> None:
    session, asked = await long_talk(), list[str]()

    def first_of_the_page(told: str) -> str:
        return f"[{told.partition('.')[0]}]"

    await session.prune("keep_important", model=small("judge", first_of_the_page, asked))

    pages = {int(first_of_the_page(told)[1:-1]) for told in asked}
    assert len(asked) > 10
    assert [message.number for message in await session.history()] == sorted({*pages, 2_999})


async def test_a_short_history_is_not_summarized() -> None:
    session = await talked(Session("chat"), "a", "b")

    assert await session.prune("summarize_old", threshold=2, model=script("never", [])) == 0


async def test_a_model_says_what_is_important() -> None:
    session = await talked(Session("chat"), "name: Ann", "lovely weather", "yes", "and now?")

    dropped = await session.prune("keep_important", model=script("judge", lambda _: "[0]"))

    assert dropped == 2
    assert await texts(session) == ["name: Ann", "and now?"]


async def test_a_model_that_fails_changes_nothing() -> None:
    session = await talked(Session("chat"), *"abc")

    with pytest.raises(ModelError):
        await session.prune("keep_summary", model=script("mute", []))

    assert await texts(session) == ["a", "b", "c"]


async def test_a_sliding_window_keeps_whole_turns_and_what_the_system_said() -> None:
    session = Session("chat")
    await session.send_message("be kind", role="system")
    for number in "123":
        await session.send_message(f"q{number}")
        await session.send_message(f"a{number}", role="assistant")

    assert await session.prune("sliding_window", window_size=3) == 4
    assert await texts(session) == ["be kind", "q3", "a3"]


@pytest.mark.parametrize("strategy", ["keep_last_0", "keep_last", "keep_last_-1", "everything", None])
async def test_an_unknown_strategy_is_refused_with_those_there_are(strategy: Any) -> None:
    with pytest.raises(SessionError, match="there are keep_last_<n>"):
        await Session("chat").prune(strategy)


async def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(SessionError, match="window_size=0"):
        await Session("chat").prune("sliding_window", window_size=0)


# --- Retention ------------------------------------------------------------------------------------


async def test_an_immutable_session_refuses_prune_and_delete_whoever_asks() -> None:
    await talked(Session("audit", retention={"immutable": True}), "a", "b")

    for session in (Session("audit"), Session("audit", retention={"immutable": True})):
        with pytest.raises(SessionError, match="'audit' is immutable, so it cannot be pruned"):
            await session.prune("keep_last_1")
        with pytest.raises(SessionError, match="'audit' is immutable, so it cannot be deleted"):
            await session.delete()
    assert await texts(Session("audit")) == ["a", "b"]


async def test_what_an_immutable_session_promised_cannot_be_taken_back() -> None:
    await talked(Session("audit", retention={"immutable": True, "ttl_days": 730}), "a")

    with pytest.raises(SessionError, match="immutable; its retention cannot be changed"):
        await talked(Session("audit", retention={"ttl_days": 1}), "b")


async def test_a_history_that_prunes_itself_stays_short() -> None:
    session = Session("chat", retention={"auto_prune": "keep_last_3"})

    await talked(session, *"abcdefg")
    await talked(Session("chat"), "h")

    assert await texts(Session("chat")) == ["f", "g", "h"]


async def test_a_session_that_prunes_itself_does_not_grow() -> None:
    session = Session("chat", retention={"auto_prune": "keep_last_5"})

    for number in range(60):
        session.set_state("turn", number)
        await session.send_message(str(number))

    events = await session.events()
    assert [one.number for one in events if one.kind == "message"] == [111, 113, 115, 117, 119]
    assert [one.number for one in events if one.kind == "state"] == [116, 118], "among the five newest events"
    assert len((await session.export()).splitlines()) == 5
    assert await session.events(since=events[0].timestamp, limit=2) == events[:2]
    assert len([name for name in kept_of(session) if name.startswith("event:")]) == 7


async def test_a_session_without_messages_that_prunes_itself_does_not_grow() -> None:
    session = Session("chat", retention={"auto_prune": "keep_last_5"})

    for number in range(20):
        session.set_state("turn", number)
        await session.flush()

    assert [one.number for one in await session.events()] == [15, 16, 17, 18, 19]
    assert len([name for name in kept_of(session) if name.startswith("event:")]) == 5


async def test_what_a_pruning_by_hand_took_out_goes_when_a_session_begins_to_prune_itself() -> None:
    session = await talked(Session("chat"), *"abcdef")
    await session.prune("keep_summary", model=script("brief", lambda _: "a to f"))

    await talked(Session("chat", retention={"auto_prune": "keep_last_2"}), "g", "h")

    assert await texts(session) == ["g", "h"]
    assert [one.kind for one in await session.events()] == ["message", "message"]
    await session.delete()
    assert kept_of(session) == {}


@pytest.mark.parametrize(
    ("retention", "what"),
    [
        ({"ttl_days": 0}, "ttl_days"),
        ({"forever": True}, "forever"),
        ({"auto_prune": "keep_important"}, "auto_prune"),
        ({"auto_prune": True, "immutable": True}, "immutable"),
    ],
)
def test_a_retention_that_cannot_be_is_refused_by_name(retention: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"retention: .*{what}.*its fields are ttl_days"):
        Session("chat", retention=retention)


async def test_a_deleted_session_begins_anew() -> None:
    session = Session("chat", user_id="ann")
    session.set_state("step", 1)
    session.set_state("language", "en", scope="user")
    await talked(session, "a", "b")

    assert await session.delete() == 3

    other = Session("chat", user_id="bob")
    await other.load()
    assert (await texts(other), other.get_state("step")) == ([], None)
    await session.load()
    assert session.get_state("language", scope="user") == "en"


# --- Agents ---------------------------------------------------------------------------------------


def find(q: str) -> str:
    """Find things."""
    return f"3 {q}"


async def test_an_agent_knows_what_was_said_before_and_appends_its_turn() -> None:
    session = await talked(Session("chat"), "I am Ann")
    script("knowing", lambda request: f"{len(request.messages)} messages")
    agent = Agent(name="host", model="test/knowing", session=session)

    first, second = await agent.run("Who am I?"), await agent.run("And now?")

    assert (first.output, second.output) == ("2 messages", "4 messages")
    assert await texts(session) == ["I am Ann", "Who am I?", "2 messages", "And now?", "4 messages"]
    assert {one.metadata.get("agent") for one in (await session.history())[1:]} == {"host"}


async def test_turns_of_agents_at_the_same_time_do_not_mix() -> None:
    session = Session("chat")

    def reply(request: ModelRequest) -> Any:
        return "done" if request.messages[-1].role == "tool" else tool_call("find", q="boats")

    script("busy", reply)
    agents = [Agent(name=f"agent{number}", model="test/busy", tools=[find]) for number in range(4)]

    await asyncio.gather(*(one.run(f"for {one.name}", session=session) for one in agents))

    history = await session.history()
    turns = [history[start : start + 4] for start in range(0, 16, 4)]
    assert all([one.role for one in turn] == ["user", "assistant", "tool", "assistant"] for turn in turns)
    assert all(f"for {turn[3].metadata['agent']}" == turn[0].content for turn in turns)


async def test_the_session_of_the_call_wins() -> None:
    agent = Agent(model="test/echo", session=Session("own"))

    await agent.run("Hello", session=Session("given"))

    assert await texts(Session("given")) == ["Hello", "Hello"]
    assert await texts(Session("own")) == []


async def test_a_turn_that_fails_leaves_nothing_in_the_session() -> None:
    with pytest.raises(ModelError):
        await Agent(model=script("broken", []), session=Session("chat")).run("Hello")

    assert await texts(Session("chat")) == []


async def test_whom_a_turn_is_handed_to_goes_on_in_the_session() -> None:
    script("routing", [tool_call("transfer_to_billing")])
    script("paying", lambda request: f"paid after {len(request.messages)}")
    billing = Agent(name="billing", model="test/paying")
    session = Session("chat")

    await Agent(name="router", model="test/routing", handoffs=[billing], session=session).run("Charged twice")

    history = await session.history()
    assert [one.role for one in history] == ["user", "assistant", "tool", "assistant"]
    assert history[-1].content == "paid after 3"


async def test_an_agent_that_is_run_by_a_request_speaks_in_the_session_that_it_names() -> None:
    agent = Agent(name="host", model="test/echo")
    context = LocalContext()

    await run(agent, {"prompt": "Hello", "session_id": "chat"}, context=context)
    await run(agent, {"message": "Again", "session_id": "chat"}, context=context)

    with running_in(context):
        assert await texts(Session("chat")) == ["Hello", "Hello", "Again", "Again"]


async def test_state_that_a_component_has_set_is_written_when_it_ends() -> None:
    @function
    async def remember(ctx: Context, city: str) -> None:
        Session("chat").set_state("city", city)

    @function(retries=1)
    async def fail(ctx: Context) -> None:
        Session("chat").set_state("city", "nowhere")
        raise ValueError("no")

    await run(remember, {"city": "Utrecht"})
    with pytest.raises(Exception, match="no"):
        await run(fail)

    session = Session("chat")
    await session.load()
    assert session.get_state("city") == "Utrecht"
