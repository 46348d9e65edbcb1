"""Connections to MCP servers: one for each server and event loop, made again when the server has come back."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from mcp import Client, MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, REQUEST_TIMEOUT, CallToolResult, Tool as ListedTool

from towpath.errors import ComponentError, UnavailableError
from towpath.tools.mcp.servers import McpServer
from towpath.tools.mcp.wires import watched
from towpath_schemas.failure import Failure

T = TypeVar("T")

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0
_FAREWELL_S = 10.0
"""Seconds that a server has to take leave; one that was started here gets its signals meanwhile."""
_MAX_PAGES = 100


class _Link:
    """One connection from its opening to its end, held open by a task of its own.

    The library ties a connection to the task that opens it. Whoever uses it belongs to some run; this task does not.
    """

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._ended = asyncio.Event()
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self._task = asyncio.get_running_loop().create_task(self._hold(), context=contextvars.Context())

    @property
    def is_up(self) -> bool:
        return not self._ended.is_set()

    async def client(self) -> Client:
        return await asyncio.shield(self._opened)

    async def _hold(self) -> None:
        try:
            mode = "legacy" if self._server.wire == "sse" else "auto"
            async with Client(watched(self._server, self._ended.set), mode=mode) as client:
                self._opened.set_result(client)
                await self._ended.wait()
        except BaseException as error:
            self.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._ended.set()
            if not self._opened.done():
                why = self.error if isinstance(self.error, Exception) else None
                self._opened.set_exception(why or UnavailableError(f"MCP server {self._server} has gone"))
                self._opened.exception()  # those who wait are told; there may be nobody

    async def end(self) -> None:
        """Close it, and wait until it is closed; what went wrong with it is in `error`."""
        self._ended.set()
        _, pending = await asyncio.wait([self._task], timeout=_FAREWELL_S)
        if pending:  # the server does not take leave
            self._task.cancel()
            await asyncio.wait([self._task])


class Connection:
    """A server, as long as somebody uses it; it may go and come back.

    Args:
        server: Which one.
    """

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._link: _Link | None = None
        self._opening = asyncio.Lock()
        self.users: set[object] = set()

    async def listed(self, *, timeout_s: float) -> list[ListedTool]:
        """List the tools of the server.

        Raises:
            UnavailableError: If it is not there.
            TimeoutError: If it does not answer.
            ComponentError: If it refuses.
        """

        async def listing(client: Client) -> list[ListedTool]:
            found: list[ListedTool] = []
            cursor: str | None = None
            for _ in range(_MAX_PAGES):
                page = await client.list_tools(cursor=cursor, cache_mode="refresh")
                found += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    break
            return found

        return await self._asked(listing, "the list of its tools", timeout_s=timeout_s, repeatable=True)

    async def called(
        self, name: str, arguments: dict[str, Any], *, timeout_s: float, repeatable: bool
    ) -> CallToolResult:
        """Call a tool of the server, once; again only where the call cannot have begun, or may be repeated.

        Raises:
            UnavailableError: If it is not there, or went away before it answered.
            TimeoutError: If it does not answer in time.
            ComponentError: If it refuses.
        """

        async def calling(client: Client) -> CallToolResult:
            return await client.call_tool(name, arguments)

        return await self._asked(calling, repr(name), timeout_s=timeout_s, repeatable=repeatable)

    async def _asked(
        self, ask: Callable[[Client], Awaitable[T]], what: str, *, timeout_s: float, repeatable: bool
    ) -> T:
        """Ask, and once more over another connection where that can do no harm."""
        for last in (False, True):
            link = await self._up()
            try:
                return await self._answer(await link.client(), ask, what, timeout_s)
            except MCPError as lost:
                await link.end()
                if last or not (repeatable or _never_arrived(lost, link.error)):
                    raise UnavailableError(
                        f"MCP server {self._server} went away before it answered; whether {what} was done is unknown"
                    ) from lost
        raise AssertionError  # the second round returns or raises

    async def _answer(
        self, client: Client, ask: Callable[[Client], Awaitable[T]], what: str, timeout_s: float
    ) -> T:
        """Wait for an answer; only an error of the connection itself is left as it is."""
        late = f"MCP server {self._server}: no answer to {what} in {timeout_s:g} s"
        try:
            async with asyncio.timeout(timeout_s):
                return await ask(client)
        except TimeoutError as error:
            raise TimeoutError(late) from error
        except MCPError as error:
            if _is_lost(error):
                raise
            if error.code == REQUEST_TIMEOUT:
                raise TimeoutError(late) from error
            message = f"MCP server {self._server} refused {what}: {error}"
            raise ComponentError(Failure(code="user_error", message=message)) from error

    async def _up(self) -> _Link:
        """Return a connection that is up, opening one if need be; a server that is being restarted is waited for."""
        async with self._opening:
            if self._link is not None and self._link.is_up:
                return self._link
            if self._link is not None:
                await self._link.end()
            self._link = await self._open()
            return self._link

    async def _open(self) -> _Link:
        until = asyncio.get_running_loop().time() + self._server.connect_timeout_s
        wait_s = _FIRST_WAIT_S
        while True:
            link = _Link(self._server)
            try:
                async with asyncio.timeout_at(until):
                    await link.client()
            except Exception as error:  # the library wraps what went wrong in many ways
                await link.end()
                if asyncio.get_running_loop().time() + wait_s >= until:
                    raise UnavailableError(
                        f"MCP server {self._server} cannot be reached: {_reason(error)}; start it, or correct its address"
                    ) from error
            else:
                return link
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def close(self) -> None:
        """Close the connection; the next call opens it again."""
        async with self._opening:
            if self._link is not None:
                await self._link.end()
            self._link = None


_connections: dict[asyncio.AbstractEventLoop, dict[McpServer, Connection]] = {}


def connection_to(server: McpServer, user: object) -> Connection:
    """Return the connection to a server in this event loop, which `user` uses from now on."""
    for loop in [loop for loop in _connections if loop.is_closed()]:
        del _connections[loop]
    here = _connections.setdefault(asyncio.get_running_loop(), {})
    connection = here.setdefault(server, Connection(server))
    connection.users.add(user)
    return connection


async def close_connection(server: McpServer, user: object) -> None:
    """Close the connections to a server, in whatever loop, unless others than `user` use them."""
    for loop, here in [*_connections.items()]:
        connection = here.get(server)
        if connection is None:
            continue
        connection.users.discard(user)
        if not connection.users:
            del here[server]
            await _in(loop, connection.close())


async def _in(loop: asyncio.AbstractEventLoop, code: Coroutine[Any, Any, None]) -> None:
    """Run code in the loop that it belongs to; in one that has ended there is nothing left to run it for."""
    if loop is asyncio.get_running_loop():
        await code
    elif loop.is_running():
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(code, loop))
    else:
        code.close()


def _is_lost(error: MCPError) -> bool:
    """Tell whether an error is about the connection, and not about what was asked."""
    return error.code == CONNECTION_CLOSED or _is_forgotten(error)


def _is_forgotten(error: MCPError) -> bool:
    """Tell whether the server does not know the session any more: it was started anew."""
    return error.code == INVALID_REQUEST and "session" in error.message.lower()


def _never_arrived(error: MCPError, cause: BaseException | None) -> bool:
    """Tell whether a request cannot have reached the server's tool."""
    return _is_forgotten(error) or any(type(one).__name__ in _NOT_SENT for one in _leaves(cause))


_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""What an HTTP client says when nobody listens, by name: the client is the library's affair."""


def _leaves(error: BaseException | None) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for one in group.exceptions for leaf in _leaves(one)]
    return [] if error is None else [error]


def _reason(error: BaseException) -> str:
    first = next(iter(_leaves(error)), error)
    return str(first) or type(first).__name__
