"""What can come between an invocation and its outcome.

EntityStoreError
|- KeyLostError    somebody else has written to the entity's log
|- NoRunnerError   nobody executes the methods of a type of entity now
|- ElsewhereError  who was asked for a turn leaves it to others
|- RunnerLostError  who executed a turn fell silent
`- UnsettledError  the turn has no outcome that could be committed
   |- RefusedTurnError  it cannot be executed, or fails as a whole
   |- TurnLostError   runner after runner was lost over it
   `- TooLargeError   it is larger than a payload may be
"""

from towpath_schemas.entities import EntityName
from towpath_schemas.failure import Failure
from towpath_schemas.payloads import KEEP_ELSEWHERE, too_large


class EntityStoreError(Exception):
    """The root of what can go wrong with a turn."""


class KeyLostError(EntityStoreError):
    """Somebody else has written to the entity's log: what we hold of it is old."""

    def __init__(self, name: EntityName) -> None:
        super().__init__(f"another process has written to entity {name}")
        self.name = name


class NoRunnerError(EntityStoreError):
    """Nobody executes the methods of a type of entity now."""

    def __init__(self, service: str, entity_type: str) -> None:
        super().__init__(f"no runner of service {service!r} is there that has entity {entity_type!r}")
        self.service, self.entity_type = service, entity_type


class ElsewhereError(EntityStoreError):
    """Who was asked for a turn lacks its code, which other runners of the service have."""

    def __init__(self) -> None:
        super().__init__("the runner that was asked lacks the code, which others have")


class RunnerLostError(EntityStoreError):
    """A runner fell silent over a turn, or over several; `alone` if over one."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__("a runner was lost")
        self.alone = alone


class UnsettledError(EntityStoreError):
    """The turn has no outcome that could be committed; `failure` is what to say where it cannot be divided."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class RefusedTurnError(UnsettledError):
    """The turn cannot be executed, or fails as a whole."""


class TurnLostError(UnsettledError):
    """Runner after runner was lost over the turn, or it did not end."""


class TooLargeError(UnsettledError):
    """The turn, its record or the state after it is larger than may be."""

    def __init__(self, what: str, size: int, limit: int, remedy: str = KEEP_ELSEWHERE) -> None:
        super().__init__(too_large(what, size, limit=limit, remedy=remedy))
