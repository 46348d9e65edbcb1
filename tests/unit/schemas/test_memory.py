"""Questions about memories: what can be asked, and what one is told who asks what cannot."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from towpath_schemas.attribution import Attribution
from towpath_schemas.memory import (
    Condition,
    Embedding,
    ErasureAsked,
    MemoryAsked,
    Namespace,
    Within,
    read_entity_key,
    vector_of,
    vector_text,
)

NAMES = st.text(max_size=12)
NAMESPACES = st.builds(Namespace, NAMES, st.none() | NAMES)


@given(NAMESPACES, NAMES)
def test_the_key_of_an_item_says_whose_it_is_and_which(namespace: Namespace, key: str) -> None:
    assert read_entity_key(namespace.entity_key(key)) == (namespace, key)
    assert Namespace.read(namespace.written) == namespace


@given(NAMESPACES, NAMES, NAMESPACES, NAMES)
def test_no_two_items_have_the_same_key(one: Namespace, key: str, other: Namespace, others_key: str) -> None:
    same = (one, key) == (other, others_key)

    assert (one.entity_key(key) == other.entity_key(others_key)) == same


@pytest.mark.parametrize("written", ["", "app", "app/shop", "app/shop/user", "user/ann", "app/shop/shared/x"])
def test_what_is_no_namespace_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no namespace"):
        Namespace.read(written)


@pytest.mark.parametrize("written", ["cart-1", "app/shop/shared", "app/shop/user/ann"])
def test_the_key_of_another_entity_names_no_item(written: str) -> None:
    with pytest.raises(ValueError, match="names no memory item"):
        read_entity_key(written)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8))
def test_a_vector_comes_back_as_it_was_written(vector: list[float]) -> None:
    written = vector_text(vector)

    assert vector_of(written) == tuple(vector)
    assert Embedding(model="m", vector=written).dimensions == len(vector)


def question(**asked: Any) -> MemoryAsked:
    known: dict[str, Any] = {
        "tenant": "acme",
        "namespace": "app/shop/shared",
        "question": "search",
        "text": "x",
    }
    return MemoryAsked(**{**known, **asked})


def as_given(condition: Condition) -> Any:
    if isinstance(condition, Within):
        return condition.model_dump(exclude_none=True)
    return list(condition) if isinstance(condition, tuple) else condition


@pytest.mark.parametrize(
    "given_filter",
    [{"a": "x"}, {"a": 1}, {"a": 1.5}, {"a": True}, {"a.b": ["x", 1]}, {"a": {"gte": 1, "lt": 2.5}}],
    ids=str,
)
def test_a_filter_comes_as_it_was_asked(given_filter: dict[str, Any]) -> None:
    asked = question(filter=given_filter)

    assert MemoryAsked.from_body(asked.to_body()) == asked
    assert {name: as_given(condition) for name, condition in asked.filter.items()} == given_filter


def test_a_filter_may_be_a_range_of_times() -> None:
    asked = question(filter={"at": {"gte": "2026-01-01T00:00:00Z"}})

    assert isinstance(asked.filter["at"], Within)
    assert MemoryAsked.from_body(asked.to_body()) == asked


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"text": ""}, "text: a search needs one, or a vector"),
        ({"model": "m"}, "vector and model: give both, or neither"),
        ({"model": "m", "vector": "AAA="}, "2 bytes are not 1 to"),
        ({"model": "m", "vector": "???"}, "this is not base64"),
        ({"hybrid": True}, "takes a vector and a text"),
        ({"namespace": "shop"}, "is no namespace"),
        ({"filter": {"a": {}}}, "give at least one of"),
        ({"filter": {"a": {"gte": 1, "lt": "2026-01-01T00:00:00Z"}}}, "all numbers, or all times"),
        ({"filter": {"a": None}}, "filter.a"),
        ({"filter": {"a": []}}, "at least 1 item"),
        ({"filter": {"": 1}}, "at least 1 character"),
        ({"filter": {'a"b': 1}}, "match pattern"),
        ({"limit": 0}, "greater than or equal to 1"),
        ({"limit": 5_000}, "less than or equal to 1000"),
    ],
    ids=str,
)
def test_who_asks_what_cannot_be_answered_is_told_what_is_wrong(asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        question(**asked)

    assert reason in str(refused.value).replace("\n  ", " ")


def test_an_erasure_is_of_a_namespace_or_of_a_user() -> None:
    by = Attribution(tenant="acme")
    ann = [Namespace("shop", "ann"), Namespace("desk", "ann")]
    others = [Namespace("shop", "bob"), Namespace("shop"), Namespace("ann")]

    of_user = ErasureAsked(user_id="ann", attribution=by)
    of_one = ErasureAsked(namespace=ann[0].written, attribution=by)

    assert [of_user.means(namespace) for namespace in (*ann, *others)] == [True, True, False, False, False]
    assert [of_one.means(namespace) for namespace in (*ann, *others)] == [True, *[False] * 4]
    neither_nor_both: list[dict[str, Any]] = [{}, {"user_id": "ann", "namespace": ann[0].written}]
    for wrong in neither_nor_both:
        with pytest.raises(ValidationError, match="give one of them"):
            ErasureAsked(attribution=by, **wrong)
