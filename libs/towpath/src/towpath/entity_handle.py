"""An entity seen from a caller, and how the calls of it are written."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, Protocol

from towpath.errors import InvalidInputError
from towpath.secrecy import secret_in
from towpath.values import secret_refused
from towpath_schemas.entities import EntityName


class EntityCall(NamedTuple):
    """A call of a method of an entity.

    Attributes:
        arguments: As JSON carries them; see `call_payload`.
        place: Where in the caller's code it is.
    """

    name: EntityName
    method: str
    arguments: Any
    place: str = ""


class EntityCaller(Protocol):
    """Makes the calls of one context."""

    async def call(self, call: EntityCall) -> Any:
        """Make a call, and return its result.

        Raises:
            ComponentError: If it failed.
        """
        ...

    async def commit(self, calls: Sequence[EntityCall], place: str) -> list[Any]:
        """Make calls one after the other, all or none, and return their results.

        Raises:
            ComponentError: If one failed, so that nothing was changed.
        """
        ...


class EntityHandle:
    """An entity seen from a caller: each attribute is a method of it.

    In a method of an entity, which holds its own key while it waits: no two of them may call each other's entities at
    the same time; see `EntityFactory.__call__`.
    """

    def __init__(self, invoke: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._invoke = invoke

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        if method.startswith("__"):
            raise AttributeError(method)

        def call(*arguments: Any, **named: Any) -> Awaitable[Any]:
            return self._invoke(method, call_payload(arguments, named))

        return call


def call_payload(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Write the arguments of a call as one payload: positional ones travel under `*`."""
    if not arguments:
        return named
    return {"*": list(arguments), **named}


def entity_name(tenant: str, entity_type: str, key: str) -> EntityName:
    """Name an entity of a tenant.

    Raises:
        InvalidInputError: If nothing can be called so.
        NotSerialisableError: If the key holds a secret.
    """
    try:
        name = EntityName.checked(tenant, entity_type, key)
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
    if (secret := secret_in(key)) is not None:
        raise secret_refused(f"the key of an entity {entity_type!r} holds", secret)
    return name


CommitCalls = Callable[[Sequence[EntityCall]], Coroutine[Any, Any, list[Any]]]
"""Makes calls, all or none."""
