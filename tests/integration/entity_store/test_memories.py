"""Memories: what is written to their log is found at once, as it was at any time, and by nobody else."""

import math
from collections.abc import AsyncGenerator
from functools import partial
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from towpath_schemas import subjects
from towpath_schemas.entities import EntityName
from towpath_schemas.memory import ITEM, MEMORY_TYPE, MemoriesFound, MemoryAsked, Namespace
from towpath_testkit.dead_letters import all_letters
from towpath_testkit.memory_stage import TENANT, MemoryStage, memory_item, memory_stage

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]
_NUMBERS = count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncGenerator[MemoryStage]:
    async with memory_stage() as stage, stage.store():
        yield stage


@pytest.fixture
def ann() -> Namespace:
    """A namespace that no other test has."""
    return Namespace("shop", f"ann-{next(_NUMBERS)}")


def keys(answer: MemoriesFound) -> list[str]:
    assert answer.failure is None
    return [found.key for found in answer.found]


async def test_what_was_written_is_found_at_once(stage: MemoryStage, ann: Namespace) -> None:
    for number in range(20):
        towards = [1.0, number / 10]
        written = await stage.write(f"fact-{number}", f"number {number}", towards, namespace=ann, kind="fact")

        found = await stage.search(towards, namespace=ann, limit=1)

        (nearest,) = found.found
        assert (nearest.key, nearest.written, nearest.content) == (
            f"fact-{number}",
            written,
            f"number {number}",
        )
        assert nearest.score == pytest.approx(1.0, abs=1e-5)
        assert (nearest.metadata, nearest.stored_at, nearest.retired) == ({"kind": "fact"}, 1.5, None)
        assert found.as_of >= written


async def test_the_most_alike_come_first_and_the_least_alike_not_at_all(
    stage: MemoryStage, ann: Namespace
) -> None:
    for key, vector in (("north", NORTH), ("east", EAST), ("between", NORTH_EAST)):
        await stage.write(key, key, vector, namespace=ann)

    assert keys(await stage.search(EAST, namespace=ann)) == ["east", "between", "north"]
    assert keys(await stage.search(EAST, namespace=ann, min_score=0.5)) == ["east", "between"]
    assert keys(await stage.search(EAST, namespace=ann, limit=1)) == ["east"]


async def test_what_was_known_at_a_record_is_told_as_it_was_then(stage: MemoryStage, ann: Namespace) -> None:
    ask = partial(stage.search, EAST, namespace=ann)
    first = await stage.write("drink", "tea", EAST, namespace=ann)
    second = await stage.write("drink", "coffee", EAST, namespace=ann)
    third = await stage.forget("drink", namespace=ann)
    await stage.write("drink", "water", EAST, namespace=ann)

    answers = [await ask(as_of=as_of) for as_of in (first - 1, first, second, third, None)]

    contents = [[found.content for found in answer.found] for answer in answers]
    assert contents == [[], ["tea"], ["coffee"], [], ["water"]]
    assert [found.retired for answer in answers for found in answer.found] == [second, third, None]
    assert [answer.as_of for answer in answers[:4]] == [first - 1, first, second, third]


async def test_a_record_that_changes_nothing_retires_nothing(stage: MemoryStage, ann: Namespace) -> None:
    written = await stage.write("drink", "tea", EAST, namespace=ann)
    name = EntityName(TENANT, MEMORY_TYPE, ann.entity_key("drink"))
    for _ in range(3):
        await stage.commit(name)
    retired = await stage.forget("drink", namespace=ann)

    (then,) = (await stage.search(EAST, namespace=ann, as_of=retired - 1)).found

    assert (then.written, then.retired) == (written, retired)
    assert await stage.keys(namespace=ann) == []


async def test_nobody_finds_the_memories_of_another_user_application_or_tenant(stage: MemoryStage) -> None:
    spaces: list[dict[str, Any]] = [
        {"namespace": Namespace(app, user), "tenant": tenant}
        for app in ("desk", "desk/user/eve", "")
        for user in (None, "eve", "eve/x", "")
        for tenant in (TENANT, "other")
    ]
    for number, space in enumerate(spaces):
        await stage.write("fact", number, EAST, **space)

    for number, space in enumerate(spaces):
        found = (await stage.search(EAST, **space)).found
        assert [one.content for one in found] == [number]
        assert await stage.keys(**space) == ["fact"]


