"""Qdrant's filters: REST JSON to the engine's objects."""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from qdrant_edge import (
    FieldCondition,
    Filter,
    HasIdCondition,
    HasVectorCondition,
    IsEmptyCondition,
    IsNullCondition,
    MatchAny,
    MatchExcept,
    MatchPhrase,
    MatchText,
    MatchTextAny,
    MatchValue,
    MinShould,
    NestedCondition,
    RangeDateTime,
    RangeFloat,
    ValuesCount,
)

from towpath_cli.embedded.qdrant_edge.errors import UnsupportedError
from towpath_cli.embedded.qdrant_edge.fields import Json, only, the_only

Condition: TypeAlias = (
    FieldCondition
    | IsEmptyCondition
    | IsNullCondition
    | HasIdCondition
    | HasVectorCondition
    | NestedCondition
    | Filter
)
Match: TypeAlias = MatchValue | MatchAny | MatchExcept | MatchText | MatchTextAny | MatchPhrase

CLAUSES = ("must", "should", "must_not", "min_should")
BOUNDS = ("lt", "gt", "lte", "gte")

MATCHES: dict[str, Callable[[Any], Match]] = {
    "value": MatchValue,
    "any": MatchAny,
    "except": MatchExcept,
    "text": MatchText,
    "text_any": MatchTextAny,
    "phrase": MatchPhrase,
}

TESTS: dict[str, Callable[[Any], Condition]] = {
    "has_id": lambda ids: HasIdCondition(set(ids)),
    "has_vector": HasVectorCondition,
    "is_empty": lambda field: IsEmptyCondition(field["key"]),
    "is_null": lambda field: IsNullCondition(field["key"]),
    "nested": lambda nested: NestedCondition(nested["key"], required_filter(nested["filter"])),
}


def filter_from(body: Json | None) -> Filter | None:
    """Translate a filter; no filter stays none, and lets every point pass."""
    return None if body is None else required_filter(body)


def required_filter(body: Json) -> Filter:
    """Translate a filter that must be there."""
    clauses = only(body, CLAUSES)
    return Filter(
        must=_conditions(clauses.get("must")),
        should=_conditions(clauses.get("should")),
        must_not=_conditions(clauses.get("must_not")),
        min_should=_min_should(clauses.get("min_should")),
    )


def _conditions(clause: Json | list[Json] | None) -> list[Condition] | None:
    if not clause:
        return None
    return [_condition(item) for item in (clause if isinstance(clause, list) else [clause])]


def _min_should(clause: Json | None) -> MinShould | None:
    if clause is None:
        return None
    return MinShould(_conditions(clause["conditions"]) or [], clause["min_count"])


def _condition(body: Json) -> Condition:
    if "key" in body:
        return _field_condition(body)
    if body.keys() & set(CLAUSES):
        return required_filter(body)
    kind, value = the_only(body, TESTS)
    return TESTS[kind](value)


def _field_condition(body: Json) -> FieldCondition:
    given = only(body, ("key", "match", "range", "values_count", "is_empty", "is_null"))
    return FieldCondition(
        given["key"],
        match=_match(given["match"]) if "match" in given else None,
        range=_range(given["range"]) if "range" in given else None,
        values_count=ValuesCount(**only(given["values_count"], BOUNDS)) if "values_count" in given else None,
        is_empty=given.get("is_empty"),
        is_null=given.get("is_null"),
    )


def _match(body: Json) -> Match:
    kind, value = the_only(body, MATCHES)
    if isinstance(value, bool):  # the engine's binding would look for the number
        raise UnsupportedError("a match by `true` or `false`")
    return MATCHES[kind](value)


def _range(body: Json) -> RangeFloat | RangeDateTime:
    bounds = only(body, BOUNDS)
    if any(isinstance(bound, str) for bound in bounds.values()):
        return RangeDateTime(**cast("dict[str, str]", bounds))
    return RangeFloat(**cast("dict[str, float]", bounds))
