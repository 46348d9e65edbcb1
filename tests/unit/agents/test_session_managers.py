"""What keeps an agent's conversation beyond the process."""

import asyncio
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from towpath import Agent, LanguageModel, Session, script, tool, tool_call
from towpath.agents.content import DictMessage
from towpath.agents.hooks import BeforeInvocationEvent, BeforeToolCallEvent, MessageAddedEvent
from towpath.agents.managers.sliding_window import SlidingWindowConversationManager
from towpath.agents.session_managers.files import FileRepository, FileSessionManager
from towpath.agents.session_managers.repair import repaired
from towpath.agents.session_managers.repository import MessageRecord
from towpath.components import REGISTRY
from towpath.errors import ConfigurationError, NotSerialisableError, SessionError
from towpath.models.port import Citation, ModelReply, ModelRequest


def kept(folder: Path, session_id: str = "s1", **said: Any) -> Agent:
    script("kept", lambda request: f"answer to {len(request.messages)} messages")
    manager = FileSessionManager(session_id, folder)
    return Agent("test/kept", callback_handler=None, session_manager=manager, agent_id="guide", **said)


def texts(messages: list[DictMessage]) -> list[str]:
    return [message["content"][0]["text"] for message in messages]


# --- Files ------------------------------------------------------------------------------------------


def test_a_conversation_goes_on_in_another_process(tmp_path: Path) -> None:
    agent = kept(tmp_path)
    agent("first")
    agent.state.set("cart", ["boat"])
    agent("second")

    again = kept(tmp_path)

    assert again.messages == agent.messages
    assert again.state.get("cart") == ["boat"]
    assert str(again("third")) == "answer to 5 messages\n"


def test_files_lie_where_others_look_for_them(tmp_path: Path) -> None:
    kept(tmp_path)("first")

    agent = tmp_path / "session_s1" / "agents" / "agent_guide"
    assert json.loads((tmp_path / "session_s1" / "session.json").read_text())["session_id"] == "s1"
    written = json.loads((agent / "agent.json").read_text())
    assert written["agent_id"] == "guide"
    assert written["conversation_manager_state"]["__name__"] == "SlidingWindowConversationManager"
    assert written["_internal_state"]["interrupt_state"]["activated"] is False
    message = json.loads((agent / "messages" / "message_0.json").read_text())
    assert message["message"] == {"role": "user", "content": [{"text": "first"}]}
    assert sorted(file.name for file in (agent / "messages").iterdir()) == [
        "message_0.json",
        "message_1.json",
    ]


def test_what_an_agent_says_that_the_conversation_was_handed_to_is_kept_too(tmp_path: Path) -> None:
    script("handing", lambda _request: tool_call("transfer_to_clerk"))
    heard: list[str] = []

    def handing() -> Agent:
        clerk = Agent("test/kept", name="clerk", callback_handler=None)
        clerk.add_hook(lambda event: heard.append(event.message["role"]), MessageAddedEvent)
        manager = FileSessionManager("s1", tmp_path)
        return Agent("test/handing", handoffs=[clerk], callback_handler=None, session_manager=manager)

    script("kept", lambda request: f"answer to {len(request.messages)} messages")
    agent = handing()
    agent("first")
    agent.state.set("cart", ["boat"])
    agent("second")
    REGISTRY.clear()
    again = handing()

    assert [message["role"] for message in agent.messages] == ["user", "assistant"] * 4
    assert again.messages == agent.messages
    assert again.state.get("cart") == ["boat"]
    assert heard == ["assistant", "assistant"]


def test_messages_that_an_agent_is_given_are_kept_too(tmp_path: Path) -> None:
    given = [
        {"role": "user", "content": [{"text": "hello"}]},
        {"role": "assistant", "content": [{"text": "hi"}]},
    ]

    kept(tmp_path, messages=given)

    assert kept(tmp_path).messages == given


def test_what_a_manager_has_left_is_what_is_restored(tmp_path: Path) -> None:
    agent = kept(tmp_path, conversation_manager=SlidingWindowConversationManager(2))
    for number in range(3):
        agent(f"question {number}")

    again = kept(tmp_path, conversation_manager=SlidingWindowConversationManager(2))

    assert texts(again.messages) == ["question 2", "answer to 3 messages"]
    assert again.messages == agent.messages
    assert again.conversation_manager.removed_message_count == 4


