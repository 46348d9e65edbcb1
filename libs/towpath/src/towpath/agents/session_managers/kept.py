"""A session manager on a `SessionRepository`: reading when an agent is made, writing in threads while it speaks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from towpath.agents.binary import decoded, encoded
from towpath.agents.content import DictMessage
from towpath.agents.interrupts import InterruptState
from towpath.agents.session_managers.port import SessionManager
from towpath.agents.session_managers.repair import repaired
from towpath.agents.session_managers.repository import (
    AgentRecord,
    MessageRecord,
    SessionRecord,
    SessionRepository,
)
from towpath.errors import SessionError
from towpath.local.running import here
from towpath.threads import in_thread


@dataclass(slots=True)
class _Known:
    """What is kept of one agent.

    Attributes:
        messages: How many messages are.
        record: What else is, as it was written last.
    """

    record: AgentRecord
    messages: int = 0


class RepositorySessionManager(SessionManager):
    """Keeps agents' own conversations in a repository.

    Args:
        session_id: What the session is known by.
        repository: Where it is kept.
    """

    def __init__(self, session_id: str, repository: SessionRepository) -> None:
        self.session_id = session_id
        self._repository = repository
        self._known: dict[str, _Known] = {}
        if repository.read_session(session_id) is None:
            now = here().now()
            repository.create_session(SessionRecord(session_id=session_id, created_at=now, updated_at=now))

    def initialize(self, agent: Any) -> None:
        """Restore an agent, or begin to keep it; see `SessionManager.initialize`."""
        if agent.agent_id in self._known:
            raise SessionError(
                f"session {self.session_id!r} keeps an agent with agent_id {agent.agent_id!r} already; "
                "give each agent of a session an agent_id of its own"
            )
        record = self._repository.read_agent(self.session_id, agent.agent_id)
        if record is None:
            self._begin(agent)
        else:
            self._restore(agent, record)

    async def append_message(self, message: DictMessage, agent: Any) -> None:
        """Keep a message."""
        record = self._numbered(message, self._known[agent.agent_id])
        await in_thread(self._repository.create_message, self.session_id, agent.agent_id, record)

    async def sync_agent(self, agent: Any) -> None:
        """Keep the agent's state, if it has changed."""
        known = self._known[agent.agent_id]
        kept = _kept(agent)
        if kept == _changing(known.record):
            return
        known.record = known.record.model_copy(update={**kept, "updated_at": here().now()})
        await in_thread(self._repository.update_agent, self.session_id, known.record)

    def _begin(self, agent: Any) -> None:
        now = here().now()
        record = AgentRecord(agent_id=agent.agent_id, created_at=now, updated_at=now, **_kept(agent))
        known = self._known[agent.agent_id] = _Known(record)
        self._repository.create_agent(self.session_id, record)
        for message in agent.messages:
            numbered = self._numbered(message, known)
            self._repository.create_message(self.session_id, agent.agent_id, numbered)

    def _restore(self, agent: Any, record: AgentRecord) -> None:
        front: list[DictMessage] = []
        manager = agent.conversation_manager
        if record.conversation_manager_state:
            front = manager.restore_from_session(decoded(record.conversation_manager_state)) or []
        removed: int = manager.removed_message_count
        rest = self._repository.list_messages(self.session_id, agent.agent_id, removed)
        self._known[agent.agent_id] = _Known(record, rest[-1].message_id + 1 if rest else removed)
        agent.state.replace(record.state)
        _restore_interrupts(agent, record.internal_state)
        shown = [decoded(one.redact_message or one.message) for one in rest]
        agent.messages[:] = repaired([*front, *shown])

    def _numbered(self, message: DictMessage, known: _Known) -> MessageRecord:
        number, known.messages = known.messages, known.messages + 1
        now = here().now()
        return MessageRecord(message_id=number, message=encoded(message), created_at=now, updated_at=now)


def _kept(agent: Any) -> dict[str, Any]:
    """Return what is kept of an agent beside its messages."""
    return {
        "state": agent.state.get(),
        "conversation_manager_state": encoded(agent.conversation_manager.get_state()),
        "internal_state": {"interrupt_state": encoded(agent.conversation.interrupts.to_dict())},
    }


def _changing(record: AgentRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("state", "conversation_manager_state", "internal_state")}


def _restore_interrupts(agent: Any, internal: Mapping[str, Any]) -> None:
    written = internal.get("interrupt_state")
    if written:
        agent.conversation.interrupts = InterruptState.from_dict(decoded(written))
