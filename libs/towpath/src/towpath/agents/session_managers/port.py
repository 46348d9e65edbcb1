"""What a session manager is: it keeps an agent's own conversation beyond the process."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Any, NamedTuple

from towpath.agents.content import DictMessage
from towpath.agents.hooks import (
    AfterInvocationEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)
from towpath.errors import ConfigurationError
from towpath.sessions.session import Session


class SessionManager(ABC):
    """Keeps the conversation that an agent has by itself: what is called as `agent(...)` goes on where it was left.

    Runs with a conversation of their own (`agent.run` and the like) are not its matter: they speak in a `Session`.
    """

    def register_hooks(self, registry: HookRegistry) -> None:
        """Hear when the agent is made, when a message is added, and when an invocation begins and has ended."""
        registry.add_callback(AgentInitializedEvent, self._made)
        registry.add_callback(BeforeInvocationEvent, self._begun)
        registry.add_callback(MessageAddedEvent, self._added)
        registry.add_callback(AfterInvocationEvent, self._ended)

    @abstractmethod
    def initialize(self, agent: Any) -> None:
        """Restore what is kept of `agent`, or begin to keep it; called while it is made.

        Raises:
            SessionError: If another agent of this id is kept already.
        """

    @abstractmethod
    def append_message(self, message: DictMessage, agent: Any) -> Awaitable[None] | None:
        """Keep a message that was added to the conversation."""

    @abstractmethod
    def sync_agent(self, agent: Any) -> Awaitable[None] | None:
        """Keep what has changed of the agent beside its messages."""

    def _made(self, event: AgentInitializedEvent) -> None:
        self.initialize(event.agent)

    async def _begun(self, event: BeforeInvocationEvent) -> None:
        """Keep the answers of a person before anything is done with them: what goes wrong then does not lose them."""
        await _settled(self.sync_agent(event.agent))

    async def _added(self, event: MessageAddedEvent) -> None:
        await _settled(self.append_message(event.message, event.agent))
        await _settled(self.sync_agent(event.agent))

    async def _ended(self, event: AfterInvocationEvent) -> None:
        await _settled(self.sync_agent(event.agent))


class Keeper(NamedTuple):
    """What keeps an agent's own conversation: one of these, or nothing."""

    session: Session | None
    manager: Any

    @classmethod
    def of(cls, given: Any) -> "Keeper":
        """Read the `session` or `session_manager` of an agent, which are one slot.

        Raises:
            ConfigurationError: If it is neither.
        """
        if given is None or isinstance(given, Session):
            return cls(given, None)
        if isinstance(given, HookProvider):
            return cls(None, given)
        raise ConfigurationError(
            f"session_manager takes a Session, or a SessionManager such as FileSessionManager, not {given!r}"
        )


async def _settled(answer: Awaitable[None] | None) -> None:
    if answer is not None:
        await answer
