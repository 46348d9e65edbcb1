"""The HTTP clients of this process: one for each event loop and server, closed with the loop."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import openai

from towpath.models.permission import check_real_models_allowed
from towpath.models.providers import Server
from towpath.settings import model_connect_timeout_s, model_timeout_s

_OF_OPENAI = ("OpenAI-Organization", "OpenAI-Project")
_OPENAI = re.compile(r"https://([a-z]+\.)?api\.openai\.com/")


class _Pool(NamedTuple):
    """The clients of a loop, and the generator that closes them: a loop ends its generators before it is closed."""

    clients: dict[Server, openai.AsyncOpenAI]
    closing: AsyncExitStack
    life: AsyncGenerator[AsyncExitStack]


_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool]" = WeakKeyDictionary()


async def client_of(server: Server, model: str) -> openai.AsyncOpenAI:
    """Return the loop's client of a server, to call `model`: connections are kept, and belong to their loop.

    Raises:
        ConfigurationError: If no real model may be called.
    """
    check_real_models_allowed(model)
    pool = await _pool()
    if server not in pool.clients:
        client = pool.clients[server] = _new_client(server)
        pool.closing.push_async_callback(client.close)
    return pool.clients[server]


async def close_clients() -> None:
    """Close the connections that the running loop holds, before its end."""
    pool = _pools.get(asyncio.get_running_loop())
    if pool is not None:
        await pool.life.aclose()


def timeout_of(timeout_s: float | None) -> openai.Timeout:
    """Say how long a request may take: to connect, and to be silent."""
    return openai.Timeout(timeout_s or model_timeout_s(), connect=model_connect_timeout_s())


async def _pool() -> _Pool:
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        _forget_closed_loops()
        life = _lifetime()
        pool = _pools[loop] = _Pool({}, await anext(life), life)
    return pool


async def _lifetime() -> AsyncGenerator[AsyncExitStack]:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as closing:
        try:
            yield closing
        finally:
            _pools.pop(loop, None)


def _forget_closed_loops() -> None:
    """Drop the pools of loops that were closed without ending their generators: nothing can be closed there any more."""
    for loop in [reference() for reference in _pools.keyrefs()]:
        if loop is not None and loop.is_closed():
            _pools.pop(loop, None)


def _new_client(server: Server) -> openai.AsyncOpenAI:
    if server.provider == "azure":
        return openai.AsyncAzureOpenAI(
            azure_endpoint=server.base_url,
            api_key=server.api_key,
            api_version=server.version,
            default_headers=_headers(server),
            max_retries=0,
        )
    return openai.AsyncOpenAI(
        base_url=server.base_url, api_key=server.api_key, default_headers=_headers(server), max_retries=0
    )


def _headers(server: Server) -> Any:
    """Return what is sent with each request; OpenAI's organisation and project are nobody else's business."""
    is_openai = _OPENAI.match(server.base_url) is not None
    unsaid = {} if is_openai else dict.fromkeys(_OF_OPENAI, openai.Omit())
    return {**unsaid, **dict(server.headers)}
