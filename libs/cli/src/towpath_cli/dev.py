"""`towpath dev`: a whole platform on this machine, from wheels alone, until Ctrl-C."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from towpath_chassis.logs import configure_logs
from towpath_chassis.settings import ServiceSettings
from towpath_cli.embedded import EmbeddedServer, NatsServer, QdrantServer, RedisServer, free_port
from towpath_cli.one_loop import in_one_loop
from towpath_cli.plan import ROLES, Plan
from towpath_cli.platform import Platform
from towpath_cli.ports import port_or_free
from towpath_cli.speech import carry_out, err, fail

_NATS_PORT, _HTTP_PORT = 4222, 8080


def dev(
    app: Annotated[str, typer.Argument(help="Your code: a file such as app.py, or a module.")],
    *,
    processes: Annotated[bool, typer.Option("--processes", help="One process for each service.")] = False,
    data: Annotated[Path | None, typer.Option(help="Where everything is kept; else nothing is.")] = None,
    http_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the gateway; 0: any.")
    ] = _HTTP_PORT,
    nats_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the broker; 0: any.")
    ] = _NATS_PORT,
) -> None:
    """Run the whole platform on this machine, with your code on it, until Ctrl-C."""
    if app.endswith(".py") and not Path(app).is_file():
        fail(f"there is no file {app}; name the file, or the module, that has your components")
    http, nats = port_or_free(http_port, "--http-port"), port_or_free(nats_port, "--nats-port")
    with tempfile.TemporaryDirectory(prefix="towpath-dev-") as temporary:
        directory = (data or Path(temporary)).resolve()
        carry_out(_dev(app, directory, http_port=http, nats_port=nats, processes=processes))


async def _dev(app: str, directory: Path, *, http_port: int, nats_port: int, processes: bool) -> None:
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    async with _standing(
        app, directory, http_port=http_port, nats_port=nats_port, processes=processes
    ) as plan:
        err.print(_ready(plan, processes=processes))
        await stopped.wait()
        err.print("draining")


@asynccontextmanager
async def _standing(
    app: str, directory: Path, *, http_port: int, nats_port: int, processes: bool
) -> AsyncGenerator[Plan]:
    nats = NatsServer(directory / "nats", port=nats_port)
    redis = RedisServer(directory / "redis")
    qdrant = QdrantServer(directory / "qdrant")
    for server in ("nats", "redis", "qdrant"):
        (directory / server).mkdir(parents=True, exist_ok=True)
    plan = Plan(
        app=app,
        nats_url=nats.url,
        redis_url=redis.url,
        qdrant_url=qdrant.url,
        directory=directory,
        http_port=http_port or free_port(),
    )
    async with AsyncExitStack() as stack:
        await _start(stack, nats, redis, qdrant)
        if processes:
            await stack.enter_async_context(Platform(plan))
        else:
            configure_logs(ServiceSettings(log_format="console"), service="dev")
            await stack.enter_async_context(in_one_loop(plan))
        yield plan


async def _start(stack: AsyncExitStack, *servers: EmbeddedServer) -> None:
    for server in servers:
        stack.push_async_callback(server.stop)
    await asyncio.gather(*(server.start() for server in servers))


def _ready(plan: Plan, *, processes: bool) -> Table:
    table = Table(title=f"towpath is ready for {plan.app}", show_header=False, box=None, title_justify="left")
    table.add_row("http", f"http://127.0.0.1:{plan.http_port}/docs")
    table.add_row("nats", plan.nats_url)
    table.add_row("redis", plan.redis_url)
    table.add_row("qdrant", plan.qdrant_url)
    table.add_row("services", f"{', '.join(ROLES)} ({'processes' if processes else 'in one loop'})")
    table.add_row("kept in", str(plan.directory))
    table.add_row("", "Ctrl-C stops it")
    return table
