"""Where an agent was made: in a run that may be replayed, it has a conversation of its own only there."""

import re
from typing import NamedTuple, Self
from weakref import ReferenceType, ref

from towpath.context import Context
from towpath.current import context_or_none
from towpath.scopes import BRANCH, current_scope

_BRANCHES = re.compile(rf"({re.escape(BRANCH)}\d+/)*")


class Origin(NamedTuple):
    """The code that made an agent.

    Attributes:
        context: What that code ran in; None where no component ran.
        scope: Where in its run that was.
    """

    context: ReferenceType[Context] | None
    scope: str

    @classmethod
    def here(cls) -> Self:
        """Return what code is running."""
        context = context_or_none()
        return cls(None if context is None else ref(context), current_scope().name)

    @property
    def is_here(self) -> bool:
        """Whether it is the code that is running: the same attempt of the same run, and the same step of it.

        What is said to an agent from elsewhere is not said to it when the run is replayed: another run did, or a step
        whose result is known.
        """
        if self.context is None or self.context() is not context_or_none():
            return False
        scope = current_scope().name
        return scope.startswith(self.scope) and _BRANCHES.fullmatch(scope, len(self.scope)) is not None
