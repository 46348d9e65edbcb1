"""Connecting to a broker that is not there goes on until it is told to end, and no longer."""

import asyncio
from typing import Any, NoReturn

import pytest

from towpath_chassis.service import connection


async def test_it_ends_though_it_is_told_so_in_the_moment_an_attempt_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: Any, **__: Any) -> NoReturn:
        connecting.cancel()
        raise ConnectionRefusedError

    async def connect() -> None:
        async with connection("nats://127.0.0.1:1", name="test"):
            pass

    monkeypatch.setattr(asyncio, "open_connection", refused)
    connecting = asyncio.create_task(connect())

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(connecting, 10)
