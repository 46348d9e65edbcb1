"""Qdrant Edge behind Qdrant's REST interface, as a child process."""

import sys
from pathlib import Path

from towpath_cli.embedded.server import EmbeddedServer, ask

READINESS_QUESTION = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class QdrantServer(EmbeddedServer):
    """One process of `towpath_cli.embedded.qdrant_edge`, for clients that would speak to a Qdrant server."""

    name = "qdrant-edge"

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    def _command(self, directory: Path) -> list[str]:
        # -P: a module in the directory the user happens to be in must not hide one of ours.
        module = [sys.executable, "-P", "-m", "towpath_cli.embedded.qdrant_edge"]
        return [*module, "--port", str(self.port), "--dir", str(directory / "collections")]

    async def _answers(self, pid: int) -> bool:
        # The process id in the Server header tells ours from another that has the port.
        head = await ask(self.port, READINESS_QUESTION, until=b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 200 ") and b"(pid %d)" % pid in head
