"""What a component of this process calls or starts, found by its definition or its name."""

from collections.abc import Callable
from typing import Any

from towpath.components import Component, ComponentType, Registry
from towpath.definitions import component_of
from towpath.errors import ComponentError, ConfigurationError
from towpath_schemas.failure import Failure

Target = str | Callable[..., Any]
"""A decorated callable, or a name."""

_STARTED = {ComponentType.WORKFLOW: "a workflow", ComponentType.AGENT: "an agent"}
"""Kinds of components that nothing calls: each is a run of its own."""

_IMPORT = "import the module that defines it"


def name_of(target: Target) -> str:
    """Tell what a target is called.

    Raises:
        TypeError: If it is a callable that is no component.
    """
    return target if isinstance(target, str) else _registered(target).name


def handler_called(service: Target, handler_name: object) -> str | None:
    """Tell the name of what `ctx.task` calls; None where it is given the function itself.

    Raises:
        ConfigurationError: If it is given a function and a name, or a service and none.
    """
    if not isinstance(service, str):
        if handler_name is None:
            return None
        name = getattr(service, "__name__", type(service).__name__)
        raise ConfigurationError(
            f"ctx.task was given {name} itself and a handler_name as well; give what {name} is called with as its "
            f"input: ctx.task({name}, input=...)"
        )
    if not isinstance(handler_name, str) or not handler_name:
        raise ConfigurationError(
            f"ctx.task was given the service {service!r} with handler_name={handler_name!r}; give the name of one of "
            "its functions, or the function itself in place of both"
        )
    return handler_name


def function_called(registry: Registry, service: Target, handler_name: object) -> Component:
    """Find what `ctx.task` calls; in this process every service is this one.

    Raises:
        ConfigurationError: If it is not said; see `handler_called`.
        TypeError: If it is a callable that is no component.
        ComponentError: If it is no function, or there is none of this name.
    """
    handler = handler_called(service, handler_name)
    if handler is not None:
        found, name = registry.callable(handler), handler
        instead = None if found else started_instead(registry.runnable(handler))
    else:
        found = _registered(service)
        name, instead = found.name, started_instead(found)
    return _known(None if instead else found, f"function {name!r}", instead or _IMPORT)


def started_instead(component: Component | None) -> str | None:
    """Say of what cannot be called that it can be started, if it can."""
    if component is None or component.kind not in _STARTED:
        return None
    return f"{component.name!r} is {_STARTED[component.kind]}: start it as a run of its own, with ctx.spawn"


def component_started(registry: Registry, target: Target) -> Component:
    """Find what `ctx.spawn` starts.

    Raises:
        TypeError: If it is a callable that is no component.
        ComponentError: If there is none of this name.
    """
    if not isinstance(target, str):
        return _registered(target)
    return _known(registry.runnable(target), f"component {target!r}", _IMPORT)


def _registered(definition: Target) -> Component:
    component = component_of(definition)
    if component is None:
        raise TypeError(f"{definition!r} is not registered; decorate it")
    return component


def _known(found: Component | None, what: str, remedy: str) -> Component:
    if found is None:
        message = f"{what} is not known here; {remedy}"
        raise ComponentError(Failure(code="unknown_component", message=message))
    return found
