"""What a component of this process calls or starts, found by its definition or its name."""

from collections.abc import Callable
from typing import Any

from towpath.components import Component, Registry
from towpath.definitions import component_of
from towpath.errors import ComponentError
from towpath_schemas.failure import Failure

Target = str | Callable[..., Any]
"""A decorated callable, or a name."""


def name_of(target: Target) -> str:
    """Tell what a target is called.

    Raises:
        TypeError: If it is a callable that is no component.
    """
    return target if isinstance(target, str) else _registered(target).name


def function_called(registry: Registry, service: Target, handler_name: str | None) -> Component:
    """Find what `ctx.task` calls; in this process every service is this one.

    Raises:
        TypeError: If it is not said, or a callable that is no component.
        ComponentError: If there is none of this name.
    """
    if not isinstance(service, str):
        return _registered(service)
    if handler_name is None:
        raise TypeError("ctx.task needs a function, or the names of a service and of its handler")
    return _known(registry.callable(handler_name), f"function {handler_name!r}")


def component_started(registry: Registry, target: Target) -> Component:
    """Find what `ctx.spawn` starts.

    Raises:
        TypeError: If it is a callable that is no component.
        ComponentError: If there is none of this name.
    """
    if not isinstance(target, str):
        return _registered(target)
    return _known(registry.runnable(target), f"component {target!r}")


def _registered(definition: Callable[..., Any]) -> Component:
    component = component_of(definition)
    if component is None:
        raise TypeError(f"{definition!r} is not registered; decorate it")
    return component


def _known(found: Component | None, what: str) -> Component:
    if found is None:
        message = f"{what} is not known here; import the module that defines it"
        raise ComponentError(Failure(code="unknown_component", message=message))
    return found
