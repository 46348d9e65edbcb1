"""How questions are put to an index of memories: as of one moment, and until what is to be erased is gone."""

from collections.abc import Iterator

import pytest

from towpath.errors import ComponentError
from towpath.remembering.asking import Erasing, answers_of
from towpath.remembering.embedding import Meaning
from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked, Namespace

LATER = Failure(code="unavailable", message="some may be left", retryable=True)
OTHERS = Failure(code="other_embeddings", message="cannot be compared")
ASKED = ErasureAsked(user_id="ada", attribution=Attribution(tenant="acme"))


class Index:
    """Answers what it is told to, one after the other, and keeps what it was asked."""

    def __init__(self, *answers: MemoriesFound | ErasureDone) -> None:
        self.asked: list[MemoryAsked] = []
        self._answers: Iterator[MemoriesFound | ErasureDone] = iter(answers)

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        self.asked.append(asked)
        answer = next(self._answers)
        assert isinstance(answer, MemoriesFound)
        return answer

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        answer = next(self._answers)
        assert isinstance(answer, ErasureDone)
        return answer


def questions(*users: str, as_of: int | None = None) -> list[MemoryAsked]:
    return [
        MemoryAsked(
            tenant="acme",
            namespace=Namespace("shop", user).written,
            question="search",
            text="tea",
            as_of=as_of,
        )
        for user in users
    ]


async def test_all_namespaces_are_asked_as_of_the_moment_of_the_first() -> None:
    index = Index(MemoriesFound(as_of=7), MemoriesFound(as_of=7))

    answers = await answers_of(index, questions("ada", "bob"), None)

    assert [*answers] == ["app/shop/user/ada", "app/shop/user/bob"]
    assert [one.as_of for one in index.asked] == [None, 7]


async def test_a_moment_that_is_asked_for_stays() -> None:
    index = Index(MemoriesFound(as_of=3), MemoriesFound(as_of=3))

    await answers_of(index, questions("ada", "bob", as_of=3), None)

    assert [one.as_of for one in index.asked] == [3, 3]


async def test_the_vector_of_a_question_is_made_once_for_all() -> None:
    index = Index(MemoriesFound(), MemoriesFound())

    await answers_of(index, questions("ada", "bob"), Meaning("test/words", hybrid=True))

    assert {one.model for one in index.asked} == {"test/words"}
    assert len({one.vector for one in index.asked}) == 1
    assert all(one.hybrid for one in index.asked)


async def test_a_namespace_that_cannot_be_compared_does_not_hide_the_others() -> None:
    index = Index(MemoriesFound(failure=OTHERS), MemoriesFound(as_of=9))

    answers = await answers_of(index, questions("ada", "bob"), None)

    assert [answer.failure for answer in answers.values()] == [OTHERS, None]
    assert index.asked[1].as_of is None


async def test_an_index_that_cannot_answer_is_a_failure() -> None:
    with pytest.raises(ComponentError, match="some may be left"):
        await answers_of(Index(MemoriesFound(failure=LATER)), questions("ada"), None)


async def test_an_erasure_goes_on_until_nothing_is_left_and_counts_it_all() -> None:
    index = Index(
        ErasureDone(items=3, records=5, points=4, failure=LATER),
        ErasureDone(items=1, records=1, points=2, entry="journal-1"),
    )

    done = await Erasing(index, ASKED).done()

    assert done == ErasureDone(items=4, records=6, points=6, entry="journal-1")


async def test_an_erasure_that_comes_no_further_fails_and_may_go_on_later() -> None:
    index = Index(ErasureDone(items=3, failure=LATER), ErasureDone(failure=LATER), ErasureDone(items=2))
    erasing = Erasing(index, ASKED)

    with pytest.raises(ComponentError, match="some may be left"):
        await erasing.done()

    assert (await erasing.done()).items == 5
