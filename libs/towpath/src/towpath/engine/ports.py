"""What the engine needs of whoever hosts a run: where its records are written, and how its acts reach others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random, SystemRandom
from typing import Any, NamedTuple, Protocol

from towpath.errors import TowpathError
from towpath.remembering.asking import MemoryIndex
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.journal import CallIntended

Clock = Callable[[], float]
"""Tells the time, in seconds since 1970."""

Sleep = Callable[[float], Awaitable[None]]
"""Waits, in memory, for so many seconds of that time: before another attempt, or for a moment that is near."""

Chance = Callable[[str], Random]
"""Gives the random numbers of the act at a key."""

_SYSTEM_RANDOM = SystemRandom()


def system_clock() -> float:
    """Tell the time of this machine."""
    return time.time()


def system_chance(_key: str) -> Random:
    """Give random numbers that nobody can foretell."""
    return _SYSTEM_RANDOM


class Outside(NamedTuple):
    """What the code of a call takes from outside of itself; tests give it their own.

    Attributes:
        chance: Gives the random numbers of an attempt; its key is the run, the place of the call in it, and the number.
        traceparent: Trace context of the span in which it is executed, if there is one.
    """

    clock: Clock = system_clock
    sleep: Sleep = asyncio.sleep
    chance: Chance = system_chance
    traceparent: str | None = None


class ClaimLostError(TowpathError):
    """Somebody else owns the run now; nothing of it may be done here any more."""


class Entries(Protocol):
    """Where a run's records are written; `Journal` on the platform."""

    async def append(self, number: int, body: bytes) -> None:
        """Write one entry.

        Raises:
            ClaimLostError: If the run is not ours any more.
        """
        ...

    async def are_ours(self) -> bool:
        """Tell whether nobody else has taken the run by now."""
        ...


class Entities(MemoryIndex, Protocol):
    """How code that is no run of its own calls entities, and asks about memories: in a function, a tool, or a method of another entity."""

    async def invoke(self, asked: InvocationRequested) -> Answered:
        """Have a method executed that may write, once for each invocation id, and wait for the outcome."""
        ...

    async def read(self, asked: InvocationRequested) -> Answered:
        """Have a shared method executed, on what is committed."""
        ...


class Outbox(MemoryIndex, Protocol):
    """How what a run intends reaches those who do it. Sending one intent twice is harmless: its id is derived."""

    async def send(self, intent: CallIntended) -> Answered | None:
        """Command what a journaled intent says, and arm the alarm for its `until`.

        Returns:
            The answer, if there is one at once: it was refused.
        """
        ...

    async def disarm(self, intent: CallIntended) -> None:
        """Remove the alarm of an intent that has ended."""
        ...

    async def read(self, intent: CallIntended) -> Answered:
        """Ask a shared method of an entity, which changes nothing and so may be asked again."""
        ...

    async def emit(self, signal_id: str, name: str, payload: Any, run_id: str | None) -> None:
        """Send a signal to one run, or to all of the tenant that wait for it."""
        ...

    async def tell_chunk(
        self, index: int, chunk: Any, attempt: int = 1, *, key: str | None = None, piece: int | None = None
    ) -> None:
        """Show what the run streams to whoever watches; telling it twice is harmless.

        Args:
            index: The number of the chunk, from 0.
            chunk: JSON.
            attempt: In which attempt it was said; see `towpath.telling`.
            key: Place in the run of what streams; None for its component.
            piece: Of a piece of a chunk that is still to come, which it is; it may get lost.
        """
        ...

    async def cancel(self, run_id: str, event_id: str, reason: str | None) -> None:
        """Ask a child run to end."""
        ...