def test_bytes_are_kept(tmp_path: Path) -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}

    kept(tmp_path)([{"text": "What is this?"}, image])

    assert kept(tmp_path).messages[0]["content"][1] == image


def test_an_agent_json_that_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    agent = kept(tmp_path)
    agent("first")
    file = tmp_path / "session_s1" / "agents" / "agent_guide" / "agent.json"
    file.unlink()

    agent("second")

    assert not file.exists()


def test_two_agents_of_one_id_cannot_be_in_one_session(tmp_path: Path) -> None:
    manager = FileSessionManager("s1", tmp_path)
    Agent("test/echo", session_manager=manager, agent_id="guide")

    with pytest.raises(SessionError, match="agent_id 'guide' already"):
        Agent("test/echo", session_manager=manager, agent_id="guide")

    Agent("test/echo", session_manager=manager, agent_id="other")


@pytest.mark.parametrize("session_id", ["", "a/b", "..", "a\\b"])
def test_an_id_that_is_no_file_name_is_refused(tmp_path: Path, session_id: str) -> None:
    with pytest.raises(SessionError, match="session_id"):
        FileSessionManager(session_id, tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    kept(tmp_path)("first")
    file = tmp_path / "session_s1" / "agents" / "agent_guide" / "messages" / "message_1.json"
    file.write_text('{"message_id": 1')

    with pytest.raises(SessionError, match=r"message_1\.json is no MessageRecord"):
        kept(tmp_path)


def test_writing_leaves_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = kept(tmp_path)
    agent("first")

    def dies(_self: Path, _target: Path) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(Path, "replace", dies)
        with pytest.raises(OSError, match="full"):
            agent("second")

    assert texts(kept(tmp_path).messages) == ["first", "answer to 1 messages"]


async def test_files_are_written_outside_of_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[threading.Thread] = set()
    written = FileRepository.create_message

    def watched(self: FileRepository, session_id: str, agent_id: str, message: MessageRecord) -> None:
        threads.add(threading.current_thread())
        written(self, session_id, agent_id, message)

    agent = kept(tmp_path)
    monkeypatch.setattr(FileRepository, "create_message", watched)

    await agent.invoke_async("first")

    assert threads
    assert threading.current_thread() not in threads


def test_a_question_is_answered_in_another_process(tmp_path: Path) -> None:
    ran: list[str] = []

    @tool
    def look() -> str:
        """Look."""
        ran.append("look")
        return "seen"

    @tool(confirmation=True)
    def deploy(version: str) -> str:
        """Deploy."""
        ran.append(version)
        return "live"

    script("deployer", [[tool_call("look"), tool_call("deploy", version="2.0")], "done"])

    def made() -> Agent:
        manager = FileSessionManager("s1", tmp_path)
        return Agent("test/deployer", tools=[look, deploy], callback_handler=None, session_manager=manager)

    paused = made()("go")
    answer = {"interruptId": paused.interrupts[0].id, "response": "yes"}
    result = made()([{"interruptResponse": answer}])

    assert (str(result), ran) == ("done\n", ["look", "2.0"])


@pytest.mark.parametrize("again", [False, True], ids=["kept", "answered again"])
def test_an_answer_is_kept_before_anything_is_done_with_it(tmp_path: Path, again: bool) -> None:  # noqa: FBT001
    running, crashed = tmp_path / "running", tmp_path / "crashed"
    ran: list[str] = []

    @tool(confirmation=True)
    def deploy(version: str) -> str:
        """Deploy."""
        if not crashed.exists():
            shutil.copytree(running, crashed)
        ran.append(version)
        return "live"

    script("deployer", [tool_call("deploy", version="2.0"), "done"])

    def made(folder: Path) -> Agent:
        manager = FileSessionManager("s1", folder)
        return Agent("test/deployer", tools=[deploy], callback_handler=None, session_manager=manager)

    agent = made(running)
    paused = agent("go")
    answer = [{"interruptResponse": {"interruptId": paused.interrupts[0].id, "response": "yes"}}]
    agent(answer)
    after = made(crashed)
    with pytest.raises(TypeError, match="it has all"):
        after("something else")

    assert str(after(answer if again else None)) == "done\n"
    assert ran == ["2.0", "2.0"]
    assert made(crashed).messages[:3] == agent.messages[:3]
    assert len(made(crashed).messages) == 4


async def test_a_run_of_an_agent_with_files_has_to_name_its_session(tmp_path: Path) -> None:
    agent = kept(tmp_path)

    with pytest.raises(ConfigurationError, match=r"run\(..., session=Session"):
        agent.run("first")

    result = await agent.run("first", session=Session("elsewhere"))
    assert result.output == "answer to 1 messages"
    assert kept(tmp_path).messages == []


# --- Histories that were cut off ----------------------------------------------------------------------


def use(*calls: str) -> DictMessage:
    return {
        "role": "assistant",
        "content": [{"toolUse": {"toolUseId": call, "name": "f", "input": {}}} for call in calls],
    }


def result(*calls: str, text: str = "ok", status: str = "success") -> DictMessage:
    content = [{"text": text}]
    blocks = [{"toolResult": {"toolUseId": call, "status": status, "content": content}} for call in calls]
    return {"role": "user", "content": blocks}


def interrupted(*calls: str) -> DictMessage:
    return result(*calls, text="Tool was interrupted.", status="error")


def says(text: str, role: str = "user") -> DictMessage:
    return {"role": role, "content": [{"text": text}]}


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ([says("a"), use("1"), result("1")], [says("a"), use("1"), result("1")]),
        ([result("1"), says("a")], [says("a")]),
        ([use("1"), says("b")], [use("1"), interrupted("1"), says("b")]),
        ([use("1"), says("b", "assistant")], [use("1"), interrupted("1"), says("b", "assistant")]),
        ([says("a"), use("1")], [says("a"), use("1")]),
        ([use("1"), result("2")], [use("1"), interrupted("1")]),
        (
            [use("1", "2"), result("2")],
            [
                use("1", "2"),
                {"role": "user", "content": [*interrupted("1")["content"], *result("2")["content"]]},
            ],
        ),
    ],
    ids=[
        "whole",
        "result first",
        "no result",
        "no result, answer",
        "open end",
        "another's result",
        "one of two",
    ],
)
def test_calls_and_results_are_made_to_belong_together(
    broken: list[DictMessage], whole: list[DictMessage]
) -> None:
    assert repaired(broken) == whole


