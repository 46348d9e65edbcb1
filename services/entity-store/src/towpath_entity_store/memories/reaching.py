"""How far the index is: an answer waits until it has everything that was committed when the question came."""

import asyncio
from typing import NamedTuple

from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.memory import MEMORY_TYPE
from towpath_schemas.streams import JOURNAL, MEMORY_INDEX

CONSUMER = f"{JOURNAL.name}.{MEMORY_INDEX}"
_RECORDS = subjects.entity_logs_of_type(MEMORY_TYPE)
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05


class Reached(NamedTuple):
    """How far the index is.

    Attributes:
        sequence: It has every record of the journal up to this one.
        folded: The last of them that was one of a memory, so that what has the same has the same index.
    """

    sequence: int
    folded: int


class Reaching:
    """Tells up to which record the index is complete. Who asks at the same time is answered together."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self._waiting: list[asyncio.Future[Reached]] = []
        self._stirred = asyncio.Event()
        self._none_up_to = 0

    async def now(self) -> Reached:
        """Return once the index has everything that is committed by now."""
        asked: asyncio.Future[Reached] = asyncio.get_running_loop().create_future()
        self._waiting.append(asked)
        self._stirred.set()
        return await asked

    async def serve(self) -> None:
        """Answer, for ever."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            asked, self._waiting = self._waiting, []
            try:
                reached = await self._reached()
            except Exception:
                self._waiting = [*asked, *self._waiting]
                self._stirred.set()
                raise
            for one in asked:
                if not one.done():
                    one.set_result(reached)

    async def floor(self) -> int | None:
        """Tell up to which record everything was acknowledged by now; None where there is no consumer."""
        info = await self._js.info(f"CONSUMER.INFO.{CONSUMER}")
        return None if info is None else int(info["ack_floor"]["stream_seq"])

    async def _reached(self) -> Reached:
        newest, pause_s = await self._js.last_sequence(JOURNAL), _FIRST_PAUSE_S
        while True:
            info = await self._js.info(f"CONSUMER.INFO.{CONSUMER}")
            if info is not None:
                delivered, floor = info["delivered"]["stream_seq"], info["ack_floor"]["stream_seq"]
                idle = not (info["num_pending"] or info["num_ack_pending"])
                if floor >= newest or (idle and not await self._more(delivered, newest)):
                    return Reached(max(newest, floor), floor)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _more(self, delivered: int, newest: int) -> bool:
        """Tell whether the log has a record that the consumer does not know of yet, and that is not after `newest`.

        The broker tells a consumer of a record a moment after it told the record's writer that it is stored.
        """
        start = max(delivered, self._none_up_to) + 1
        if start > newest:
            return False
        found = await self._js.following(JOURNAL, _RECORDS, start=start, limit=1, whole=False)
        if found and found[0].sequence <= newest:
            return True
        self._none_up_to = newest
        return False
