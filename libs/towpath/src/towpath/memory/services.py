"""Where memories are kept, and by what they are found."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from towpath.context import Context
from towpath.context_services.logs import RunLog
from towpath.embeddings.port import Embedder
from towpath.entity_handle import EntityHandle
from towpath.local.entity_store import EntityStore
from towpath.local.local_context import LocalContext
from towpath.local.surroundings import Surroundings
from towpath.remembering.embedding import Meaning, default_model, name_of_model
from towpath.remembering.shelf import Remembering
from towpath_schemas.memory import ErasureDone, MemoriesFound, MemoryAsked


class MemoryService(ABC):
    """Where memories are kept, and by what they are found."""

    def reached_from(self, context: Context) -> Remembering:
        """Return what memories are read and written through, in a component of `context`."""
        return context

    @abstractmethod
    def meaning(self, context: Remembering) -> Meaning | None:
        """Tell by which embedding model memories are found; None for their words only."""


class VectorMemoryService(MemoryService):
    """Memories that last, found by their meaning.

    Args:
        embedding: The embedding model: its name, or an object that every process makes under the same name; the
            default model if not given.
        hybrid: Find them by their words, too; what has the words is found whatever its `min_score` is.
    """

    def __init__(self, embedding: str | Embedder | None = None, *, hybrid: bool = False) -> None:
        self._model = name_of_model(embedding)
        self._hybrid = hybrid

    def meaning(self, context: Remembering) -> Meaning:
        """Tell the embedding model; which one is the default is a setting, and replay repeats it."""
        return Meaning(self._model or context.remember("embedder", default_model), self._hybrid)


class DatabaseMemoryService(MemoryService):
    """Memories that last, found by their words; no model is asked.

    How well words match has no end that scores of all questions share, so a `min_score` leaves nothing out.
    """

    def meaning(self, context: Remembering) -> None:
        """Find them by their words only."""


class InMemoryMemoryService(VectorMemoryService):
    """Memories of this process, which end with it: for tests, and for trying things out.

    Args:
        embedding: As in `VectorMemoryService`.
        hybrid: As in `VectorMemoryService`.
    """

    def __init__(self, embedding: str | Embedder | None = None, *, hybrid: bool = False) -> None:
        super().__init__(embedding, hybrid=hybrid)
        self._entities = EntityStore()

    def reached_from(self, context: Context) -> Remembering:
        """Return what its memories are read and written through."""
        return _InProcess(context, self._entities)


class _InProcess:
    """Memories of this process, seen from a run: what is done with them is a step, so replay sees what the run saw."""

    def __init__(self, context: Context, entities: EntityStore) -> None:
        self.attribution = context.attribution
        self._context = context
        surroundings = Surroundings(entities=entities)
        self._local = LocalContext(attribution=context.attribution, surroundings=surroundings)

    @property
    def logger(self) -> RunLog:
        return self._context.logger

    def entity(self, entity_type: str, key: str) -> EntityHandle:
        def invoke(method: str, payload: Any) -> Coroutine[Any, Any, Any]:
            called = getattr(self._local.entity(entity_type, key), method)
            return self._context.step(f"memory:{method}", lambda: called(**payload))

        return EntityHandle(invoke)

    def ask_memory(
        self, asked: Sequence[MemoryAsked], meaning: Meaning | None
    ) -> Coroutine[Any, Any, dict[str, MemoriesFound]]:
        async def answers() -> dict[str, MemoriesFound]:
            return await self._local.ask_memory(asked, meaning)

        return self._context.step(f"memory:{asked[0].question}", answers)

    def erase_memory(
        self, namespace: str | None, user_id: str | None, reason: str | None
    ) -> Coroutine[Any, Any, ErasureDone]:
        async def done() -> ErasureDone:
            return await self._local.erase_memory(namespace, user_id, reason)

        return self._context.step("memory:erase", done)

    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        return self._context.remember(name, read)
