"""What a platform on this machine consists of, and what each of its services is told."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODULES = {
    "router": "towpath_router",
    "agent-runner": "towpath_agent_runner",
    "tool-runner": "towpath_tool_runner",
    "entity-store": "towpath_entity_store",
    "audit-sink": "towpath_audit_sink",
    "gateway": "towpath_gateway",
}
"""The package of each kind of service; `python -m` starts it."""

ROLES = tuple(MODULES)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One platform.

    Attributes:
        app: The user code: `package.module`, or a file that ends in `.py`.
        nats_url: Its broker.
        redis_url: Where the entity-store keeps copies of states.
        directory: Where logs and the ledger are kept.
        http_port: The gateway's port.
        service_name: The service that the user code is; its module's name if not given.
        qdrant_url: Where memories are indexed.
        settings: More settings, for all services that know them, by their names in `Settings`.
        environment: Variables that the user code reads.
    """

    app: str
    nats_url: str
    redis_url: str
    directory: Path
    http_port: int
    service_name: str | None = None
    qdrant_url: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def settings_of(self, role: str) -> dict[str, str]:
        """Write what a service of kind `role` is told, by the names in its `Settings`."""
        told: dict[str, str | None] = {"nats_url": self.nats_url}
        match role:
            case "agent-runner" | "tool-runner":
                told |= {"app": self.app, "service_name": self.service_name}
            case "entity-store":
                told |= {"redis_url": self.redis_url, "qdrant_url": self.qdrant_url}
            case "audit-sink":
                told |= {"ledger_dir": str(self.directory / "ledger")}
            case "gateway":
                told |= {"http_port": str(self.http_port)}
            case _:
                pass
        return {name: value for name, value in told.items() if value is not None} | dict(self.settings)

    def command_of(self, role: str, *, health_port: int) -> list[str]:
        """Write the command that starts a service of kind `role` as a process."""
        told = self.settings_of(role) | {"health_port": str(health_port)}
        environment = [f"TOWPATH_{name.upper()}={value}" for name, value in told.items()]
        environment += [f"{name}={value}" for name, value in self.environment.items()]
        return ["/usr/bin/env", *environment, sys.executable, "-m", MODULES[role]]
