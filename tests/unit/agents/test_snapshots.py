"""What a conversation is at one moment, as JSON."""

from typing import Any

import pytest

from towpath import Agent, script, tool, tool_call
from towpath.agents.hooks import BeforeModelCallEvent
from towpath.agents.snapshots import Snapshot
from towpath.errors import SnapshotError

EVERYTHING = {"messages", "state", "conversation_manager_state", "interrupt_state", "system_prompt"}


def speaking(**said: Any) -> Agent:
    script("speaker", lambda request: f"answer {len(request.messages)}")
    return Agent("test/speaker", callback_handler=None, **said)


def test_a_conversation_goes_on_from_a_snapshot_in_another_agent() -> None:
    agent = speaking(state={"cart": ["boat"]}, system_prompt="Be brief.")
    agent("first")
    snapshot = agent.take_snapshot(preset="session", app_data={"page": 3})
    agent("second")

    other = speaking()
    other.load_snapshot(Snapshot.from_body(snapshot.to_body()))

    assert other.messages == agent.messages[:2]
    assert other.state.get() == {"cart": ["boat"]}
    assert other.system_prompt is None
    assert snapshot.app_data == {"page": 3}
    assert (snapshot.scope, snapshot.schema_version) == ("agent", "1.0")
    assert str(other("again")) == "answer 3\n"


def test_a_snapshot_and_its_agent_share_nothing() -> None:
    agent = speaking(state={"cart": ["boat"]})
    agent("first")
    snapshot = agent.take_snapshot(preset="session")

    agent.messages[0]["content"][0]["text"] = "changed"
    agent.load_snapshot(snapshot)
    agent.messages[0]["content"][0]["text"] = "changed again"

    assert snapshot.data["messages"][0]["content"][0]["text"] == "first"


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({"preset": "session"}, EVERYTHING - {"system_prompt"}),
        (
            {"preset": "session", "include": ["system_prompt"], "exclude": ["messages"]},
            EVERYTHING - {"messages"},
        ),
        ({"include": ["state"]}, {"state"}),
    ],
)
def test_fields_are_chosen_by_preset_include_and_exclude(said: dict[str, Any], fields: set[str]) -> None:
    assert set(speaking().take_snapshot(**said).data) == fields


def test_only_what_a_snapshot_holds_is_replaced() -> None:
    agent = speaking(system_prompt="Be brief.", state={"a": 1})
    snapshot = agent.take_snapshot(include=["state", "system_prompt"])
    agent.state.set("a", 2)
    agent.system_prompt = None
    agent("first")

    agent.load_snapshot(snapshot)

    assert (agent.state.get("a"), agent.system_prompt, len(agent.messages)) == (1, "Be brief.", 2)


def test_images_travel_as_json() -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    agent = speaking(messages=[{"role": "user", "content": [image]}])

    snapshot = Snapshot.from_body(agent.take_snapshot(preset="session").to_body())
    other = speaking()
    other.load_snapshot(snapshot)

    assert other.messages[0]["content"] == [image]


def test_an_open_question_is_answered_in_another_agent() -> None:
    @tool(confirmation=True)
    def deploy(version: str) -> str:
        """Deploy."""
        return f"{version} is live"

    script("deployer", [tool_call("deploy", version="2.0"), "done"])
    asking, answering = (Agent("test/deployer", tools=[deploy], callback_handler=None) for _ in range(2))
    paused = asking("go")

    answering.load_snapshot(asking.take_snapshot(preset="session"))
    answer = {"interruptId": paused.interrupts[0].id, "response": "yes"}
    result = answering([{"interruptResponse": answer}])

    assert result.stop_reason == "end_turn"
    assert "2.0 is live" in str(answering.messages)


@pytest.mark.parametrize("said", [{}, {"include": ["moods"]}, {"include": ["state"], "exclude": ["state"]}])
def test_nothing_and_unknown_fields_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match="messages"):
        speaking().take_snapshot(**said)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(KeyError, match="weekend"):
        speaking().take_snapshot(preset="weekend")


@pytest.mark.parametrize("changed", [{"schema_version": "2.0"}, {"scope": "swarm"}, {"data": {"moods": 1}}])
def test_a_snapshot_of_another_kind_is_refused(changed: dict[str, Any]) -> None:
    agent = speaking()
    snapshot = agent.take_snapshot(preset="session").model_copy(update=changed)

    with pytest.raises(SnapshotError):
        agent.load_snapshot(snapshot)


async def test_in_a_run_the_snapshot_is_of_the_run() -> None:
    taken: list[Snapshot] = []

    def look(event: BeforeModelCallEvent) -> None:
        taken.append(event.agent.take_snapshot(preset="session"))

    agent = speaking(hooks=[look])

    await agent.run("first")

    assert taken[0].data["messages"] == [{"role": "user", "content": [{"text": "first"}]}]
    assert agent.messages == []
