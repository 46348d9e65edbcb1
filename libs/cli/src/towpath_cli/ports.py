"""Ports that a user chose: taken ones are refused with a remedy."""

import socket

from towpath_cli.embedded import free_port
from towpath_cli.speech import fail


def port_or_free(port: int, option: str) -> int:
    """Return `port` if nothing listens there, a free one for 0; else end the command."""
    if port == 0:
        return free_port()
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            fail(f"port {port} is taken; stop what listens there, or give {option} another port (0 for any)")
    return port
