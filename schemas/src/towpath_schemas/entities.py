"""Calls of entity methods: into the mailbox, to a runner as one turn, and into the entity's log."""

import math
from collections.abc import Iterable, Mapping
from operator import not_
from typing import Any, NamedTuple

from pydantic import Field

from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution, SessionOwner
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape


class EntityName(NamedTuple):
    """One entity, and where that name puts its mailbox and its log; those of different tenants share nothing."""

    tenant: str
    entity_type: str
    key: str

    @classmethod
    def checked(cls, tenant: str, entity_type: object, key: object) -> "EntityName":
        """Name an entity that somebody wants to call.

        Raises:
            ValueError: If nothing can be called so; the message says what can.
        """
        return cls(tenant, _checked("type of an entity", entity_type), _checked("key of an entity", key))

    @classmethod
    def of_mailbox(cls, subject: str) -> "EntityName":
        """Tell whose mailbox a subject is.

        Raises:
            ValueError: If it is none, or in another partition than the entity.
        """
        name = cls(*subjects.read_mailbox(subject))
        if name.mailbox != subject:
            raise ValueError(f"{subject!r} is not the mailbox of {name}, which is {name.mailbox!r}")
        return name

    @classmethod
    def of_record(cls, subject: str) -> "EntityName":
        """Tell in whose log a subject is.

        Raises:
            ValueError: If it is in none.
        """
        tokens = subject.split(".")
        if len(tokens) != 6 or tokens[0] != "entity-log":  # noqa: PLR2004 - the shape in the message
            raise ValueError(f"{subject!r} is not entity-log.v1.<tenant>.<type>.<key>.<number>")
        return cls(*map(subjects.name_of, tokens[2:5]))

    @property
    def mailbox(self) -> str:
        """Where its writes wait."""
        return subjects.mailbox(*self)

    @property
    def alarm(self) -> str:
        """Where the broker keeps when its state expires."""
        return subjects.entity_alarm(*self)

    @property
    def readings(self) -> str:
        """Where its shared methods are asked."""
        return subjects.entity_read(*self)

    @property
    def partition(self) -> int:
        """Which partition it belongs to."""
        return subjects.partition_of(*self)

    @property
    def records(self) -> str:
        """Match every record of its log."""
        return subjects.entity_logs_of(*self)

    def record(self, number: int) -> str:
        """Where record `number` of its log is written, once."""
        return subjects.entity_log(*self, number)

    @property
    def payload_owner(self) -> str:
        """Whose the payloads are that its log names."""
        return subjects.payload_owner_of(*self)

    def __str__(self) -> str:
        return f"{self.entity_type}/{self.key} of {self.tenant}"


def _checked(what: str, name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"the {what} is text of at least one character, not {name!r}")
    if not _is_unicode(name):
        raise ValueError(f"the {what} is text that can be written as UTF-8, not {name!r}")
    if (length := len(subjects.token(name))) > subjects.LONGEST_TOKEN:
        limit = subjects.LONGEST_TOKEN
        raise ValueError(
            f"the {what} takes at most {limit:,} characters, where each byte that is no letter, digit, - or _ counts "
            f"for four; this one takes {length:,} ({name[:20]!r}...): use an id, or a digest of it"
        )
    return name


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


STATE = "<state>"
"""A method that every entity has, and nobody can define: returns the whole state."""
EXPIRE = "<expire>"
"""A method that every entity has: forgets the state, if its time has come."""


class InvocationRequested(Shape):
    """A run, or whoever asks at the public door, calls a method of an entity.

    Attributes:
        invocation_id: Derived from run and key: the same invocation is applied once.
        run_id: The run; where there is none, the invocation's id.
        service: The service whose runners have the entity's code.
        session_owner: Whose the session is in which the calling agent speaks; None where nobody says.
        traceparent: W3C trace context of the caller, if there is one.
        callers: Entities that are written by methods which wait for this call, the outermost first.
        reply_to: Core subject on which to tell the answer; None where it is for the run, at `key`.
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
    session_owner: SessionOwner | None = None
    correlation_id: str
    traceparent: str | None = None
    callers: tuple[EntityName, ...] = ()
    reply_to: str | None = None

    @property
    def entity(self) -> EntityName:
        """Which entity is called: one of the tenant on whose behalf the call is."""
        return EntityName(self.attribution.tenant, self.entity_type, self.entity_key)


class TurnRequested(Shape):
    """Invocations that a runner is to execute for the owner of an entity, in order, on the state it gives.

    Attributes:
        read_only: Whether these are shared methods, which may not change the state.
        waits_s: Seconds from the beginning of each invocation on for which it waits for entities that it calls; None
            for as long as they take.
    """

    entity_type: str
    entity_key: str
    state: dict[str, Any]
    invocations: tuple[InvocationRequested, ...]
    read_only: bool = False
    waits_s: float | None = None


class TurnsRequested(Shape):
    """Turns of several entities that a runner is to execute, beside each other."""

    turns: tuple[TurnRequested, ...]

    @staticmethod
    def joined(turns: Iterable[bytes]) -> bytes:
        """Write the body that asks for turns which are written already."""
        return b'{"turns":[%b]}' % b",".join(turns)


NEVER = math.inf
"""Seconds after which a state expires that does not."""


class Changes(Shape):
    """What one method did to the state: values to set, names to delete.

    Attributes:
        expires_in_s: Seconds from the commit on after which the state is forgotten; None for no change.
    """

    values: dict[str, Any] = {}
    deleted: tuple[str, ...] = ()
    expires_in_s: float | None = None

    def applied_to(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Copy a state with these changes made."""
        return {name: value for name, value in {**state, **self.values}.items() if name not in self.deleted}


class InvocationDone(Shape):
    """The outcome of one invocation; a failed one changes nothing."""

    invocation_id: str
    result: Any = None
    failure: Failure | None = None
    changes: Changes = Changes()


class TurnProgress(Shape):
    """A runner's word on the turns it was asked for: it works, and these have ended since it last said so.

    Attributes:
        done: The outcomes of each, in order, by the turn's number from 0.
        elsewhere: Numbers of turns that were not begun: other runners of the service have their code, and it has not.
    """

    done: dict[int, tuple[InvocationDone, ...]] = {}
    elsewhere: tuple[int, ...] = Field(default=(), exclude_if=not_)


class EntityCommitted(Shape):
    """One record of an entity's log: all effects of one turn, or none.

    Attributes:
        number: Counted from 1 for each entity; the record's place.
        through: Stream sequence in ENTITIES of the last invocation in it.
        values: State values this commit wrote.
        deleted: State names this commit removed.
        expires_at: When the state is forgotten, in seconds since 1970; None for never.
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
    expires_at: float | None = None
    invocations: tuple[InvocationRequested, ...] = ()
    outcomes: tuple[InvocationDone, ...] = ()
    snapshot: dict[str, Any] | None = None
    remembered: tuple[InvocationDone, ...] = ()
