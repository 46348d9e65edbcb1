"""Questions that any entity-store answers: asked until one does."""

import asyncio

from towpath_chassis.errors import NoResponderError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked

_AGAIN_AFTER_S = 0.2
_READ_WITHIN_S = 30.0
_ERASED_WITHIN_S = 120.0


class NatsQuestions:
    """Asks about entities and memories; whoever reads what is committed changes nothing, and may ask again."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def read_entity(self, asked: InvocationRequested) -> Answered:
        """Have a shared method executed."""
        return Answered.from_body(await self._asked(asked.entity.readings, asked.to_body(), _READ_WITHIN_S))

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        """Ask about memories; see `MemoryIndex.ask_memory`."""
        subject = subjects.memory_question(asked.tenant)
        return MemoriesFound.from_body(await self._asked(subject, asked.to_body(), _READ_WITHIN_S))

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        """Have memories erased; see `MemoryIndex.erase_memory`."""
        subject = subjects.memory_erasure(asked.attribution.tenant)
        return ErasureDone.from_body(await self._asked(subject, asked.to_body(), _ERASED_WITHIN_S))

    async def _asked(self, subject: str, body: bytes, within_s: float) -> bytes:
        while True:
            try:
                return (await self._js.request(subject, body, within_s=within_s)).data
            except (NoResponderError, UnconfirmedError):
                await asyncio.sleep(_AGAIN_AFTER_S)
