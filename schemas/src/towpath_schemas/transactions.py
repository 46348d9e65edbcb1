"""Transactions: one call of an entity, in which methods of several entities are called, all or none.

It is sent to the first of its entities, in the order of their names, with the method `TRANSACTION`.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from towpath_schemas import identity
from towpath_schemas.entities import EntityName, InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape, problems

TRANSACTION = "<transaction>"
"""A method that every entity has, and nobody can define; its arguments are `TransactionArguments`."""

MOST_ENTITIES = 100
"""How many entities one transaction may call."""


class TransactionCall(Shape):
    """One of the calls of a transaction."""

    entity_type: str
    entity_key: str
    method: str
    arguments: Any = None


class TransactionArguments(Shape):
    """What a transaction does, in order; the result is the list of results."""

    calls: tuple[TransactionCall, ...]


def invocations_in(asked: InvocationRequested) -> tuple[InvocationRequested, ...]:
    """List the calls that a transaction makes; their ids are derived from its own.

    Raises:
        ValueError: If it is no transaction, or not one for the entity it was sent to.
    """
    try:
        calls = TransactionArguments.model_validate(asked.arguments).calls
    except ValidationError as error:
        raise ValueError(f"this is no transaction: {problems(error)}") from error
    invocations = tuple(_invocation(asked, call, number) for number, call in enumerate(calls))
    names = entities_in(invocations)
    if not names or names[0] != asked.entity:
        raise ValueError("a transaction is sent to the first of its entities")
    if len(names) > MOST_ENTITIES:
        raise ValueError(f"a transaction calls at most {MOST_ENTITIES} entities; this one {len(names)}")
    return tuple(_among(one, names) for one in invocations)


def entities_in(invocations: Iterable[InvocationRequested]) -> tuple[EntityName, ...]:
    """List the entities that are called, in the order in which all transactions take them."""
    return tuple(sorted({one.entity for one in invocations}))


def failure_of_call(invocation: InvocationRequested, number: int, failure: Failure) -> Failure:
    """Say of a transaction that its call `number`, from 0, failed."""
    called = f"{invocation.entity_type}/{invocation.entity_key}.{invocation.method}"
    message = (
        f"call {number + 1} of the transaction, {called}, failed, so nothing was changed: {failure.message}"
    )
    return failure.model_copy(update={"message": message})


def _invocation(asked: InvocationRequested, call: TransactionCall, number: int) -> InvocationRequested:
    return asked.model_copy(
        update={
            "invocation_id": identity.derived_id("transaction", asked.invocation_id, str(number)),
            "key": f"{asked.key}/{number}",
            "entity_type": call.entity_type,
            "entity_key": call.entity_key,
            "method": call.method,
            "arguments": call.arguments,
            "reply_to": None,
        }
    )


def _among(invocation: InvocationRequested, names: tuple[EntityName, ...]) -> InvocationRequested:
    """Say of a call of a transaction that all its entities are being written: none of them may be called from it."""
    others = tuple(name for name in names if name != invocation.entity)
    return invocation.model_copy(update={"callers": (*invocation.callers, *others)})
