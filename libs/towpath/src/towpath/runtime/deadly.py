"""Finds out what ends its process again and again, and gives it up: out of memory, a crash of native code, `os._exit`.

Nobody sees the end of such a call or run; it is only delivered once more. Without a bound it would end every process
of a deployment, one after the other, with all that is done beside it. Those beside it are lost as often as it is, so
whatever was lost twice is a suspect: suspects begin one at a time, and only a beginning counts.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import takewhile

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import claim
from towpath_schemas import subjects
from towpath_schemas.failure import Failure
from towpath_schemas.journal import JournalRecord, RunResumed
from towpath_schemas.streams import JOURNAL

_ALONE_FOR_S = 10.0
_LOSSES_OF_A_SUSPECT = 2


def is_suspect(lost: int) -> bool:
    """Tell whether what was `lost` so often may be what ends its process."""
    return lost >= _LOSSES_OF_A_SUSPECT


class Quarantine:
    """Lets suspects begin one at a time in this process."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Wait until no other suspect is in its first seconds."""
        await self._one.acquire()
        leave = _Once(self._one)
        timer = asyncio.get_running_loop().call_later(_ALONE_FOR_S, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()


class _Once:
    """Releases a lock, once."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock: asyncio.Lock | None = lock

    def __call__(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def times_resumed(records: Iterable[JournalRecord]) -> int:
    """Count how often a run was taken up without one more entry in its journal since.

    Args:
        records: The journal's, the newest first.
    """
    return sum(1 for _ in takewhile(lambda record: isinstance(record, RunResumed), records))


async def begin_suspect(js: JetStream, call_id: str, runner: str, *, delivered: int) -> int:
    """Write down that a call is begun by its `delivered`th delivery; return how often it was before, as a suspect.

    Raises:
        UnconfirmedError: If the broker could not be asked.
    """
    begun = await js.newest_of_each(JOURNAL, subjects.claims_of(call_id))
    await claim(js, call_id, runner, epoch=delivered)
    return len(begun)


async def forget_suspect(js: JetStream, call_id: str) -> None:
    """Forget how often a call was begun: it has been answered."""
    with suppress(BrokerError):  # what is left says only how often it was begun
        await js.clear(JOURNAL, subjects.claims_of(call_id))


def deadly(what: str, times: int) -> Failure:
    """Say why `what` is not begun once more."""
    return Failure(
        code="deadly",
        message=f"{what} was begun {times} times in a row, and each time its process ended before it: look for the "
        "reason in the process' own log (out of memory, a crash of native code); TOWPATH_MAX_LOSSES sets how often",
    )
