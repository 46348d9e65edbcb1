"""The HTTP side: requests in, answers and errors out, in the shape a Qdrant server gives them."""

import json
import os
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, cast

from towpath_cli.embedded.qdrant_edge.collections import Collections
from towpath_cli.embedded.qdrant_edge.errors import MalformedError, QdrantError
from towpath_cli.embedded.qdrant_edge.fields import Json
from towpath_cli.embedded.qdrant_edge.routes import perform

# The interface this is a part of. Clients compare it with their own version, and warn if they are far apart.
REST_VERSION = "1.20.0"
GREETING: Json = {"title": "qdrant - vector search engine", "version": REST_VERSION, "commit": "embedded"}
HEALTH = {
    "/healthz": "healthz check passed",
    "/livez": "healthz check passed",
    "/readyz": "all shards are ready",
}


class QdrantHttpServer(ThreadingHTTPServer):
    """Serves collections, one request at a time: the engine keeps Python's global lock anyway."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, collections: Collections) -> None:
        super().__init__((host, port), _Request)
        self._collections, self._one_at_a_time = collections, Lock()

    def perform(self, method: str, address: str, body: Json) -> Any:
        """Do what a request asks for, when its turn comes."""
        with self._one_at_a_time:
            return perform(self._collections, method, address, body)

    def flush(self) -> None:
        """Make what was written survive a power cut."""
        with self._one_at_a_time:
            self._collections.flush()

    def close(self) -> None:
        """Finish the request at work, answer none after it, and close the collections."""
        self._one_at_a_time.acquire()  # never released: a request that still waits must not find them closed
        self._collections.close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # head and body leave in one packet
    server: QdrantHttpServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def version_string(self) -> str:
        # The process id tells this server from another that happens to have the port.
        return f"towpath-qdrant-edge (pid {os.getpid()})"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it)
        """Say nothing: the log is for what goes wrong."""

    def do_GET(self) -> None:
        address = self._address
        if address == "/":
            self._send(HTTPStatus.OK, GREETING)
        elif health := HEALTH.get(address):
            self._send(HTTPStatus.OK, health)
        else:
            self._perform()

    def do_PUT(self) -> None:
        self._perform()

    def do_POST(self) -> None:
        self._perform()

    def do_DELETE(self) -> None:
        self._perform()

    @property
    def _address(self) -> str:
        return self.path.partition("?")[0]

    def _perform(self) -> None:
        started = time.perf_counter()
        status, answer = self._outcome()
        self._send(status, {**answer, "time": time.perf_counter() - started})

    def _outcome(self) -> tuple[HTTPStatus, Json]:
        try:
            result = self.server.perform(self.command, self._address, self._body())
        except KeyError as missing:
            return _refusal(MalformedError(f"missing or unknown field {missing}"))
        except (AttributeError, TypeError, ValueError) as malformed:
            return _refusal(MalformedError(str(malformed)))
        except QdrantError as error:
            return _refusal(error)
        except OSError as error:
            return _refusal(QdrantError(f"Service internal error: {error}"))
        return HTTPStatus.OK, {"result": result, "status": "ok"}

    def _body(self) -> Json:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parsed: object = json.loads(body) if body else {}
        if not isinstance(parsed, dict):
            raise TypeError("expected an object")
        return cast("Json", parsed)

    def _send(self, status: HTTPStatus, answer: Json | str) -> None:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def _refusal(error: QdrantError) -> tuple[HTTPStatus, Json]:
    return error.status, {"status": {"error": str(error)}}
