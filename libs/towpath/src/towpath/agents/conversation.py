"""What one conversation has: an agent's own, or that of one run."""

from dataclasses import dataclass, field
from typing import Any

from towpath.agents.cancellation import Cancellation
from towpath.agents.content import DictMessage, Translation
from towpath.agents.hooks import HookRegistry
from towpath.agents.interrupts import InterruptState
from towpath.agents.managers.port import ConversationManager
from towpath.agents.metrics import AgentMetrics
from towpath.agents.snapshots import Snapshot, take_snapshot
from towpath.agents.state import AgentState


@dataclass(slots=True, eq=False)
class Conversation:
    """What was said, and all that belongs to it.

    Attributes:
        messages: What was said; hooks, tools and managers may change it.
        state: Values that no model is told.
        manager: Keeps `messages` short enough.
        metrics: What its invocations took.
        interrupts: The questions that it waits for.
        cancellation: Stops it.
        translation: Its messages as models are told them.
        keepers: Who keeps it: its session manager, and its manager where that has hooks. Whoever speaks, they hear it,
            as said by the agent that was called.
        exposed: Whether others than the loop were given `messages` since the last invocation began.
    """

    messages: list[DictMessage]
    state: AgentState
    manager: ConversationManager
    metrics: AgentMetrics = field(default_factory=AgentMetrics)
    interrupts: InterruptState = field(default_factory=InterruptState)
    cancellation: Cancellation = field(default_factory=Cancellation)
    translation: Translation = field(default_factory=Translation)
    keepers: HookRegistry = field(default_factory=HookRegistry)
    exposed: bool = False

    def shown(self) -> list[DictMessage]:
        """Return the messages to others than the loop, who may change them."""
        self.exposed = True
        return self.messages


class Conversing:
    """Somebody who has a conversation, and shows what is in it."""

    conversation: Conversation

    @property
    def messages(self) -> list[DictMessage]:
        """What was said in the conversation."""
        return self.conversation.shown()

    @messages.setter
    def messages(self, messages: list[DictMessage]) -> None:
        self.conversation.messages = messages

    @property
    def state(self) -> AgentState:
        """Values that belong to the conversation, and that no model is told."""
        return self.conversation.state

    @property
    def conversation_manager(self) -> ConversationManager:
        """What keeps the conversation short enough."""
        return self.conversation.manager

    @property
    def event_loop_metrics(self) -> AgentMetrics:
        """What all calls of the conversation took."""
        return self.conversation.metrics


class AgentView(Conversing):
    """An agent as hooks, tools and managers see it in a run: messages, state and metrics are the run's."""

    def __init__(self, agent: Any, conversation: Conversation) -> None:
        self._agent = agent
        self.conversation = conversation
        self.toolbox: Any = agent.toolbox

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)

    def __repr__(self) -> str:
        return f"<{self._agent!r} in a run>"

    @property
    def tool(self) -> Any:
        """The tools as methods, in the run: nothing can be written into its conversation. See `Agent.tool`."""
        return self._agent.tool_in_run(self)

    def take_snapshot(self, **asked: Any) -> Snapshot:
        """Take a snapshot of the run's conversation; see `Agent.take_snapshot`."""
        return take_snapshot(self, **asked)

    def cancel(self) -> None:
        """Stop the run at its next turn; see `Agent.cancel`."""
        self.conversation.cancellation.request()


def view_of(agent: Any, conversation: Conversation) -> Any:
    """Return an agent as the code around a conversation sees it; in its own conversation, itself."""
    return agent if agent.conversation is conversation else AgentView(agent, conversation)
