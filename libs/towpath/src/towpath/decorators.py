"""The functions of this process, for whoever looks at them, adds to them by hand, or tries one out with no platform."""

import asyncio
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, cast

from pydantic_core import from_json, to_json

from towpath.annotations import hints_of
from towpath.components import REGISTRY, Component, ComponentType
from towpath.context import Context
from towpath.current import running_in
from towpath.definitions import Decorated, component_of
from towpath.errors import ConfigurationError, ContinuedAsNewError, InvalidInputError, RegistrationError
from towpath.functions import function
from towpath.local.calls import deadline_of
from towpath.local.local_context import LocalContext
from towpath.values import to_json_value
from towpath.work import Body


def get_registered_functions() -> dict[str, Callable[..., Any]]:
    """Return the functions of this process by name."""
    found = (one for one in REGISTRY if one.kind is ComponentType.FUNCTION)
    return {one.name: cast("Callable[..., Any]", one.source) for one in found}


def get_function_metadata(registered: Callable[..., Any]) -> dict[str, Any]:
    """Describe a registered function: `name`, `type`, `parameters` (without the context) and `return_type`.

    Raises:
        RegistrationError: If it is not registered.
    """
    component = component_of(registered)
    if component is None:
        raise RegistrationError(f"{registered!r} is not registered; decorate it with @function")
    hints = hints_of(registered)
    parameters = cast("Body", component.execute).schema.parameters.by_name.values()
    return {
        "name": component.name,
        "type": component.kind.value,
        "parameters": [_described(one, hints.get(one.name, Any)) for one in parameters],
        "return_type": _type_text(hints.get("return", Any)),
    }


def register_function(name: str, handler: Decorated, **options: Any) -> Decorated:
    """Register a function by hand; `options` are those of `@function`.

    Raises:
        RegistrationError: As `@function` does.
    """
    return function(name, **options)(handler)


def clear_registry() -> None:
    """Forget every component of this process: for tests."""
    REGISTRY.clear()


def execute_component(name: str, input_data: bytes, context: Context | None = None) -> bytes:
    """Run a component once, in this thread, and return its result as JSON; where it continues as new, the last one's.

    Args:
        name: A function, workflow, agent or tool of this process.
        input_data: Its input as JSON; nothing at all is no input.
        context: What it is given as its context; a new `LocalContext` if not given.

    Raises:
        ConfigurationError: If there is no component of this name.
        InvalidInputError: If the input is no JSON, or does not fit.
        RuntimeError: If an event loop runs in this thread.
        Exception: Whatever the component raises; it is not tried again.
    """
    component = REGISTRY.runnable(name) or REGISTRY.callable(name)
    if component is None:
        raise ConfigurationError(f"{name!r} is no component; import the module that defines it")
    _refuse_running_loop()
    result = asyncio.run(_execute_to_its_end(component, _payload(name, input_data), context))
    return to_json(result)


async def _execute_to_its_end(component: Component, payload: Any, context: Context | None) -> Any:
    while True:
        try:
            return await _execute(component, payload, context)
        except ContinuedAsNewError as again:
            payload = again.input


async def _execute(component: Component, payload: Any, context: Context | None) -> Any:
    given = LocalContext(component_type=component.kind) if context is None else context
    with running_in(given):
        async with deadline_of(component):
            return to_json_value(await component.execute(given, payload))


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "execute_component waits, and an event loop runs in this thread: await `towpath.local.run(name, input)` instead"
    )


def _payload(name: str, input_data: bytes) -> Any:
    try:
        return from_json(input_data) if input_data else None
    except ValueError as error:
        raise InvalidInputError(f"the input of {name} is not JSON: {error}") from error


def _described(parameter: Parameter, hint: Any) -> dict[str, Any]:
    required = parameter.default is Parameter.empty
    described = {"name": parameter.name, "type": _type_text(hint), "required": required}
    return described if required else {**described, "default": parameter.default}


def _type_text(hint: Any) -> str:
    """Write an annotation as people do: `int`, `dict[str, Any]`, `Order`."""
    if hint is type(None):
        return "None"
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return hint.__name__
    return inspect.formatannotation(hint)
