"""The one door to Qdrant: a server and the embedded one are asked alike, and a lost one is noticed once."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import structlog
from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from towpath_chassis.tasks import background

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.2
_NOT_FOUND = 404
_SERVERS_FAULT = 500

Answer = TypeVar("Answer")


class QdrantError(Exception):
    """The root of what Qdrant can say."""


class QdrantLostError(QdrantError):
    """Qdrant is not there, or could not do it now; a write may have been done."""


class CollectionMissingError(QdrantError):
    """The collection, or the point, that was asked for is not there."""


class QdrantRefusedError(QdrantError):
    """Qdrant takes no such request, today or tomorrow."""


class QdrantDoor:
    """Asks Qdrant; made by `qdrant_door`.

    Attributes:
        client: Makes the questions that `ask` asks.
        available: Whether Qdrant answered when it was asked last.
        losses: How often it was lost.
    """

    def __init__(self, client: AsyncQdrantClient) -> None:
        self.client = client
        self.available = True
        self.losses = 0
        self._changed = asyncio.Event()

    async def ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        """Ask one question, a call of the client's.

        Raises:
            QdrantLostError: If Qdrant is lost.
            CollectionMissingError: If there is no such collection.
            QdrantRefusedError: If it takes no such question.
        """
        try:
            return await question
        except UnexpectedResponse as error:
            raise self._meaning(error) from error
        except (ApiException, OSError) as error:
            self._lose(error)
            raise QdrantLostError(f"Qdrant is lost: {error!r}") from error

    async def until_back(self) -> None:
        """Return once Qdrant answers."""
        while not self.available:
            self._changed.clear()
            await self._changed.wait()

    async def serve(self) -> None:
        """See, for ever, when a lost Qdrant is back."""
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            if not self.available:
                with suppress(ApiException, OSError):
                    await self.client.get_collections()
                    self._find()

    def _meaning(self, error: UnexpectedResponse) -> QdrantError:
        said = error.content.decode(errors="replace")[:500]
        if error.status_code == _NOT_FOUND:
            return CollectionMissingError(said)
        if error.status_code is not None and error.status_code < _SERVERS_FAULT:
            return QdrantRefusedError(said)
        self._lose(error)
        return QdrantLostError(said)

    def _lose(self, error: Exception) -> None:
        if self.available:
            self.available, self.losses = False, self.losses + 1
            log.warning("qdrant is lost", reason=repr(error))

    def _find(self) -> None:
        self.available = True
        self._changed.set()
        log.info("qdrant is back")


@asynccontextmanager
async def qdrant_door(url: str, *, within_s: float) -> AsyncGenerator[QdrantDoor]:
    """Open the door until the end of the block, whether Qdrant is there or not."""
    client = AsyncQdrantClient(url, timeout=max(1, round(within_s)), check_compatibility=False)
    door = QdrantDoor(client)
    try:
        async with background(door.serve, name="qdrant"):
            yield door
    finally:
        await client.close()
