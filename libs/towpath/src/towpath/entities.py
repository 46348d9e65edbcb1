"""`entity`: state under a key, with methods of which one at a time may write."""

from collections.abc import Callable
from typing import Any, NoReturn

from towpath.annotations import name_of
from towpath.components import REGISTRY, Component, ComponentType, Method
from towpath.definitions import MARK, Decorated, check_no_stream, documentation_of
from towpath.errors import ContextError, RegistrationError
from towpath.retry import ONCE
from towpath.schema import schema_of
from towpath.work import Body


class EntityType:
    """A type of entity, to which methods are added.

    >>> counter = EntityType("DocCounter")
    >>> @counter.write
    ... async def add(ctx, amount: int) -> int:
    ...     ctx.set("total", await ctx.get("total", 0) + amount)
    ...     return await ctx.get("total")
    >>> list(counter.methods)
    ['add']
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.methods: dict[str, Method] = {}
        component = Component(
            name=name,
            kind=ComponentType.ENTITY,
            execute=self._no_method,
            retry=ONCE,
            methods=self.methods,
            source=self,
        )
        setattr(self, MARK, component)
        REGISTRY.add(component)

    def write(self, method: Decorated) -> Decorated:
        """Add a method that may change the state; one at a time runs for each key, in order of arrival."""
        return self._added(method, shared=False)

    def shared(self, method: Decorated) -> Decorated:
        """Add a method that only reads; it sees the last committed state and waits for nobody."""
        return self._added(method, shared=True)

    def __repr__(self) -> str:
        return f"entity({self.name!r})"

    def _added(self, body: Decorated, *, shared: bool) -> Decorated:
        check_no_stream(body)
        name = name_of(body)
        if name in self.methods:
            raise RegistrationError(f"entity {self.name!r} has a method {name!r} already")
        schema = schema_of(body, name=f"{self.name}.{name}", descriptions=documentation_of(body).parameters)
        self.methods[name] = Method(name, Body(schema, body), shared)
        setattr(body, MARK, self.methods[name])
        return body

    async def _no_method(self, context: Any, payload: Any) -> NoReturn:
        raise ContextError(
            f'entity {self.name!r} is not run but called: ctx.entity("{self.name}", key).method(...)'
        )


class EntityFactory:
    """Makes types of entity."""

    def __call__(self, name: str) -> EntityType:
        """Make the type of entity called `name`.

        Raises:
            RegistrationError: If there is one of this name already.
        """
        return EntityType(name)

    def write(self, method: Callable[..., Any]) -> NoReturn:
        """Explain how a method is declared."""
        _explain("write", method)

    def shared(self, method: Callable[..., Any]) -> NoReturn:
        """Explain how a method is declared."""
        _explain("shared", method)


def _explain(role: str, method: Callable[..., Any]) -> NoReturn:
    raise RegistrationError(
        f'`entity` makes types of entity and has no methods itself: write `counter = entity("Counter")`, '
        f"then `@counter.{role}` above {name_of(method)}",
    )


def read_only_error(entity_type: str, method: str, name: str) -> ContextError:
    """Say that a shared method tried to change the state value `name`."""
    return ContextError(
        f"{entity_type}.{method} is shared and only reads; make it a write method to set or delete {name!r}",
    )


entity = EntityFactory()
