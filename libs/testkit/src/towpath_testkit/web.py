"""Web apps on a free port of this machine, in the event loop of the test."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import uvicorn


class WebServer(uvicorn.Server):
    """A server inside a program that has signal handlers of its own.

    Attributes:
        port: Where it listens.
    """

    port: int

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to whoever runs the loop."""
        yield


@asynccontextmanager
async def serving(app: Any, port: int = 0, *, lifespan: Literal["on", "off"] = "on") -> AsyncGenerator[str]:
    """Serve an ASGI app until the end of the block; yields its address.

    Args:
        app: The app.
        port: Where it listens; a free port if not given.
        lifespan: Whether the app is told when it begins and ends.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            app, log_level="critical", lifespan=lifespan, ws="none", timeout_graceful_shutdown=0
        )
        server = WebServer(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                if running.done():
                    await running
                await asyncio.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
