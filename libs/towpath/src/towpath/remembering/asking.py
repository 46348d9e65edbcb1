"""The port to the index of memories, and how a question is put to it."""

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from towpath.errors import ComponentError
from towpath.remembering.embedding import Meaning, with_vectors
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked


class MemoryIndex(Protocol):
    """Knows the memories of all entities, and what they were."""

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        """Answer from whatever was committed before the question."""
        ...

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        """Erase memories for good; asked again, it goes on where it stood."""
        ...


class MemoryPort(ABC):
    """What code of a run may ask about memories, whoever runs it; a part of `Context`."""

    @abstractmethod
    def ask_memory(
        self, asked: Sequence[MemoryAsked], meaning: Meaning | None
    ) -> Coroutine[Any, Any, dict[str, MemoriesFound]]:
        """Ask the same about memories of several namespaces, as one durable act: replay sees what the run saw.

        Args:
            asked: The question, for each of the namespaces.
            meaning: The embedding model by which they are found; its vector of the question is made in the act.

        Returns:
            What was found in each namespace.

        Raises:
            ComponentError: If it cannot be answered.
        """

    @abstractmethod
    def erase_memory(
        self, namespace: str | None, user_id: str | None, reason: str | None
    ) -> Coroutine[Any, Any, ErasureDone]:
        """Erase the memories of a namespace, or of a user, for good, as one durable act.

        Raises:
            ComponentError: If something may be left.
        """


async def answers_of(
    index: MemoryIndex, asked: Sequence[MemoryAsked], meaning: Meaning | None
) -> dict[str, MemoriesFound]:
    """Ask the same of several namespaces, as of one moment.

    Raises:
        ComponentError: If one of them cannot be asked. That nothing in a namespace can be compared is an answer, as
            others may be searched, too.
        InvalidInputError: If there is nothing in the question.
        ModelError: If it could not be embedded.
    """
    answers: dict[str, MemoriesFound] = {}
    moment: int | None = None
    for question in await with_vectors(asked, meaning):
        answer = await index.ask_memory(_at(question, moment))
        if answer.failure is not None and answer.failure.code != "other_embeddings":
            raise ComponentError(answer.failure)
        moment = answer.as_of or moment
        answers[question.namespace] = answer
    return answers


def _at(question: MemoryAsked, moment: int | None) -> MemoryAsked:
    unpinned = question.as_of is None and moment is not None
    return question.model_copy(update={"as_of": moment}) if unpinned else question


class Erasing:
    """An erasure that is asked for until nothing is left; what each answer tells is added up."""

    def __init__(self, index: MemoryIndex, asked: ErasureAsked) -> None:
        self._index = index
        self._asked = asked
        self._told: list[ErasureDone] = []

    async def done(self) -> ErasureDone:
        """Have it done, from where it stands.

        Raises:
            ComponentError: If something may be left, and nothing more was erased.
        """
        while True:
            told = await self._index.erase_memory(self._asked)
            self._told.append(told)
            if told.failure is None:
                return self._all()
            if not (told.items or told.records or told.points):
                raise ComponentError(told.failure)

    def _all(self) -> ErasureDone:
        counts = {
            name: sum(getattr(one, name) for one in self._told) for name in ("items", "records", "points")
        }
        return self._told[-1].model_copy(update=counts)
