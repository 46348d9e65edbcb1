"""One Redis server in a simulated network: connections, and what happens when it is paused or killed."""

import asyncio
from typing import Any

from towpath_testkit.redis_model.store import Store
from towpath_testkit.redis_model.values import OK, NotModelledError, RedisRefusedError, written
from towpath_testkit.simulated_network import SimulatedNetwork
from towpath_testkit.virtual_time import EPOCH_S

_CRLF = b"\r\n"
_GREETING: dict[bytes, Any] = {
    b"server": b"redis",
    b"version": b"8.0.0",
    b"proto": 3,
    b"role": b"master",
    b"modules": [],
}


class RedisServer:
    """One server; `start` lets it listen on `url`.

    Attributes:
        store: What it keeps, for a look from outside.
        is_up: Whether it runs, be it paused.
        is_paused: Whether it does nothing until it is resumed.
    """

    def __init__(self, network: SimulatedNetwork, *, host: str = "redis", port: int = 6379) -> None:
        self.url = f"redis://{host}:{port}/0"
        self.store = Store(lambda: (EPOCH_S + network.loop.time()) * 1_000)
        self.sessions: dict[Session, None] = {}
        self.is_up = False
        self.is_paused = False
        self._network = network
        self._address = host, port

    def start(self) -> None:
        """Listen, with what is in the store."""
        self.is_up = True
        self._network.listen(*self._address, lambda: Session(self))

    def kill(self) -> None:
        """End as `kill -9` does; what is left in the store is for the caller to say."""
        self.is_up = self.is_paused = False
        self._network.close(*self._address)
        self.store.forget_scripts()
        for session in list(self.sessions):
            session.drop()

    def pause(self) -> None:
        """Do nothing for a while, as SIGSTOP does: connections stand, nobody is heard."""
        self.is_paused = True

    def resume(self) -> None:
        """Go on with what came meanwhile."""
        self.is_paused = False
        for session in list(self.sessions):
            session.read()


class Session(asyncio.Protocol):
    """One client's connection: commands come as lists of strings, and are answered in their order."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.sessions[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Notice that the client is gone."""
        self._transport = None
        self._server.sessions.pop(self, None)

    def drop(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def data_received(self, data: bytes) -> None:
        """Take what the client says."""
        self._unread += data
        self.read()

    def read(self) -> None:
        """Do what the client has said whole, unless the server is paused."""
        answers: list[bytes] = []
        while not self._server.is_paused and (command := self._next()) is not None:
            answers.append(written(self._done(command)))
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _next(self) -> list[bytes] | None:
        """Read one command; None if it is not there whole."""
        line, end, rest = self._unread.partition(_CRLF)
        if not end:
            return None
        command: list[bytes] = []
        for _ in range(int(line[1:])):
            line, end, rest = rest.partition(_CRLF)
            size = int(line[1:]) if end else 0
            if not end or len(rest) < size + len(_CRLF):
                return None
            command.append(rest[:size])
            rest = rest[size + len(_CRLF) :]
        self._unread = rest
        return command

    def _done(self, command: list[bytes]) -> Any:
        match command[0].upper(), command[1:]:
            case b"HELLO", [b"3"]:
                return _GREETING
            case b"HELLO", _:
                raise NotModelledError(f"a client that says {command}")
            case b"CLIENT", _:
                return OK
            case _:
                return self._done_in_store(command)

    def _done_in_store(self, command: list[bytes]) -> Any:
        try:
            return self._server.store.do(*command)
        except RedisRefusedError as refusal:
            return refusal
