"""Who hears what an agent does, in which order, and what they may change."""

from typing import Any

import pytest

from towpath import Agent, tool, tool_call
from towpath.agents.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    HookEvent,
    HookRegistry,
    MessageAddedEvent,
)
from towpath.errors import ModelError, RegistrationError
from towpath.testing import VirtualPlatform, fault, scripted

EVENTS: list[type[HookEvent]] = [
    AgentInitializedEvent,
    BeforeInvocationEvent,
    MessageAddedEvent,
    BeforeModelCallEvent,
    AfterModelCallEvent,
    BeforeToolCallEvent,
    AfterToolCallEvent,
    AfterInvocationEvent,
]


class Listening:
    """A hook provider that notes what it hears."""

    def __init__(self, heard: list[str], name: str = "") -> None:
        self.heard, self.name = heard, name

    def register_hooks(self, registry: HookRegistry) -> None:
        for event in EVENTS:
            registry.add_callback(event, self.hear)

    def hear(self, event: HookEvent) -> None:
        who = f" {event.message['role']}" if isinstance(event, MessageAddedEvent) else ""
        self.heard.append(f"{self.name}{type(event).__name__.removesuffix('Event')}{who}")


def look_up(query: str) -> str:
    return f"found {query}"


def asking(**said: Any) -> Agent:
    model = scripted(tool_call("look_up", query="boats"), "done")
    return Agent(model, tools=[look_up], callback_handler=None, **said)


def results_of(agent: Agent) -> list[Any]:
    blocks = [block for message in agent.messages for block in message["content"]]
    return [block["toolResult"]["content"][0]["text"] for block in blocks if "toolResult" in block]


# --- Order ------------------------------------------------------------------------------------------


async def test_a_turn_with_a_tool_is_heard_in_order() -> None:
    heard: list[str] = []

    await asking(hooks=[Listening(heard)]).invoke_async("q")

    assert heard == [
        "AgentInitialized",
        "BeforeInvocation",
        "MessageAdded user",
        "BeforeModelCall",
        "AfterModelCall",
        "MessageAdded assistant",
        "BeforeToolCall",
        "AfterToolCall",
        "MessageAdded user",
        "BeforeModelCall",
        "AfterModelCall",
        "MessageAdded assistant",
        "AfterInvocation",
    ]


async def test_what_comes_after_is_heard_in_the_reverse_order() -> None:
    heard: list[str] = []

    await asking(hooks=[Listening(heard, "a "), Listening(heard, "b ")]).invoke_async("q")

    named = dict.fromkeys(one.split()[1] for one in heard)
    first = {name: next(one for one in heard if one.split()[1] == name)[0] for name in named}
    assert {name for name, who in first.items() if who == "b"} == {
        "AfterModelCall",
        "AfterToolCall",
        "AfterInvocation",
    }


async def test_a_run_is_heard_as_a_conversation_is_but_sees_its_own_messages() -> None:
    seen: list[Any] = []

    async def added(event: MessageAddedEvent) -> None:
        seen.append((event.agent.name, len(event.agent.messages)))

    agent = asking(name="desk", hooks=[added])

    await agent.run("q")

    assert seen == [("desk", 1), ("desk", 2), ("desk", 3), ("desk", 4)]
    assert agent.messages == []


# --- What may be changed ------------------------------------------------------------------------------


async def test_a_cancelled_tool_call_is_not_made_and_the_model_told_why() -> None:
    why: list[str | None] = []

    def forbid(event: BeforeToolCallEvent) -> None:
        event.cancel_tool = "not today"

    agent = asking(hooks=[forbid])
    agent.add_hook(lambda event: why.append(event.cancel_message), AfterToolCallEvent)

    await agent.invoke_async("q")

    assert (results_of(agent), why) == (["not today"], ["not today"])


async def test_another_tool_and_other_arguments_may_be_chosen_and_history_keeps_the_models_own() -> None:
    @tool
    def search(query: str) -> str:
        return f"searched {query}"

    def rewrite(event: BeforeToolCallEvent) -> None:
        event.selected_tool = search
        event.tool_use = {**event.tool_use, "input": {"query": "ships"}}

    agent = asking(hooks=[rewrite])

    await agent.invoke_async("q")

    assert results_of(agent) == ["searched ships"]
    assert agent.messages[1]["content"][0]["toolUse"]["input"] == {"query": "boats"}


async def test_a_result_may_be_replaced_and_a_call_repeated() -> None:
    calls: list[int] = []

    @tool
    def flaky() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("gone")
        return "here"

    def again(event: AfterToolCallEvent) -> None:
        event.retry = event.exception is not None
        event.result = {**event.result, "content": [{"text": "replaced"}]}

    agent = Agent(scripted(tool_call("flaky"), "done"), tools=[flaky], callback_handler=None, hooks=[again])

    await agent.invoke_async("q")

    assert (len(calls), results_of(agent)) == (2, ["replaced"])


