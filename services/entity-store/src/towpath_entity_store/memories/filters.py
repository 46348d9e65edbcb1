"""What a question asks for, as filters of Qdrant."""

import re
from datetime import datetime

from qdrant_client import models

from towpath_entity_store.memories.points import fact_written, key_written
from towpath_schemas.memory import Condition, ErasureAsked, MemoryAsked, Within
from towpath_schemas.subjects import token

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")

_Test = models.Condition


def asked_for(asked: MemoryAsked, as_of: int) -> models.Filter:
    """Let pass what the question is about, as it was right after the record at `as_of`."""
    conditions = [*_standing(asked.tenant, asked.namespace, as_of), *_metadata(asked)]
    if asked.question == "recall":
        written = [key_written(key) for key in asked.keys]
        conditions.append(models.FieldCondition(key="key", match=models.MatchAny(any=written)))
    return models.Filter(must=conditions)


def all_of(asked: MemoryAsked, as_of: int) -> models.Filter:
    """Let pass every item of the namespace that the question is about."""
    return models.Filter(must=_standing(asked.tenant, asked.namespace, as_of))


def erased_by(asked: ErasureAsked, *, before: int) -> models.Filter:
    """Let pass the versions that are to be erased: those that a record before a sequence wrote."""
    whose = (
        _equals("namespace", asked.namespace)
        if asked.namespace is not None
        else _equals("user", token(asked.user_id or ""))
    )
    tenant = _equals("tenant", token(asked.attribution.tenant))
    return models.Filter(must=[tenant, whose, _range("written", lt=before)])


def not_retired_before(version: int, sequence: int) -> models.Filter:
    """Let a version pass, unless it is known to be retired by a record before `sequence`."""
    return models.Filter(must=[models.HasIdCondition(has_id=[version]), _range("retired", gt=sequence)])


def _standing(tenant: str, namespace: str, as_of: int) -> list[_Test]:
    return [
        _equals("tenant", token(tenant)),
        _equals("namespace", namespace),
        _range("written", lte=as_of),
        _range("retired", gt=as_of),
    ]


def _metadata(asked: MemoryAsked) -> list[_Test]:
    return [_condition(name, condition) for name, condition in asked.filter.items()]


def _path(name: str) -> str:
    parts = ("metadata", *name.split("."))
    return ".".join(part if _PLAIN.fullmatch(part) else f'"{part}"' for part in parts)


def _condition(name: str, condition: Condition) -> _Test:
    match condition:
        case Within():
            return _within(_path(name), condition)
        case tuple():
            facts = [fact_written(name, value) for value in condition]
            return models.FieldCondition(key="facts", match=models.MatchAny(any=facts))
        case _:
            return _equals("facts", fact_written(name, condition))


def _within(key: str, within: Within) -> models.FieldCondition:
    bounds = within.model_dump(exclude_none=True)
    if any(isinstance(bound, datetime) for bound in bounds.values()):
        return models.FieldCondition(key=key, range=models.DatetimeRange(**bounds))
    return models.FieldCondition(key=key, range=models.Range(**bounds))


def _equals(key: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _range(key: str, **bounds: float) -> models.FieldCondition:
    return models.FieldCondition(key=key, range=models.Range(**bounds))
