"""Conversations in files: one for each session, agent and message, so that nothing is ever written twice.

A message is at `session_<id>/agents/agent_<agent_id>/messages/message_<n>.json`, beside it are `agent.json` of its
agent and `session.json` of its session.
"""

import tempfile
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from towpath.agents.session_managers.kept import RepositorySessionManager
from towpath.agents.session_managers.repository import (
    AgentRecord,
    MessageRecord,
    SessionRecord,
    SessionRepository,
)
from towpath.argument_types import check_arguments
from towpath.errors import SessionError
from towpath_schemas.shape import Shape

Record = TypeVar("Record", bound=Shape)


class FileRepository(SessionRepository):
    """Keeps sessions in a folder.

    A file is there whole or not at all, whenever the process ends.

    Args:
        folder: The folder, made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create_session(self, session: SessionRecord) -> None:
        """Keep a new session."""
        _write(self._session(session.session_id) / "session.json", session)

    def read_session(self, session_id: str) -> SessionRecord | None:
        """Return a session, if there is one."""
        return _read(self._session(session_id) / "session.json", SessionRecord)

    def create_agent(self, session_id: str, agent: AgentRecord) -> None:
        """Keep a new agent of a session."""
        _write(self._agent(session_id, agent.agent_id) / "agent.json", agent)

    def read_agent(self, session_id: str, agent_id: str) -> AgentRecord | None:
        """Return an agent, if it is there."""
        return _read(self._agent(session_id, agent_id) / "agent.json", AgentRecord)

    def update_agent(self, session_id: str, agent: AgentRecord) -> None:
        """Keep an agent in the place of what was known of it."""
        self.create_agent(session_id, agent)

    def create_message(self, session_id: str, agent_id: str, message: MessageRecord) -> None:
        """Keep a new message."""
        _write(self._messages(session_id, agent_id) / f"message_{message.message_id}.json", message)

    def list_messages(self, session_id: str, agent_id: str, offset: int = 0) -> list[MessageRecord]:
        """Return the messages of an agent in order, without the first `offset`."""
        files = sorted(self._messages(session_id, agent_id).glob("message_*.json"), key=_number)
        return [found for file in files[offset:] if (found := _read(file, MessageRecord)) is not None]

    def _session(self, session_id: str) -> Path:
        return self._folder / f"session_{_checked('session_id', session_id)}"

    def _agent(self, session_id: str, agent_id: str) -> Path:
        return self._session(session_id) / "agents" / f"agent_{_checked('agent_id', agent_id)}"

    def _messages(self, session_id: str, agent_id: str) -> Path:
        return self._agent(session_id, agent_id) / "messages"


class FileSessionManager(RepositorySessionManager):
    """Keeps an agent's own conversation in files, and restores it where an agent of the same id is made again.

    A person's answers are kept before the agent goes on with them: where the process ends meanwhile, `agent()` does in
    the next one.

    Args:
        session_id: What the session is known by.
        storage_dir: The folder; one in the system's folder for temporary files if not given.

    Raises:
        SessionError: If the id cannot be part of a file's name, or a file cannot be read.
    """

    @check_arguments
    def __init__(self, session_id: str, storage_dir: str | Path | None = None) -> None:
        folder = (
            Path(tempfile.gettempdir(), "towpath", "sessions") if storage_dir is None else Path(storage_dir)
        )
        super().__init__(session_id, FileRepository(folder))


def _write(file: Path, record: Shape) -> None:
    """Write beside the file first: a rename happens whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{uuid4().hex}")
    beside.write_text(record.model_dump_json(by_alias=True, indent=2), encoding="utf-8")
    beside.replace(file)


def _read(file: Path, kind: type[Record]) -> Record | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SessionError(f"{file} is no {kind.__name__}: {error}") from error


def _number(file: Path) -> int:
    return int(file.stem.removeprefix("message_"))


def _checked(name: str, value: str) -> str:
    if not value or value in (".", "..") or any(one in value for one in "/\\\0"):
        raise SessionError(f"{name}={value!r} cannot be part of a file's name; leave out / and \\")
    return value
