"""Questions about the memories of this process, and their erasure."""

from collections.abc import Sequence

from towpath.local.calls import value_of
from towpath.local.surroundings import Surroundings
from towpath.models.port import DEFAULT_MODEL_RETRY
from towpath.remembering.asking import Erasing, MemoryIndex, answers_of
from towpath.remembering.embedding import Meaning
from towpath.retry import attempted
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked


class LocalMemoryActs:
    """Asks the memories that one context sees, as patiently as a model is asked: a question may have to be embedded."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def ask(self, asked: Sequence[MemoryAsked], meaning: Meaning | None) -> dict[str, MemoriesFound]:
        """Ask the same about several namespaces; see `Context.ask_memory`."""

        async def once(_attempt: int) -> dict[str, MemoriesFound]:
            return await answers_of(self._index, asked, meaning)

        return value_of(await attempted(once, DEFAULT_MODEL_RETRY, sleep=self._around.sleep))

    async def erase(self, asked: ErasureAsked) -> ErasureDone:
        """Erase memories; see `Context.erase_memory`."""
        erasing = Erasing(self._index, asked)

        async def once(_attempt: int) -> ErasureDone:
            return await erasing.done()

        return value_of(await attempted(once, DEFAULT_MODEL_RETRY, sleep=self._around.sleep))

    @property
    def _index(self) -> MemoryIndex:
        return self._around.memories or self._around.entities
