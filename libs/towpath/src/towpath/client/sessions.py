"""Sessions, as a program that is no part of the platform reaches them."""

from collections.abc import Callable
from typing import Any

from towpath.entity_handle import EntityHandle
from towpath.sessions.session import Session

Reach = Callable[[str, str], EntityHandle]
"""Names an entity by its type and key."""


class ClientSession(Session):
    """A session that is reached through a client: everything it can do is done by the platform, by calls of its entity.

    A strategy of `prune` that asks a model asks it from here.
    """

    def __init__(self, reach: Reach, id: str, **said: Any) -> None:  # noqa: A002 - as in `Session`
        super().__init__(id, **said)
        self._reach = reach

    def _invocation(self) -> None:
        """What a client does is part of no invocation, wherever it is used."""

    def _entity_of(self, entity_type: str, key: str) -> EntityHandle:
        return self._reach(entity_type, key)
