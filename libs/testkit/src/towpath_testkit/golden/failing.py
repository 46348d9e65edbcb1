"""What the code of the golden histories says of what fails, or takes too long."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from towpath.errors import ComponentError

_tried: list[str] = []


def is_away(place: str) -> bool:
    """Tell that a place is away, every other time."""
    _tried.append(place)
    return _tried.count(place) % 2 == 1


def fails_at_first(place: str) -> str:
    """Fail while a place is away."""
    if is_away(place):
        raise ConnectionError(f"{place} does not answer")
    return place


async def failure_code(failing: Awaitable[Any]) -> str:
    """Say how something fails."""
    try:
        await failing
    except ComponentError as error:
        return error.failure.code
    return "it does not fail"


async def given_up(lasting: Awaitable[Any]) -> bool:
    """Do without something, unless it comes soon; tell whether it did not."""
    try:
        async with asyncio.timeout(5):
            await lasting
    except TimeoutError:
        return True
    return False