ANY_MESSAGE = st.one_of(
    st.sampled_from(["1", "2"]).map(use),
    st.just(use("1", "2")),
    st.sampled_from(["1", "2", "3"]).map(result),
    st.just(result("2", "1")),
    st.sampled_from(["user", "assistant"]).map(lambda role: says("a", role)),
)


@settings(max_examples=100)
@given(st.lists(ANY_MESSAGE, max_size=6))
def test_whatever_was_lost_of_a_history_the_rest_is_one(messages: list[DictMessage]) -> None:
    whole = repaired(messages)

    asked: set[str] = set()
    for message in whole:
        assert {
            block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block
        } == asked
        asked = {block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block}
    assert repaired(whole) == whole


# --- The platform's sessions ----------------------------------------------------------------------------


def in_session(session: Session, **said: Any) -> Agent:
    script("kept", lambda request: f"answer to {len(request.messages)} messages")
    return Agent("test/kept", callback_handler=None, session_manager=session, agent_id="guide", **said)


async def test_a_session_keeps_the_conversation_turn_by_turn() -> None:
    session = Session("talk-1")
    agent = in_session(session, state={"step": 1})
    await agent.invoke_async("first")
    agent.state.set("step", 2)
    await agent.invoke_async("second")

    again = in_session(Session("talk-1"))
    answer = await again.invoke_async("third")

    assert [message.content for message in await session.history()] == [
        *("first", "answer to 1 messages", "second", "answer to 3 messages", "third"),
        "answer to 5 messages",
    ]
    assert answer.output == "answer to 5 messages"
    assert again.state.get("step") == 2
    assert texts(again.messages)[:2] == ["first", "answer to 1 messages"]


def test_it_works_from_sync_code() -> None:
    in_session(Session("talk-2"))("first")

    assert str(in_session(Session("talk-2"))("second")) == "answer to 3 messages\n"


async def test_what_others_say_in_the_session_is_known_in_the_next_turn() -> None:
    session = Session("talk-3")
    agent = in_session(session)
    await agent.invoke_async("first")
    await session.send_message("by the way")

    answer = await agent.invoke_async("second")

    assert answer.output == "answer to 4 messages"
    assert texts(agent.messages)[2] == "by the way"


async def test_runs_and_the_conversation_share_the_session() -> None:
    agent = in_session(Session("talk-4"))

    await agent.run("first")
    answer = await agent.invoke_async("second")

    assert answer.output == "answer to 3 messages"