async def test_a_model_call_is_repeated_as_often_as_a_hook_wants() -> None:
    seen: list[Any] = []

    def again(event: AfterModelCallEvent) -> None:
        seen.append(event.exception or (event.stop_response and event.stop_response.stop_reason))
        event.retry = len(seen) < 3

    model = scripted(lambda _: fault(retryable=False) if len(seen) == 1 else f"answer {len(seen)}")
    result = await Agent(model, callback_handler=None, hooks=[again]).invoke_async("q")

    assert (result.output, seen[0], type(seen[1]), seen[2]) == (
        "answer 2",
        "end_turn",
        ModelError,
        "end_turn",
    )
    assert result.iterations == 1


async def test_an_invocation_goes_on_with_what_a_hook_wants() -> None:
    def resume(event: AfterInvocationEvent) -> None:
        if event.result.output == "first":
            event.resume = "and then?"

    agent = Agent(scripted("first", "second"), callback_handler=None, hooks=[resume])

    result = await agent.invoke_async("q")

    assert result.output == "second"
    assert [message["content"][0]["text"] for message in agent.messages] == [
        "q",
        "first",
        "and then?",
        "second",
    ]


async def test_the_new_messages_may_be_replaced_before_an_invocation() -> None:
    def redact(event: BeforeInvocationEvent) -> None:
        event.messages = [{"role": "user", "content": [{"text": "redacted"}]}]

    model = scripted("ok")
    await Agent(model, callback_handler=None, hooks=[redact]).invoke_async("my card is 1234")

    assert model.requests[0].messages[0].content == "redacted"


async def test_a_message_that_a_hook_changes_in_place_is_told_as_changed() -> None:
    def shout(event: MessageAddedEvent) -> None:
        event.message["content"][0]["text"] = event.message["content"][0]["text"].upper()

    model = scripted("ok", "again")
    agent = Agent(model, callback_handler=None, hooks=[shout])

    await agent.invoke_async("quiet")
    agent.messages[0]["content"][0]["text"] = "changed later"
    await agent.invoke_async("more")

    assert [message.content for message in model.requests[1].messages] == ["changed later", "OK", "MORE"]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (BeforeModelCallEvent(None, {}), "invocation_state"),
        (MessageAddedEvent(None, {}), "message"),
        (BeforeToolCallEvent(None, None, {}, {}, None), "agent"),  # type: ignore[arg-type]
    ],
)
def test_other_fields_cannot_be_written(event: HookEvent, name: str) -> None:
    with pytest.raises(AttributeError, match=f"Property {name} is not writable"):
        setattr(event, name, "x")


async def test_what_a_hook_raises_is_raised_as_it_is() -> None:
    def broken(event: BeforeToolCallEvent) -> None:
        raise LookupError("no policy")

    agent = asking(hooks=[broken])

    with pytest.raises(LookupError, match="no policy"):
        await agent.invoke_async("q")
    assert "toolUse" in agent.messages[-1]["content"][0]


async def test_an_invocation_whose_run_is_only_dropped_from_memory_has_not_ended() -> None:
    ended: list[Any] = []

    @tool(confirmation=True)
    def deploy() -> str:
        return "deployed"

    model = scripted(tool_call("deploy"), "done")
    agent = Agent(model, tools=[deploy], name="desk", hooks=[Ended(ended)])

    async with VirtualPlatform() as platform:
        run = await platform.start(agent, {"prompt": "q"})
        while_it_waits = [*ended]
        await platform.approve(run)
        await run.result()

    assert (while_it_waits, ended) == ([], ["done"])


class Ended:
    """Notes how invocations end."""

    def __init__(self, ended: list[Any]) -> None:
        self.ended = ended

    def register_hooks(self, registry: HookRegistry) -> None:
        registry.add_callback(AfterInvocationEvent, self.end)

    def end(self, event: AfterInvocationEvent) -> None:
        self.ended.append(event.result and event.result.output)


# --- Adding -------------------------------------------------------------------------------------------


async def test_the_event_type_is_read_from_the_hint_and_a_union_is_heard_for_each() -> None:
    heard: list[str] = []

    async def both(event: BeforeModelCallEvent | AfterModelCallEvent) -> None:
        heard.append(type(event).__name__)

    agent = Agent(scripted("ok"), callback_handler=None)
    agent.add_hook(both)
    agent.add_hook(lambda event: heard.append("listed"), [BeforeInvocationEvent, AfterInvocationEvent])

    await agent.invoke_async("q")

    assert heard == ["listed", "BeforeModelCallEvent", "AfterModelCallEvent", "listed"]


def nothing() -> None: ...


@pytest.mark.parametrize(
    ("event_type", "callback", "said"),
    [
        (None, print, "annotate its first parameter"),
        (None, nothing, "annotate its first parameter"),
        ([], print, "the list of event types is empty"),
        (str, print, "is no hook event"),
    ],
    ids=["no hint", "no parameter", "no type", "another type"],
)
def test_a_hook_that_does_not_say_what_it_hears_is_refused(event_type: Any, callback: Any, said: str) -> None:
    with pytest.raises(RegistrationError, match=said):
        Agent().add_hook(callback, event_type)


def test_what_is_no_hook_is_refused_and_the_first_event_is_heard_by_sync_hooks_only() -> None:
    async def late(event: AgentInitializedEvent) -> None: ...

    with pytest.raises(RegistrationError, match="is no hook"):
        HookRegistry().add_hook(5)
    with pytest.raises(RegistrationError, match="are sync"):
        Agent(hooks=[late])
