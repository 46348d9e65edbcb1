"""Health over HTTP: /healthz says the process is not stuck, /readyz that it can do its work now."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import orjson

Check = Callable[[], bool]

_REQUEST_WITHIN_S = 5.0


class Health:
    """Named checks, all of which must hold for the process to be ready."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._details: dict[str, Callable[[], object]] = {}

    def add(self, name: str, check: Check) -> None:
        """Add a check; it is asked at every request and must not block."""
        self._checks[name] = check

    def add_detail(self, name: str, tell: Callable[[], object]) -> None:
        """Add what people want to know beside; it is asked at every request, must not block, and is written as JSON."""
        self._details[name] = tell

    def failing(self) -> list[str]:
        """Name the checks that do not hold."""
        return [name for name, check in self._checks.items() if not check()]

    def answer(self, path: str) -> tuple[int, dict[str, object]]:
        """Answer a request for `path` with a status and a body."""
        match path:
            case "/healthz":
                return 200, {"status": "ok"}
            case "/readyz":
                details = {name: tell() for name, tell in self._details.items()}
                failing = self.failing()
                if failing:
                    return 503, {"status": "not ready", "failing": failing, **details}
                return 200, {"status": "ok", **details}
            case _:
                return 404, {"status": "not found", "paths": ["/healthz", "/readyz"]}


@asynccontextmanager
async def health_server(health: Health, host: str, port: int | None) -> AsyncGenerator[int | None]:
    """Serve `health`; yields the port, or None where none was asked for."""
    if port is None:
        yield None
        return
    server = await asyncio.start_server(_responder(health), host, port)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _responder(health: Health) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _REQUEST_WITHIN_S)
            target = request.split(b" ", 2)[1].decode("latin-1") if request.count(b" ") > 1 else ""
            status, body = health.answer(target.partition("?")[0])
            writer.write(_http(status, orjson.dumps(body)))
            await writer.drain()
        writer.close()

    return respond


def _http(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} _\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + body
