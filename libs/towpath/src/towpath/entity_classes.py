"""Entities that are written as classes: annotated attributes are the state, marked methods are its methods."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, cast, get_origin, get_type_hints

from towpath.definitions import documentation_of
from towpath.errors import ContextError, RegistrationError
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
        instance = _instance(self.entity_class)
        state = _state_of(self.entity_class)
        before = {name: await _load(instance, name, hint, context) for name, hint in state.items()}
        result = await Body(self.schema, self.source.__get__(instance))(context, payload)
        self._check_attributes(instance, state)
        for name, value in before.items():
            _keep(instance, name, value, context)
        return result

    def _check_attributes(self, instance: Any, state: dict[str, Any]) -> None:
        if unknown := sorted(_attributes(instance).keys() - state.keys()):
            raise ContextError(
                f"{self.schema.name} set {', '.join(unknown)}, which is not kept: annotate state attributes in class "
                f"{self.entity_class.__name__}"
            )


def _instance(entity_class: type) -> Any:
    made: Any = object.__new__(cast("type[Any]", entity_class))
    return made


def _attributes(instance: Any) -> dict[str, Any]:
    return instance.__dict__


async def _load(instance: Any, name: str, hint: Any, context: Any) -> Any:
    """Give an instance a state value, or its default; return it as JSON, or `_ABSENT`."""
    value = await context.get(name, _ABSENT)
    if value is not _ABSENT:
        setattr(instance, name, revive(value, hint))
    elif hasattr(instance, name):
        setattr(instance, name, copy.deepcopy(getattr(instance, name)))
    return _written(instance, name)


def _keep(instance: Any, name: str, before: Any, context: Any) -> None:
    """Keep a state value if it is another one than `before`."""
    after = _written(instance, name)
    if after is _ABSENT and before is not _ABSENT:
        context.delete(name)
    elif after is not _ABSENT and (before is _ABSENT or after != before):
        context.set(name, after)


def _written(instance: Any, name: str) -> Any:
    value = _attributes(instance).get(name, _ABSENT)
    return value if value is _ABSENT else to_json_value(value)
