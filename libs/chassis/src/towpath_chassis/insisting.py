"""Asks the broker until it answers: for what must become known, however long the broker is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from towpath_chassis.errors import UnconfirmedError

_AGAIN_AFTER_S = 0.1

Answer = TypeVar("Answer")


async def until_answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and as long as no answer comes ask again; so whatever is asked for must bear to be done twice.

    Raises:
        BrokerError: If the answer says so, for it is one.
    """
    while True:
        try:
            return await ask()
        except UnconfirmedError:
            await asyncio.sleep(_AGAIN_AFTER_S)
