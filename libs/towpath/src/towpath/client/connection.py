"""The connection to a platform that all parts of the client share."""

import asyncio
import math
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from towpath.client.door import Door, door
from towpath.client.views import tenant_of
from towpath.errors import ConfigurationError, UnavailableError
from towpath.spans import at_most_s
from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection

DEFAULT_URL = "nats://127.0.0.1:4222"

_SCHEMES = ("nats", "tls", "ws", "wss")
_HTTP = ("http://", "https://")


class Connection:
    """One connection to a platform, open for as long as a block lasts."""

    def __init__(self, url: str = DEFAULT_URL, *, patience_s: float = 10.0) -> None:
        """Choose the platform.

        Args:
            url: Its broker.
            patience_s: Seconds to wait for a connection, and for each request to be taken; infinity is for ever.

        Raises:
            ConfigurationError: If the URL names no broker, or the patience is no time.
        """
        _refuse(url)
        within_s = at_most_s("patience_s", patience_s)
        self._url = url
        self._patience_s = math.inf if within_s is None else within_s
        self._open = AsyncExitStack()
        self._js: JetStream | None = None
        self._door: Door | None = None

    @classmethod
    def over(cls, js: JetStream, *, patience_s: float = 10.0) -> Self:
        """Make a client that uses a connection which somebody else opened, and leaves it open."""
        client = cls(patience_s=patience_s)
        client._js = js
        return client

    async def __aenter__(self) -> Self:
        try:
            if self._js is None:
                self._js = await self._connect()
            self._door = await self._open.enter_async_context(door(self._js))
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._js, self._door = None, None
        await self._open.aclose()

    async def _connect(self) -> JetStream:
        try:
            async with asyncio.timeout(self._patience_s):
                _, js = await self._open.enter_async_context(connection(self._url, name="towpath-client"))
        except (OSError, TimeoutError) as error:
            raise UnavailableError(
                f"no broker answers at {self._url}; start a platform with `towpath dev`, or name another broker"
            ) from error
        return js

    @property
    def _connected(self) -> JetStream:
        if self._js is None:
            raise RuntimeError("the client is not open; use `async with Client(...) as client`")
        return self._js

    @property
    def _opened(self) -> Door:
        if self._door is None:
            raise RuntimeError("the client is not open; use `async with Client(...) as client`")
        return self._door

    async def _tenant(self, run_id: str, said: str | None) -> str:
        """Tell whose a run is, where the caller did not say."""
        return said if said is not None else await tenant_of(self._connected, run_id)


def _refuse(url: object) -> None:
    """Refuse a URL that names no broker, about which the broker's client library would not say what is wrong."""
    said = url if isinstance(url, str) else ""
    if said.lower().startswith(_HTTP):
        raise ConfigurationError(
            f"{said!r} is where other programs talk HTTP with a platform; write the URL of its broker, such as {DEFAULT_URL}"
        )
    try:
        parts = urlsplit(said if "://" in said else f"nats://{said}")
        names_one = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        names_one = False
    if not names_one:
        raise ConfigurationError(f"{url!r} names no broker; write its URL as {DEFAULT_URL}")