async def test_items_are_recalled_by_their_keys(stage: MemoryStage, ann: Namespace) -> None:
    for key in ("a", "b", 'a/b ü"', "", "user/x"):
        await stage.write(key, f"content of {key}", namespace=ann)

    asked = await stage.ask(namespace=ann, question="recall", keys=('a/b ü"', "missing", "a", ""))

    assert [(one.key, one.content) for one in asked.found] == [
        ("a", "content of a"),
        ('a/b ü"', 'content of a/b ü"'),
        ("", "content of "),
    ]
    assert keys(await stage.ask(namespace=ann, question="recall")) == []


async def test_keys_are_listed_page_by_page(stage: MemoryStage, ann: Namespace) -> None:
    names = [f"key-{number}" for number in range(7)]
    for number, key in enumerate(names):
        await stage.write(key, key, [1.0] * (2 + number % 2), namespace=ann)

    pages, after = list[MemoriesFound](), 0
    while after is not None:
        pages.append(await stage.ask(namespace=ann, question="keys", limit=3, after=after))
        after = pages[-1].following

    assert [keys(page) for page in pages] == [names[:3], names[3:6], names[6:]]
    assert all(found.content is None for found in pages[0].found)


FILTERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "equal text": ({"kind": "note"}, {"one", "three"}),
    "equal number": ({"step": 1}, {"one"}),
    "a whole number is the same written with a point": ({"step": 2.0}, {"two"}),
    "true is no number": ({"step": True}, set()),
    "equal truth": ({"done": True}, {"two"}),
    "any of": ({"step": [1, 3, "x"]}, {"one", "three"}),
    "any of texts": ({"kind": ["fact", "other"]}, {"two"}),
    "from, to": ({"step": {"gte": 2, "lt": 3}}, {"two"}),
    "after": ({"step": {"gt": 1}}, {"two", "three"}),
    "a time": ({"at": {"gte": "2026-02-01T00:00:00Z"}}, {"two"}),
    "one of a list": ({"tags": "y"}, {"one"}),
    "nested": ({"where.city": "Rome"}, {"three"}),
    "an odd name": ({"odd name, ö": 1}, {"one"}),
    "two at once": ({"kind": "note", "step": {"gt": 1}}, {"three"}),
    "no such field": ({"missing": "x"}, set()),
}


@pytest.mark.parametrize(("given", "expected"), FILTERS.values(), ids=FILTERS.keys())
async def test_a_filter_lets_pass(
    stage: MemoryStage, ann: Namespace, given: dict[str, Any], expected: set[str]
) -> None:
    write = partial(stage.write, namespace=ann)
    odd: Any = {"odd name, ö": 1}
    await write("one", "", EAST, kind="note", step=1, tags=["x", "y"], at="2026-01-01T00:00:00Z", **odd)
    await write("two", "", EAST, kind="fact", step=2, done=True, at="2026-02-01T00:00:00+00:00")
    await write("three", "", EAST, kind="note", step=3, where={"city": "Rome"})

    assert set(keys(await stage.search(EAST, namespace=ann, filter=given))) == expected
    assert set(await stage.keys(namespace=ann, filter=given)) == expected


async def test_items_without_a_vector_are_found_by_their_words(stage: MemoryStage, ann: Namespace) -> None:
    texts = {
        "drink": "Ann prefers black coffee in the morning",
        "food": "Ann is allergic to peanuts",
        "pets": {"text": "two cats, one dog"},
        "none": "",
    }
    for key, text in texts.items():
        await stage.write(key, text, namespace=ann)

    async def ask(text: str) -> list[str]:
        return keys(await stage.ask(namespace=ann, question="search", text=text))

    assert await ask("which COFFEES does Ann like?") == ["drink", "food"]
    assert await ask("peanut") == ["food"]
    assert await ask("cat") == ["pets"]
    assert await ask("the of and") == []
    assert await ask("nothing like it") == []


async def test_a_search_by_meaning_and_by_words_puts_both_together(
    stage: MemoryStage, ann: Namespace
) -> None:
    await stage.write("near", "something else", EAST, namespace=ann)
    await stage.write("far", "order 4711", NORTH, namespace=ann)
    await stage.write("neither", "nothing", [-1.0, 0.1], namespace=ann)

    found = await stage.search(EAST, namespace=ann, text="order 4711", hybrid=True)
    close = await stage.search(EAST, namespace=ann, text="order 4711", hybrid=True, min_score=0.9)

    assert set(keys(found)[:2]) == {"near", "far"}
    assert set(keys(close)) == {"near", "far"}


