"""Memories, as a program that is no part of the platform reaches them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog

from towpath.context import Context
from towpath.entity_handle import EntityHandle
from towpath.errors import UnavailableError
from towpath.memory.memory import Memory
from towpath.remembering.asking import Erasing, MemoryIndex, answers_of
from towpath.remembering.embedding import Meaning
from towpath.remembering.shelf import Logging, Shelf
from towpath.remembering.whose import Owner
from towpath_schemas.attribution import Attribution
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked

log = structlog.get_logger(__name__)

T = TypeVar("T")


class ClientMemory(Memory):
    """Memories that are reached through a client.

    They are kept and searched by the platform; what is searched for is embedded here, and a strategy of
    `ingest_from_session` that asks a model asks it from here.
    """

    def __init__(self, reached: "Reached", **said: Any) -> None:
        super().__init__(**said)
        self._reached = reached

    def _shelf_of(self, running: Context | None, said: Owner) -> Shelf:
        within = self._within(self._reached.attribution, said)
        return Shelf(self._reached, within, self.service.meaning(self._reached))


class Reached:
    """What memories need of a context, of a client."""

    def __init__(
        self,
        attribution: Attribution,
        entity: Callable[[str, str], EntityHandle],
        index: MemoryIndex,
        within_s: float,
    ) -> None:
        self.attribution = attribution
        self.logger: Logging = log
        self._entity = entity
        self._index = index
        self._within_s = within_s

    def entity(self, entity_type: str, key: str) -> EntityHandle:
        """Name an entity of the platform."""
        return self._entity(entity_type, key)

    def ask_memory(
        self, asked: Sequence[MemoryAsked], meaning: Meaning | None
    ) -> Coroutine[Any, Any, dict[str, MemoriesFound]]:
        """Ask about memories of the platform."""
        return self._in_time(answers_of(self._index, asked, meaning))

    def erase_memory(
        self, namespace: str | None, user_id: str | None, reason: str | None
    ) -> Coroutine[Any, Any, ErasureDone]:
        """Erase memories of the platform."""
        by = self.attribution
        asked = ErasureAsked(namespace=namespace, user_id=user_id, reason=reason, attribution=by)
        return self._in_time(Erasing(self._index, asked).done())

    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a setting."""
        return read()

    async def _in_time(self, act: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._within_s):
                return await act
        except TimeoutError as error:
            raise UnavailableError(
                f"no entity-store answered within {self._within_s:g} s; see that one runs"
            ) from error