async def test_a_turn_that_failed_is_not_kept() -> None:
    session = Session("talk-5")
    agent = in_session(session, retry_strategy=None)
    await agent.invoke_async("first")
    script("kept", lambda request: RuntimeError("the model is away"))

    with pytest.raises(Exception, match="away"):
        await agent.invoke_async("second")
    script("kept", lambda request: f"answer to {len(request.messages)} messages")
    answer = await agent.invoke_async("third")

    assert answer.output == "answer to 3 messages"
    assert texts(agent.messages) == ["first", "answer to 1 messages", "third", "answer to 3 messages"]


async def test_a_turn_that_cannot_be_kept_is_forgotten_as_a_whole() -> None:
    reasons: list[Any] = [object(), "it is Friday"]

    def ask(event: BeforeToolCallEvent) -> None:
        event.agent.state.set("asked", "yes")
        event.interrupt("sure", reason=reasons.pop(0))

    @tool
    def deploy() -> str:
        """Deploy."""
        return "live"

    script("deployer", lambda _request: tool_call("deploy"))
    agent = Agent(
        "test/deployer",
        tools=[deploy],
        hooks=[ask],
        state={"step": 1},
        callback_handler=None,
        session=Session("talk-9"),
    )

    with pytest.raises(NotSerialisableError, match="reason"):
        await agent.invoke_async("first")
    states: list[Any] = []
    agent.add_hook(lambda event: states.append(event.agent.state.get()), BeforeInvocationEvent)
    result = await agent.invoke_async("second")

    assert states == [{"step": 1}]
    assert [one.reason for one in result.interrupts] == ["it is Friday"]
    assert [message.content for message in await Session("talk-9").history()] == ["second", ""]


async def test_in_a_session_the_second_conversation_waits_for_the_first() -> None:
    class Slow:
        name = "test/slow"
        at_once = 0

        async def generate(self, request: ModelRequest) -> ModelReply:
            self.at_once += 1
            assert self.at_once == 1
            await asyncio.sleep(0)
            self.at_once -= 1
            return ModelReply(text=f"{len(request.messages)}")

    agent = Agent(Slow(), callback_handler=None, session=Session("talk-6"))

    answers = await asyncio.gather(agent.invoke_async("first"), agent.invoke_async("second"))

    assert [answer.output for answer in answers] == ["1", "3"]


async def test_a_paused_turn_goes_on_in_another_process_of_the_session() -> None:
    @tool(confirmation=True)
    def deploy(version: str) -> str:
        """Deploy."""
        return f"{version} is live"

    script("deployer", [tool_call("deploy", version="2.0"), "done"])

    def made() -> Agent:
        return Agent("test/deployer", tools=[deploy], callback_handler=None, session=Session("talk-7"))

    paused = await made().invoke_async("go")
    answer = {"interruptId": paused.interrupts[0].id, "response": "yes"}
    result = await made().invoke_async([{"interruptResponse": answer}])

    assert (paused.status, str(result)) == ("paused", "done\n")
    roles = [message.role for message in await Session("talk-7").history()]
    assert roles == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize("verb", ["run", "invoke_async"])
async def test_where_an_answer_comes_from_is_kept_in_the_session(verb: str) -> None:
    tides = Citation(title="Tides", url="https://tides.example", start=0, end=7)
    script("cites", [ModelReply(text="At noon.", citations=(tides,)), "You are welcome."])

    def made() -> Agent:
        return Agent("test/cites", callback_handler=None, session=Session(f"cited-{verb}"))

    first = await getattr(made(), verb)("When?")
    again = made()
    await again.invoke_async("Thanks")

    assert (await Session(f"cited-{verb}").history())[1].citations == (tides,)
    assert again.messages[1]["content"] == first.message["content"]


def test_both_names_of_one_slot_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="session and session_manager"):
        Agent(LanguageModel(), session=Session("a"), session_manager=FileSessionManager("b", tmp_path))


def test_what_keeps_no_conversation_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="takes a Session, or a SessionManager"):
        Agent("test/echo", session_manager="s1")


async def test_calls_that_the_program_makes_itself_are_kept_in_the_session_too() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    agent = Agent("test/echo", tools=[look], callback_handler=None, session=Session("talk-8"))

    agent.tool.look()

    roles = [message.role for message in await Session("talk-8").history()]
    assert roles == ["user", "assistant", "tool", "assistant"]
