"""Handing over: the tools by which a model gives the conversation to another agent."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from towpath.errors import ConfigurationError
from towpath.models.port import ToolSpec

_HAND_OFF = "transfer_to_"
"""How the names of these tools begin."""


def successors_of(label: str, agents: Iterable[Any]) -> Mapping[str, Any]:
    """Return the agents that may be handed to, by the name of the tool that does it.

    Raises:
        ConfigurationError: If one of them has no name.
    """
    found: dict[str, Any] = {}
    for agent in agents:
        if agent.name is None:
            raise ConfigurationError(f"{label} hands over to an agent without a name; give it one")
        found[_HAND_OFF + re.sub(r"[^A-Za-z0-9_-]", "_", agent.label)] = agent
    return found


def successor_named(agent: Any, name: str) -> Any:
    """Return the agent of a name that another one may hand over to.

    Raises:
        ConfigurationError: If there is none.
    """
    for successor in agent.successors.values():
        if successor.label == name:
            return successor
    raise ConfigurationError(
        f"the conversation waits for an answer to {name!r}, and {agent.label} does not hand over to such an agent "
        f"any more; name it in handoffs=[...] of {agent.label}"
    )


def hand_off_specs(successors: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    """Say what a model is told of the agents that it may hand over to."""
    return tuple(_spec(name, agent) for name, agent in successors.items())


def _spec(name: str, agent: Any) -> ToolSpec:
    about = f"{agent.label}: {agent.description}" if agent.description else agent.label
    return ToolSpec(
        name=name,
        description=f"Hand the conversation over to {about}",
        input_schema={"type": "object", "properties": {}},
    )
