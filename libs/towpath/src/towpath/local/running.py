"""Running in this process: a component, by name or by its definition, or what a plain script does itself."""

from typing import Any

from towpath.components import REGISTRY, Component
from towpath.context import Context
from towpath.current import context_or_none
from towpath.definitions import component_of
from towpath.errors import ConfigurationError
from towpath.local.local_context import LocalContext


def here() -> Context:
    """Return the context of the component that is running; in a plain script, one of the script's own."""
    return context_or_none() or LocalContext()


async def run(component: Any, payload: Any = None, *, context: LocalContext | None = None) -> Any:
    """Run a component on `payload`, as the platform would, and return its result.

    Args:
        component: A decorated function or workflow, an agent, a tool, or the name of one.
        payload: An object of its parameters, or the value of its only one.
        context: Where it runs; a new context if not given.

    Raises:
        ComponentError: If it failed for good.
        ConfigurationError: If there is no such component.
    """
    return await (context or LocalContext()).run_component(_found(component), payload)


def _found(component: Any) -> Component:
    name = component if isinstance(component, str) else None
    found = component_of(component) if name is None else REGISTRY.runnable(name) or REGISTRY.callable(name)
    if found is None:
        raise ConfigurationError(
            f"{component!r} is no component; decorate it, or import the module that defines it"
        )
    return found
