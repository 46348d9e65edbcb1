"""Who keeps a conversation: what its session manager and its manager hear of it, whoever speaks."""

from typing import Any

from towpath import Agent, Session, script, tool_call
from towpath.agents.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    HookEvent,
    HookRegistry,
    MessageAddedEvent,
)
from towpath.agents.managers.sliding_window import SlidingWindowConversationManager


class Recording:
    """A session manager that is no more than a hook provider: it notes what it hears, and whose it is."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def register_hooks(self, registry: HookRegistry) -> None:
        for event in (
            AgentInitializedEvent,
            BeforeInvocationEvent,
            MessageAddedEvent,
            AfterModelCallEvent,
            AfterInvocationEvent,
        ):
            registry.add_callback(event, self.hear)

    def hear(self, event: HookEvent) -> None:
        self.heard.append((type(event).__name__.removesuffix("Event"), event.agent.agent_id))


class HearingManager(SlidingWindowConversationManager):
    """A manager that counts the messages of its conversation by hooks, and notes how many each had."""

    def __init__(self) -> None:
        super().__init__()
        self.heard, self.counts = 0, list[int]()

    def register_hooks(self, registry: HookRegistry) -> None:
        registry.add_callback(MessageAddedEvent, self.hear)

    def hear(self, event: MessageAddedEvent) -> None:
        self.heard += 1

    def reset(self) -> None:
        super().reset()
        self.heard = 0

    def apply_management(self, agent: Any) -> None:
        self.counts.append(self.heard)


def handing(**said: Any) -> Agent:
    script("handing", lambda _request: tool_call("transfer_to_clerk"))
    script("clerk", lambda _request: "done")
    clerk = Agent("test/clerk", name="clerk", callback_handler=None)
    return Agent("test/handing", agent_id="guide", handoffs=[clerk], callback_handler=None, **said)


def test_who_keeps_a_conversation_hears_whoever_speaks_as_the_agent_that_was_called() -> None:
    recording = Recording()

    handing(session_manager=recording)("q")

    said = [
        "AgentInitialized",
        "BeforeInvocation",
        "MessageAdded",
        *["AfterModelCall", "MessageAdded", "MessageAdded"],
        *["AfterModelCall", "MessageAdded"],
        "AfterInvocation",
    ]
    assert recording.heard == [(one, "guide") for one in said]


async def test_who_keeps_an_agents_own_conversation_hears_nothing_of_its_runs() -> None:
    recording = Recording()

    await handing(session_manager=recording).run("q", session=Session("keepers-1"))

    assert recording.heard == [("AgentInitialized", "guide")]


async def test_a_manager_hears_of_its_own_conversation_only() -> None:
    manager = HearingManager()
    agent = handing(conversation_manager=manager)

    await agent.run("q")
    await agent.run("q")
    await agent.invoke_async("q")

    assert (manager.heard, manager.counts) == (4, [4, 4, 4])
