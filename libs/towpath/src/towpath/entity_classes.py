"""Entities that are written as classes: annotated attributes are the state, marked methods are its methods."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from reprlib import repr as repr_of
from typing import Any, ClassVar, Final, Literal, NoReturn, cast, get_origin, get_type_hints

from towpath.definitions import documentation_of
from towpath.errors import ContextError, NotSerialisableError, RegistrationError
from towpath.schema import CallableSchema, schema_of
from towpath.values import adapter_of, revive, to_json_value
from towpath.work import Body

Role = Literal["write", "shared"]

METHOD = "_towpath_entity_method"
"""Attribute that says the role of a method."""

_ABSENT: Final = object()


def methods_in(entity_class: type) -> Iterator[tuple[str, Callable[..., Any], Role]]:
    """List the marked methods of a class, inherited ones among them.

    Raises:
        RegistrationError: If there is none.
    """
    found = [
        (name, body, role)
        for name in dir(entity_class)
        if (role := getattr(body := getattr(entity_class, name), METHOD, None)) is not None
    ]
    if not found:
        raise RegistrationError(
            f"class {entity_class.__name__} has no methods to call; mark them with @entity.write or @entity.shared"
        )
    yield from found


def check_class(entity_class: type) -> None:
    """Refuse a class whose state could not be kept.

    Raises:
        RegistrationError: If it makes its instances itself, or an attribute has a type that JSON cannot carry.
    """
    name = entity_class.__name__
    if entity_class.__init__ is not object.__init__:
        raise RegistrationError(
            f"class {name} has an __init__, which no entity needs: annotate its state (`total: int = 0`) instead"
        )
    for attribute, hint in _state_of(entity_class).items():
        if adapter_of(hint) is None:
            raise RegistrationError(f"{name}.{attribute}: {hint} cannot be kept as JSON; use another type")


def _state_of(entity_class: type) -> dict[str, Any]:
    """Tell the attributes that are state, with their types.

    Raises:
        RegistrationError: If an annotation names what does not exist at run time.
    """
    try:
        annotated = get_type_hints(entity_class, include_extras=True)
    except NameError as error:
        raise RegistrationError(
            f"class {entity_class.__name__}: an annotation names {error.name!r}, which is not known at run time; import "
            "it outside of TYPE_CHECKING, and define it above"
        ) from error
    return {name: hint for name, hint in annotated.items() if get_origin(hint) is not ClassVar}


@dataclass(frozen=True, slots=True)
class ClassMethod:
    """A method of a class, as the engine calls it."""

    entity_class: type
    schema: CallableSchema
    source: Callable[..., Any]

    @classmethod
    def of(cls, entity_class: type, entity_type: str, method: Callable[..., Any]) -> "ClassMethod":
        """Read its signature."""
        bound = method.__get__(_instance(entity_class))
        name = f"{entity_type}.{method.__name__}"
        schema = schema_of(bound, name=name, descriptions=documentation_of(method).parameters)
        return cls(entity_class, schema, method)

    async def __call__(self, context: Any, payload: Any) -> Any:
        """Run it on an instance that has the entity's state, and keep what it has changed."""
        state = _state_of(self.entity_class)
        stored = {name: await context.get(name, _ABSENT) for name in state}
        instance = _instance_with(self.entity_class, stored, state)
        before = {name: _written(instance, name) for name in state}
        result = await Body(self.schema, self.source.__get__(instance))(context, payload)
        self._check_attributes(instance, state)
        for name, value in before.items():
            self._keep(instance, name, value, state[name], context)
        return result

    def _check_attributes(self, instance: Any, state: dict[str, Any]) -> None:
        if unknown := sorted(_attributes(instance).keys() - state.keys()):
            raise ContextError(
                f"{self.schema.name} set {', '.join(unknown)}, which is not kept: annotate state attributes in class "
                f"{self.entity_class.__name__}"
            )

    def _keep(self, instance: Any, name: str, before: Any, hint: Any, context: Any) -> None:
        """Keep a state value if it is another one than `before`.

        Raises:
            NotSerialisableError: If it does not fit its annotation, so that no later call could read it.
        """
        after = _written(instance, name)
        if after is _ABSENT and before is not _ABSENT:
            context.delete(name)
        elif after is not _ABSENT and (before is _ABSENT or after != before):
            _revived(after, hint, f"{self.entity_class.__name__}.{name}, as {self.schema.name} leaves it,")
            context.set(name, after)


class _Unreadable:
    """Stands for a stored value that does not fit its annotation: fails where it is read, until it is replaced."""

    def __init__(self, problem: str) -> None:
        self._problem = problem

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        raise NotSerialisableError(f"{self._problem}; or have a write method set it anew without reading it")


def _instance(entity_class: type) -> Any:
    made: Any = object.__new__(cast("type[Any]", entity_class))
    return made


def _instance_with(entity_class: type, stored: dict[str, Any], state: dict[str, Any]) -> Any:
    """Make an instance that has the stored values, and copies of the defaults of what is not stored."""
    values: dict[str, Any] = {}
    unreadable: dict[str, _Unreadable] = {}
    for name, value in stored.items():
        if value is not _ABSENT:
            try:
                values[name] = _revived(
                    value, state[name], f"{entity_class.__name__}.{name}, as it is stored,"
                )
            except NotSerialisableError as error:
                unreadable[name] = _Unreadable(str(error))
        elif hasattr(entity_class, name):
            values[name] = copy.deepcopy(getattr(entity_class, name))
    made = _instance(type(entity_class.__name__, (entity_class,), unreadable) if unreadable else entity_class)
    _attributes(made).update(values)
    return made


def _revived(value: Any, hint: Any, what: str) -> Any:
    """Read a state value.

    Raises:
        NotSerialisableError: If it does not fit its annotation; the message says what it is instead.
    """
    try:
        return revive(value, hint, what=what)
    except NotSerialisableError as error:
        raise NotSerialisableError(f"{error}, which is {repr_of(value)}") from error


def _attributes(instance: Any) -> dict[str, Any]:
    return instance.__dict__


def _written(instance: Any, name: str) -> Any:
    value = _attributes(instance).get(name, _ABSENT)
    return value if value is _ABSENT else to_json_value(value)
