"""Snapshots: what a conversation with an agent is at one moment, as JSON, to be gone back to or taken elsewhere."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from towpath.agents.binary import decoded, encoded
from towpath.agents.interrupts import InterruptState
from towpath.errors import SnapshotError
from towpath.local.running import here
from towpath.values import to_json_value
from towpath_schemas.shape import Shape

SCHEMA_VERSION = "1.0"


class Snapshot(Shape):
    """What a conversation was.

    Attributes:
        scope: What it is of.
        schema_version: Which fields `data` may have, and what they mean.
        created_at: When it was taken (UTC).
        data: The fields that were asked for, as JSON.
        app_data: What the program that took it wants to find in it again, as JSON.
    """

    scope: str = "agent"
    schema_version: str = SCHEMA_VERSION
    created_at: datetime
    data: dict[str, Any]
    app_data: dict[str, Any] = {}


FIELDS = ("messages", "state", "conversation_manager_state", "interrupt_state", "system_prompt")
"""What a snapshot may hold."""

PRESETS: Mapping[str, frozenset[str]] = MappingProxyType({"session": frozenset(FIELDS) - {"system_prompt"}})
"""Fields that are asked for together."""


def take_snapshot(
    agent: Any,
    *,
    preset: str | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    app_data: Mapping[str, Any] | None = None,
) -> Snapshot:
    """Take a snapshot of an agent's own conversation; it shares nothing with the agent that can change.

    Args:
        agent: Whose.
        preset: Fields by one name: `session` is all but the system prompt.
        include: More fields.
        exclude: Fields that are left out.
        app_data: What else is to be found in it again; JSON.

    Raises:
        SnapshotError: If a field is not known, or none is left.
        KeyError: If the preset is not known.
    """
    names = (PRESETS[preset] if preset is not None else frozenset[str]()) | _known("include", include)
    names -= _known("exclude", exclude)
    if not names:
        raise SnapshotError(
            f"a snapshot of nothing; give preset='session', or include= some of {_listed(FIELDS)}"
        )
    return Snapshot(
        created_at=here().now(),
        data={name: encoded(_taken(agent, name)) for name in FIELDS if name in names},
        app_data=to_json_value(app_data or {}),
    )


def load_snapshot(agent: Any, snapshot: Snapshot) -> None:
    """Put what a snapshot holds in the place of what the agent has; what it does not hold stays.

    Raises:
        SnapshotError: If it is of another kind or version, or has a field that is not known.
    """
    if (snapshot.scope, snapshot.schema_version) != ("agent", SCHEMA_VERSION):
        raise SnapshotError(
            f"this snapshot is of scope {snapshot.scope!r} and version {snapshot.schema_version!r}; "
            f"agents load scope 'agent' and version {SCHEMA_VERSION!r}"
        )
    _known("data", snapshot.data)
    for name in FIELDS:
        if name in snapshot.data:
            _put(agent, name, decoded(snapshot.data[name]))


def _taken(agent: Any, name: str) -> Any:
    match name:
        case "messages":
            return agent.messages
        case "state":
            return agent.state.get()
        case "conversation_manager_state":
            return agent.conversation_manager.get_state()
        case "interrupt_state":
            return agent.conversation.interrupts.to_dict()
        case _:
            return agent.system_prompt_content


def _put(agent: Any, name: str, value: Any) -> None:
    match name:
        case "messages":
            agent.messages[:] = value
        case "state":
            agent.state.replace(value)
        case "conversation_manager_state":
            agent.conversation_manager.restore_from_session(value)
        case "interrupt_state":
            agent.conversation.interrupts = InterruptState.from_dict(value)
        case _:
            agent.system_prompt = value


def _known(where: str, names: Iterable[str] | None) -> frozenset[str]:
    asked = frozenset(names or ())
    if asked.difference(FIELDS):
        raise SnapshotError(
            f"{where}: no field {_listed(asked.difference(FIELDS))}; there is {_listed(FIELDS)}"
        )
    return asked


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
