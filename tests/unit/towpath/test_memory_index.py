"""The index of memories of this process: versions, filters, and how much texts are like a question."""

import math
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from towpath.local.conditions import meets
from towpath.local.likeness import by_both, by_directions, by_words, direction
from towpath.local.memories import Memories
from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import EntityName
from towpath_schemas.memory import (
    MEMORY_TYPE,
    Condition,
    ErasureAsked,
    ErasureDone,
    MemoriesFound,
    MemoryAsked,
    MemoryItem,
    Namespace,
)

ADA = Namespace("shop", "ada")
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def named(key: str, namespace: Namespace = ADA, tenant: str = "acme") -> EntityName:
    return EntityName(tenant, MEMORY_TYPE, namespace.entity_key(key))


def held(key: str, content: Any, namespace: Namespace = ADA, **metadata: Any) -> dict[str, Any]:
    item = MemoryItem(key=key, namespace=namespace.written, content=content, metadata=metadata, stored_at=1.0)
    return item.model_dump(mode="json")


def ask(memories: Memories, **said: Any) -> MemoriesFound:
    return memories.answer(
        MemoryAsked.model_validate({"tenant": "acme", "namespace": ADA.written, "question": "keys", **said})
    )


# --- Versions ---------------------------------------------------------------------------------------

CHANGES = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 9)), max_size=12)


@given(CHANGES)
def test_what_was_known_after_each_commit_can_be_asked_for_ever_after(
    changes: list[tuple[str, int | None]],
) -> None:
    memories, states = Memories(), [dict[str, int]()]
    for key, content in changes:
        memories.learn(named(key), None if content is None else held(key, content))
        state = {**states[-1], key: content}
        states.append({name: value for name, value in state.items() if value is not None})

    for moment, state in enumerate(states):
        found = ask(memories, question="recall", keys=("a", "b", "c"), as_of=moment).found
        assert {one.key: one.content for one in found} == state


@given(st.lists(st.text("ab", min_size=1, max_size=3), unique=True), st.integers(1, 4))
def test_pages_tell_everything_once_in_order(keys: list[str], limit: int) -> None:
    memories, told, after = Memories(), list[str](), 0
    for key in keys:
        memories.learn(named(key), held(key, "x"))

    while True:
        page = ask(memories, limit=limit, after=after)
        told += [one.key for one in page.found]
        if page.following is None:
            break
        after = page.following

    assert told == keys


def test_tenants_and_namespaces_are_kept_apart() -> None:
    memories = Memories()
    memories.learn(named("a"), held("a", "mine"))
    memories.learn(named("b", Namespace("shop")), held("b", "the shop's", Namespace("shop")))
    memories.learn(named("c", tenant="other"), held("c", "another tenant's"))

    assert [one.key for one in ask(memories).found] == ["a"]


def test_erasing_leaves_what_is_not_meant() -> None:
    memories, acme = Memories(), Attribution(tenant="acme")
    for name in (named("a"), named("b", Namespace("bank", "ada")), named("c", Namespace("shop", "bob"))):
        memories.learn(name, held("x", "y"))
    memories.learn(named("a"), None)

    names, done = memories.erase(ErasureAsked(user_id="ada", attribution=acme))

    assert names == [named("a"), named("b", Namespace("bank", "ada"))]
    assert (done.items, done.records) == (2, 2)
    assert memories.erase(ErasureAsked(user_id="ada", attribution=acme)) == ([], ErasureDone())


# --- Filters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "condition", "met"),
    [
        ({"n": 1}, 1, True),
        ({"n": 1}, 1.0, True),
        ({"n": 1}, True, False),
        ({"n": True}, 1, False),
        ({"n": "1"}, 1, False),
        ({}, 1, False),
        ({"n": [1, 2]}, 2, True),
        ({"n": [1, 2]}, [3, 2], True),
        ({"n": 5}, {"gte": 5, "lt": 6}, True),
        ({"n": 6}, {"gte": 5, "lt": 6}, False),
        ({"n": 5}, {"gt": 5}, False),
        ({"n": "5"}, {"gt": 1}, False),
        ({"n": True}, {"gte": 0}, False),
        ({"n": "2024-05-01T00:00:00Z"}, {"gte": "2024-01-01T00:00:00Z"}, True),
        ({"n": "2023-05-01T00:00:00+00:00"}, {"gte": "2024-01-01T00:00:00Z"}, False),
        ({"n": "soon"}, {"gte": "2024-01-01T00:00:00Z"}, False),
        ({"n": {"n": 1}}, 1, False),
    ],
)
def test_a_condition_is_met_by_what_it_says(metadata: dict[str, Any], condition: Any, met: bool) -> None:  # noqa: FBT001
    assert meets(metadata, {"n": CONDITION.validate_python(condition)}) is met


def test_a_dot_leads_into_what_is_nested_and_all_conditions_count() -> None:
    metadata = {"by": [{"name": "ada"}, {"name": "bob"}], "sure": True}

    assert meets(metadata, {"by.name": "bob", "sure": True})
    assert not meets(metadata, {"by.name": "bob", "sure": False})


# --- Likeness ---------------------------------------------------------------------------------------

VECTORS = st.lists(st.floats(-10, 10), min_size=3, max_size=3).filter(lambda one: math.hypot(*one) > 0.1)


@given(VECTORS, VECTORS, st.floats(0.1, 10))
def test_the_cosine_is_the_same_both_ways_and_for_any_length(
    one: list[float], other: list[float], factor: float
) -> None:
    longer = direction([factor * number for number in one])
    there = by_directions(direction(one), {0: direction(other)})[0]
    back = by_directions(direction(other), {0: longer})[0]

    assert math.isclose(there, back, abs_tol=1e-9)
    assert -1.000001 <= there <= 1.000001


def test_rare_words_count_more_and_what_shares_none_is_not_found() -> None:
    texts = ["likes tea", "likes coffee", "likes coffee and boats", "trains"]

    scores = by_words("who likes tea?", texts)

    assert sorted(scores) == [0, 1, 2]
    assert max(scores, key=lambda place: scores[place]) == 0


@given(
    st.dictionaries(st.integers(0, 5), st.floats(0, 1)), st.dictionaries(st.integers(0, 5), st.floats(0, 1))
)
def test_both_together_find_what_either_finds(one: dict[int, float], other: dict[int, float]) -> None:
    assert set(by_both(one, other)) == {*one, *other}


def test_what_is_best_in_both_ways_is_best() -> None:
    fused = by_both({0: 0.9, 1: 0.8, 2: 0.1}, {0: 7.0, 2: 3.0})

    assert max(fused, key=lambda place: fused[place]) == 0
