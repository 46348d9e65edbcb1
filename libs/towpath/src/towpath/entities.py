"""`entity`: state under a key, with methods of which one at a time may write."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, overload

from towpath.annotations import name_of
from towpath.builtin_entities import PREFIX
from towpath.components import REGISTRY, Component, ComponentType, Executable, Method, add_built_in
from towpath.definitions import MARK, Decorated, check_name, check_no_stream, documentation_of
from towpath.entity_classes import METHOD, ClassMethod, Role, check_class, methods_in
from towpath.errors import ContextError, RegistrationError
from towpath.retry import ONCE
from towpath.schema import schema_of
from towpath.work import Body

ClassT = TypeVar("ClassT", bound=type)


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

    def __init__(self, name: str, *, max_turn_ms: float | None = None, built_in: bool = False) -> None:
        check_name(name)
        if name.startswith(PREFIX) != built_in:
            raise RegistrationError(
                f"entity {name!r}: names that begin with {PREFIX!r} are Towpath's own; choose another name"
            )
        if max_turn_ms is not None and not max_turn_ms > 0:
            raise RegistrationError(f"entity {name!r}: max_turn_ms is more than 0, not {max_turn_ms!r}")
        self.name = name
        self.methods: dict[str, Method] = {}
        self._max_turn_ms = max_turn_ms
        component = Component(
            name=name,
            kind=ComponentType.ENTITY,
            execute=self._no_method,
            retry=ONCE,
            methods=self.methods,
            source=self,
        )
        setattr(self, MARK, component)
        (add_built_in if built_in else REGISTRY.add)(component)

    def write(self, method: Decorated) -> Decorated:
        """Add a method that may change the state; one at a time runs for each key, in order of arrival."""
        return self._added(method, shared=False)

    def shared(self, method: Decorated) -> Decorated:
        """Add a method that only reads; it sees the last committed state and waits for nobody."""
        return self._added(method, shared=True)

    def __call__(self, entity_class: ClassT) -> ClassT:
        """Add the methods of a class; see `EntityFactory.__call__`."""
        check_class(entity_class)
        for name, body, role in methods_in(entity_class):
            self._add(name, ClassMethod.of(entity_class, self.name, body), shared=role == "shared")
        setattr(entity_class, MARK, getattr(self, MARK))
        return entity_class

    def __repr__(self) -> str:
        return f"entity({self.name!r})"

    def _added(self, body: Decorated, *, shared: bool) -> Decorated:
        check_no_stream(body)
        name = name_of(body)
        schema = schema_of(body, name=f"{self.name}.{name}", descriptions=documentation_of(body).parameters)
        setattr(body, MARK, self._add(name, Body(schema, body), shared=shared))
        return body

    def _add(self, name: str, body: Executable, *, shared: bool) -> Method:
        if name in self.methods:
            raise RegistrationError(f"entity {self.name!r} has a method {name!r} already")
        if self._max_turn_ms is not None:
            body = _Limited(body, f"{self.name}.{name}", self._max_turn_ms)
        self.methods[name] = Method(name, body, shared)
        return self.methods[name]

    async def _no_method(self, context: Any, payload: Any) -> NoReturn:
        raise ContextError(
            f'entity {self.name!r} is not run but called: ctx.entity("{self.name}", key).method(...)'
        )


@dataclass(frozen=True, slots=True)
class _Limited:
    """A method that holds its key for so long and no longer."""

    body: Executable
    name: str
    max_turn_ms: float

    async def __call__(self, context: Any, payload: Any) -> Any:
        """Run it; see `Executable`."""
        deadline = asyncio.timeout(self.max_turn_ms / 1_000)
        try:
            async with deadline:
                return await self.body(context, payload)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            message = f"{self.name} did not end within max_turn_ms={self.max_turn_ms:g}; it changed nothing"
            raise TimeoutError(message) from error


class EntityFactory:
    """Makes types of entity."""

    @overload
    def __call__(self, name: str, *, max_turn_ms: float | None = None) -> EntityType: ...

    @overload
    def __call__(self, name: ClassT) -> ClassT: ...

    def __call__(self, name: str | type, *, max_turn_ms: float | None = None) -> Any:
        """Make a type of entity: one that gets its methods by decorators, or one of a class.

            counter = entity("Counter")     |    @entity
                                            |    class Counter:
            @counter.write                  |        total: int = 0
            async def add(ctx, amount):     |
                ...                         |        @entity.write
                                            |        async def add(self, amount: int) -> int:
                                            |            self.total += amount
                                            |            return self.total

        The annotated attributes of a class are its state; each call has an instance of its own, made of what is
        committed (no `__init__` is called), and what a write method has changed is committed with its end. A method
        may take the context behind `self`. `@entity("Other", max_turn_ms=...)` above a class gives it another name.
        A value that does not fit its annotation is refused, and the method changes nothing; a stored one that fits
        no more (the annotation is another one now) fails where it is read, and may be set anew.

        A method that calls another entity holds its own key meanwhile: methods that may run at the same time call
        entities in one order, or their caller changes them in one `ctx.transaction()`. Calls that cross are refused
        where one process holds all entities (scripts, tests); on the platform they fail with a timeout, once nine
        tenths of what a method may take are over.

        Args:
            name: The type's name, or the class.
            max_turn_ms: Milliseconds a method may take, while which it holds its key; one that takes longer fails and
                changes nothing. Without it, the platform's own limit counts (ten minutes, `turn_deadline_s`).

        Raises:
            RegistrationError: If there is one of this name already, or the name is not one that users may give.
        """
        if isinstance(name, type):
            return EntityType(name.__name__)(name)
        return EntityType(name, max_turn_ms=max_turn_ms)

    def write(self, method: Decorated) -> Decorated:
        """Mark a method of a class as one that may change the state."""
        return _marked("write", method)

    def shared(self, method: Decorated) -> Decorated:
        """Mark a method of a class as one that only reads."""
        return _marked("shared", method)


def builtin_entity(name: str) -> EntityType:
    """Make a type of entity that comes with Towpath; `builtin_entities.MODULES` says where it is made."""
    return EntityType(name, built_in=True)


def _marked(role: Role, method: Decorated) -> Decorated:
    if not _is_in_class(method):
        raise RegistrationError(
            f'`entity` makes types of entity and has no methods itself: write `counter = entity("Counter")`, '
            f"then `@counter.{role}` above {name_of(method)}; or put it into a class below `@entity`",
        )
    check_no_stream(method)
    setattr(method, METHOD, role)
    return method


def _is_in_class(method: Callable[..., Any]) -> bool:
    """Tell whether a function is being defined in the body of a class."""
    *_, around, _name = ("<locals>", *getattr(method, "__qualname__", "").split("."))
    return around != "<locals>"


def read_only_error(entity_type: str, method: str, name: str) -> ContextError:
    """Say that a shared method tried to change the state value `name`."""
    return ContextError(
        f"{entity_type}.{method} is shared and only reads; make it a write method to set or delete {name!r}",
    )


entity = EntityFactory()