async def test_vectors_of_different_models_and_sizes_are_never_compared(
    stage: MemoryStage, ann: Namespace
) -> None:
    await stage.write("old", "by the old model", EAST, namespace=ann)
    await stage.write("plain", "without a vector", namespace=ann)

    none = await stage.search(EAST, namespace=ann, model="test/new")
    longer = await stage.search([1.0, 0.0, 0.0], namespace=ann)

    assert none.failure is not None
    assert none.failure.code == longer.failure.code == "other_embeddings"  # pyright: ignore[reportOptionalMemberAccess]
    assert "1 by test/two (2 numbers each), 1 without a vector" in none.failure.message
    assert not none.failure.retryable


async def test_who_changes_the_model_learns_what_is_not_stored_with_it_yet(
    stage: MemoryStage, ann: Namespace
) -> None:
    before = await stage.write("a", "a", EAST, namespace=ann)
    await stage.write("b", "b", EAST, namespace=ann)
    after = await stage.write("a", "a", [0.0, 0.0, 1.0], namespace=ann, model="test/new")

    found = await stage.search([0.0, 0.0, 1.0], namespace=ann, model="test/new")
    then = await stage.search(EAST, namespace=ann, as_of=before)

    assert keys(found) == ["a"]
    assert [(one.model, one.dimensions, one.items) for one in found.unsearched] == [("test/two", 2, 1)]
    assert [one.retired for one in then.found] == [after]
    assert keys(await stage.search(EAST, namespace=ann)) == ["b"]


async def test_where_nothing_was_ever_stored_nothing_is_found(stage: MemoryStage, ann: Namespace) -> None:
    for question in ({"question": "keys"}, {"question": "search", "text": "x"}):
        assert keys(await stage.ask(namespace=ann, **question)) == []
    assert keys(await stage.search([1.0, 2.0, 3.0, 4.0], namespace=ann, model="test/never")) == []


@pytest.mark.parametrize("vector", [[0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0]], ids=str)
async def test_an_item_whose_vector_can_be_compared_with_nothing_is_found_all_the_same(
    stage: MemoryStage, ann: Namespace, vector: list[float]
) -> None:
    await stage.write("odd", "an odd fact", vector, namespace=ann)
    await stage.write("even", "another", EAST, namespace=ann)

    assert keys(await stage.ask(namespace=ann, question="search", text="odd fact")) == ["odd"]
    assert keys(await stage.search(EAST, namespace=ann)) == ["even"]


async def test_a_question_with_a_vector_that_is_none_is_refused(stage: MemoryStage, ann: Namespace) -> None:
    await stage.write("a", "a", EAST, namespace=ann)

    refused = await stage.search([math.nan, 1.0], namespace=ann)

    assert refused.failure is not None
    assert (refused.failure.code, refused.failure.retryable) == ("invalid_input", False)


CONTENTS: dict[str, Any] = {
    "nothing": None,
    "nested": {"a": [1, {"b": [None, True]}], "ü": "\N{GRINNING FACE}"},
    "a large number": 2**80,
    "the odd numbers": [math.inf, -math.inf, 5e-324, -0.0],
    "a long text": "word " * 20_000,
    "larger than a message": "word " * 200_000,
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
async def test_what_was_stored_comes_back_as_it_was(stage: MemoryStage, ann: Namespace, content: Any) -> None:
    await stage.write("odd", content, EAST, namespace=ann, content_again=content)

    (found,) = (await stage.search(EAST, namespace=ann)).found

    assert found.content == content
    assert found.metadata == {"content_again": content}


async def test_a_record_that_holds_no_memory_is_put_aside_and_nothing_waits_for_it(
    stage: MemoryStage, ann: Namespace
) -> None:
    name = EntityName(TENANT, MEMORY_TYPE, ann.entity_key("broken"))
    await stage.commit(name, values={ITEM: {"key": "broken"}})
    await stage.commit(EntityName(TENANT, MEMORY_TYPE, "no-namespace"), values={ITEM: _whole("x")})
    await stage.write("fine", "fine", EAST, namespace=ann)

    assert await stage.keys(namespace=ann) == ["fine"]
    reasons = [one.letter.reason for one in await all_letters(stage.js)]
    assert any("values" not in reason and "namespace: Field required" in reason for reason in reasons)
    assert any("names no memory item" in reason for reason in reasons)


async def test_memories_of_another_tenant_cannot_be_asked_for(stage: MemoryStage, ann: Namespace) -> None:
    asked = MemoryAsked(tenant="other", namespace=ann.written, question="keys")

    answer = await stage.js.request(subjects.memory_question(TENANT), asked.to_body(), within_s=5.0)

    failure = MemoriesFound.from_body(answer.data).failure
    assert failure is not None
    assert failure.code == "forbidden"


def _whole(key: str) -> dict[str, Any]:
    return memory_item(key, key).model_dump(mode="json")
