"""What is committed of one entity, folded from the records of its log."""

from collections.abc import Iterable
from typing import Any

from towpath_entity_store.entities.seal import mark_of
from towpath_entity_store.entities.values import to_json
from towpath_schemas.entities import EntityCommitted, InvocationDone
from towpath_schemas.payloads import MAX_MESSAGE_BYTES


class Entity:
    """The state after record `number`, and what else its owner must know.

    Attributes:
        number: The newest record; 0 before the first.
        sequence: Where in the stream that record is; the next one is written only right behind it.
        through: The last invocation in the mailbox that needs nothing any more.
        expires_at: When the state is forgotten, in seconds since 1970; None for never.
        state: Replaced by each commit, never changed in place, so that whoever reads it has one moment.
        mark: The mark of the state, see `seal`.
        remembered: The newest outcomes by invocation id, without what they changed.
        commits_since_snapshot: Records that a reader of the log must fold.
        bytes_since_snapshot: Their size.
        state_at_most: The state has no more bytes than this.
        names_payloads: Whether records up to the newest may name payloads.
    """

    __slots__ = (
        "_remembers",
        "bytes_since_snapshot",
        "commits_since_snapshot",
        "expires_at",
        "mark",
        "names_payloads",
        "number",
        "remembered",
        "sequence",
        "state",
        "state_at_most",
        "through",
    )

    def __init__(self, *, remembers: int) -> None:
        self._remembers = remembers
        self.number = 0
        self.sequence = 0
        self.through = 0
        self.expires_at: float | None = None
        self.state: dict[str, Any] = {}
        self.mark = 0
        self.remembered: dict[str, InvocationDone] = {}
        self.commits_since_snapshot = 0
        self.bytes_since_snapshot = 0
        self.state_at_most = 2
        self.names_payloads = False

    def apply(self, record: EntityCommitted, *, sequence: int, size: int) -> None:
        """Take over the next record; a snapshot may stand for any number of records before it."""
        if record.snapshot is None:
            before, self.state = self.state, changed(self.state, record.values, record.deleted)
            touched = {*record.values, *record.deleted}
            self.mark ^= mark_of(_some(before, touched)) ^ mark_of(_some(self.state, touched))
            self.commits_since_snapshot += 1
            self.bytes_since_snapshot += size
            self.state_at_most += len(to_json(record.values))
        else:
            self.state = record.snapshot
            self.mark = mark_of(record.snapshot)
            self.state_at_most = len(to_json(record.snapshot))
            self.remembered = {}
            self.commits_since_snapshot = self.bytes_since_snapshot = 0
            self.names_payloads = False
        self.names_payloads = self.names_payloads or size > MAX_MESSAGE_BYTES
        self.expires_at = record.expires_at
        self._remember(*record.remembered, *record.outcomes)
        self.number, self.sequence = record.number, sequence
        self.through = max(self.through, record.through)

    def has_expired(self, now: float) -> bool:
        """Tell whether the state is to be forgotten."""
        return self.expires_at is not None and self.expires_at <= now

    def state_at(self, now: float) -> dict[str, Any]:
        """Tell the state as it is for everybody: empty, once it has expired."""
        return {} if self.has_expired(now) else self.state

    def _remember(self, *outcomes: InvocationDone) -> None:
        for outcome in outcomes:
            self.remembered.setdefault(outcome.invocation_id, outcome)
        for forgotten in list(self.remembered)[: len(self.remembered) - self._remembers]:
            del self.remembered[forgotten]

    def snapshot(self, *, at: float, owner: str, remembered_bytes: int) -> EntityCommitted:
        """Write all of it as the next record; the oldest outcomes are left out beyond `remembered_bytes`.

        A state that has expired is left out, too.
        """
        return EntityCommitted(
            number=self.number + 1,
            through=self.through,
            at=at,
            owner=owner,
            deleted=tuple(self.state) if self.has_expired(at) else (),
            expires_at=None if self.has_expired(at) else self.expires_at,
            snapshot=self.state_at(at),
            remembered=_newest(list(self.remembered.values()), remembered_bytes),
        )


def changed(state: dict[str, Any], values: dict[str, Any], deleted: tuple[str, ...]) -> dict[str, Any]:
    """Copy `state` with some values set and some names deleted."""
    after = {**state, **values}
    for name in deleted:
        after.pop(name, None)
    return after


def _some(state: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: state[name] for name in names if name in state}


def _newest(outcomes: list[InvocationDone], limit: int) -> tuple[InvocationDone, ...]:
    size, kept = 0, len(outcomes)
    while kept > 0 and (size := size + len(to_json(outcomes[kept - 1]))) <= limit:
        kept -= 1
    return tuple(outcomes[kept:])
