"""What a store of conversations has to be, and what it keeps: sessions, their agents, their messages."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from towpath.agents.content import DictMessage
from towpath_schemas.shape import Shape


class _Record(Shape):
    """What is kept, with when it was made and when it was changed last (UTC).

    Fields that we do not know are passed over: others may have written them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True)

    created_at: datetime
    updated_at: datetime


class SessionRecord(_Record):
    """A session."""

    session_id: str
    session_type: str = "AGENT"


class AgentRecord(_Record):
    """What is kept of an agent beside its messages.

    Attributes:
        internal_state: What else the agent needs to go on, such as questions that nobody has answered.
    """

    agent_id: str
    state: dict[str, Any] = {}
    conversation_manager_state: dict[str, Any] = {}
    internal_state: dict[str, Any] = Field(default={}, alias="_internal_state")


class MessageRecord(_Record):
    """One message.

    Attributes:
        message_id: Its number among the agent's, from 0.
        message: The message, with bytes as `towpath.agents.binary` writes them.
        redact_message: What stands in its place, where it must not be shown any more.
    """

    message_id: int
    message: DictMessage
    redact_message: DictMessage | None = None


class SessionRepository(ABC):
    """A store of conversations, to be implemented for databases and the like.

    Its methods are blocking: they are called in threads of their own, for one agent one after the other.
    """

    @abstractmethod
    def create_session(self, session: SessionRecord) -> None:
        """Keep a new session."""

    @abstractmethod
    def read_session(self, session_id: str) -> SessionRecord | None:
        """Return a session, if there is one."""

    @abstractmethod
    def create_agent(self, session_id: str, agent: AgentRecord) -> None:
        """Keep a new agent of a session."""

    @abstractmethod
    def read_agent(self, session_id: str, agent_id: str) -> AgentRecord | None:
        """Return an agent, if it is there."""

    @abstractmethod
    def update_agent(self, session_id: str, agent: AgentRecord) -> None:
        """Keep an agent in the place of what was known of it; its `created_at` is that of before."""

    @abstractmethod
    def create_message(self, session_id: str, agent_id: str, message: MessageRecord) -> None:
        """Keep a new message."""

    @abstractmethod
    def list_messages(self, session_id: str, agent_id: str, offset: int = 0) -> list[MessageRecord]:
        """Return the messages of an agent in order, without the first `offset`."""
