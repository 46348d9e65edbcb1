"""`towpath mcp`: the tools of an app, for every program that speaks MCP."""

import sys
from collections.abc import Coroutine
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from towpath.runtime.loading import load_app, service_name
from towpath_cli.speech import carry_out, fail


def mcp(
    app: Annotated[str, typer.Argument(help="The app: a module, or a Python file.")],
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Serve over HTTP, at /mcp, and not on standard input and output."
        ),
    ] = None,
) -> None:
    """Serve the tools of an app as an MCP server; a tool that wants a person's yes is refused."""
    carry_out(_serve(app, http))


async def _serve(app: str, http: str | None) -> None:
    with redirect_stdout(sys.stderr):  # standard output is for the protocol
        load_app(app)
    await _serving(service_name(app), http)


def _serving(name: str, http: str | None) -> Coroutine[Any, Any, None]:
    try:
        from towpath.serving.mcp_server import registered_tools, serve_http, serve_stdio  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fail(f"towpath mcp needs the mcp library ({error}); install towpath[mcp]")
    tools = registered_tools()
    if http is None:
        return serve_stdio(tools, name)
    host, _, port = http.rpartition(":")
    if not host or not port.isdigit():
        fail(f"--http {http}: write HOST:PORT, such as 127.0.0.1:8000")
    return serve_http(tools, host, int(port), name)
