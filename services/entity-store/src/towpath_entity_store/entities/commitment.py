"""What a turn commits: all its outcomes as one record of the entity's log."""

import time
from typing import Any, NamedTuple

from towpath_entity_store.entities.entity import Entity, changed
from towpath_entity_store.entities.errors import TooLargeError
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.mailbox import Letter, Mail
from towpath_entity_store.entities.values import to_json
from towpath_schemas.entities import NEVER, Changes, EntityCommitted, InvocationDone, InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.sessions import ROOM, SESSION_TYPE

_UNCHANGED = Changes()


class Commitment(NamedTuple):
    """A record that fits, and the letters it answers."""

    letters: tuple[Letter, ...]
    record: EntityCommitted
    body: bytes


def commitment(
    entity: Entity, mail: Mail, outcomes: tuple[InvocationDone, ...], *, owner: str, limits: Limits
) -> Commitment:
    """Write the outcomes of `mail` as the next record of `entity`.

    Raises:
        TooLargeError: If the record or the state after it is too large.
    """
    values, deleted = merged(outcomes)
    at = time.time()
    record = EntityCommitted(
        number=entity.number + 1,
        through=mail.through,
        at=at,
        owner=owner,
        values=values,
        deleted=deleted,
        expires_at=_expiry(entity, outcomes, at),
        invocations=tuple(letter.invocation for letter in mail.letters),
        outcomes=tuple(_without_changes(outcome) for outcome in outcomes),
    )
    body = record.to_body()
    if len(body) > limits.message_bytes:
        raise TooLargeError("the record of this turn", len(body), limits.message_bytes)
    _check_state(entity, record, limits.state_bytes)
    return Commitment(mail.letters, record, body)


def _check_state(entity: Entity, record: EntityCommitted, limit: int) -> None:
    """Refuse what would make the state larger than a snapshot can hold; most times an estimate will do."""
    if not record.values or entity.state_at_most + len(to_json(record.values)) <= limit:
        return
    entity.state_at_most = len(to_json(entity.state))
    size = len(to_json(changed(entity.state, record.values, record.deleted)))
    if size > limit:
        raise _full(record.invocations[0], size, limit)


def _full(asked: InvocationRequested, size: int, limit: int) -> TooLargeError:
    """Say what to do: a session grows by itself, however small its messages are."""
    if asked.entity_type == SESSION_TYPE:
        return TooLargeError(f"session {asked.entity_key!r}", size, limit, remedy=ROOM)
    return TooLargeError("the entity's state", size, limit)


def _expiry(entity: Entity, outcomes: tuple[InvocationDone, ...], now: float) -> float | None:
    """Tell when the state expires after a turn: as the last of its methods said that said anything."""
    said = [
        outcome.changes.expires_in_s
        for outcome in outcomes
        if outcome.failure is None and outcome.changes.expires_in_s is not None
    ]
    if not said:
        return entity.expires_at
    return None if said[-1] == NEVER else now + said[-1]


def failed(mail: Mail, failure: Failure) -> tuple[InvocationDone, ...]:
    """Say of each invocation that it failed."""
    return tuple(
        InvocationDone(invocation_id=letter.invocation.invocation_id, failure=failure)
        for letter in mail.letters
    )


def merged(outcomes: tuple[InvocationDone, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Merge what the invocations changed, in their order; a failed one changes nothing.

    >>> merged(
    ...     (
    ...         InvocationDone(invocation_id="a", changes=Changes(values={"x": 1, "y": 1})),
    ...         InvocationDone(invocation_id="b", changes=Changes(values={"x": 2}, deleted=("y",))),
    ...     )
    ... )
    ({'x': 2}, ('y',))
    """
    values: dict[str, Any] = {}
    deleted: dict[str, None] = {}
    for outcome in outcomes:
        if outcome.failure is None:
            for name in outcome.changes.deleted:
                values.pop(name, None)
                deleted[name] = None
            for name, value in outcome.changes.values.items():
                values[name] = value
                deleted.pop(name, None)
    return values, tuple(deleted)


def _without_changes(outcome: InvocationDone) -> InvocationDone:
    return InvocationDone(
        invocation_id=outcome.invocation_id,
        result=outcome.result,
        failure=outcome.failure,
        changes=_UNCHANGED,
    )
