"""Serve a directory of collections until told to end."""

import argparse
import signal
import sys
from pathlib import Path
from threading import Event, Thread
from types import FrameType

from towpath_cli.embedded.qdrant_edge.collections import Collections
from towpath_cli.embedded.qdrant_edge.server import QdrantHttpServer
from towpath_cli.embedded.store_lock import StoreInUseError

FLUSH_EVERY_S = 5.0  # as a Qdrant server does


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m towpath_cli.embedded.qdrant_edge", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, required=True, help="the port to listen on")
    parser.add_argument("--dir", type=Path, required=True, help="where the collections are kept")
    return parser.parse_args()


def _opened(arguments: argparse.Namespace) -> QdrantHttpServer:
    try:
        collections = Collections(arguments.dir)
        return QdrantHttpServer(arguments.host, arguments.port, collections)
    except (OSError, StoreInUseError) as obstacle:
        sys.exit(f"cannot serve {arguments.dir} on {arguments.host}:{arguments.port}: {obstacle}")


def _serve(server: QdrantHttpServer, end: Event) -> None:
    Thread(target=server.serve_forever, daemon=True).start()
    while not end.wait(FLUSH_EVERY_S):
        server.flush()
    server.close()  # the listening thread ends with the process: asking it to would take it half a second


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    end = Event()

    def ask_to_end(_number: int, _frame: FrameType | None) -> None:
        end.set()

    signal.signal(signal.SIGTERM, ask_to_end)
    signal.signal(signal.SIGINT, ask_to_end)
    _serve(_opened(_arguments()), end)


if __name__ == "__main__":
    main()
