"""Calls of entity methods: into the mailbox, to a runner as one turn, and into the entity's log."""

from typing import Any

from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape


class InvocationRequested(Shape):
    """A run calls a method of an entity.

    Attributes:
        invocation_id: Derived from run and key: the same invocation is applied once.
        service: The service whose runners have the entity's code.
    """

    invocation_id: str
    run_id: str
    key: str
    service: str
    entity_type: str
    entity_key: str
    method: str
    arguments: Any = None
    attribution: Attribution
    agent: str | None = None
    correlation_id: str


class TurnRequested(Shape):
    """The owner of an entity asks a runner to execute invocations, in order, on the state it gives.

    Attributes:
        read_only: Whether these are shared methods, which may not change the state.
    """

    entity_type: str
    entity_key: str
    state: dict[str, Any]
    invocations: tuple[InvocationRequested, ...]
    read_only: bool = False


class Changes(Shape):
    """What one method did to the state: values to set, names to delete."""

    values: dict[str, Any] = {}
    deleted: tuple[str, ...] = ()


class InvocationDone(Shape):
    """The outcome of one invocation; a failed one changes nothing."""

    invocation_id: str
    result: Any = None
    failure: Failure | None = None
    changes: Changes = Changes()


class TurnProgress(Shape):
    """A runner's word on a turn: still working (`done` is None), or all outcomes in order."""

    done: tuple[InvocationDone, ...] | None = None


class EntityCommitted(Shape):
    """One record of an entity's log: all effects of one turn, or none.

    Attributes:
        number: Counted from 1 for each entity; the record's place.
        through: Stream sequence in ENTITIES of the last invocation in it.
        values: State values this commit wrote.
        deleted: State names this commit removed.
        invocations: The invocations it answers, as they were requested.
        outcomes: Their outcomes, in the same order; a repeated invocation gets the first one.
        snapshot: The whole state, in records from which older ones may be dropped.
        remembered: With a snapshot: outcomes of earlier invocations that may still be repeated.
    """

    number: int
    through: int
    at: float
    owner: str
    values: dict[str, Any] = {}
    deleted: tuple[str, ...] = ()
    invocations: tuple[InvocationRequested, ...] = ()
    outcomes: tuple[InvocationDone, ...] = ()
    snapshot: dict[str, Any] | None = None
    remembered: tuple[InvocationDone, ...] = ()
