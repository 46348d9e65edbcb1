"""Tools that are written as a module: a `TOOL_SPEC`, and a function of the name that it says."""

import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import ModuleType
from typing import Any

from towpath.errors import RegistrationError
from towpath.schema import Arguments
from towpath.tools.tool import Tool
from towpath.tools.tool_context import ToolContext
from towpath.work import call as called

SPEC = "TOOL_SPEC"
"""Name of the variable that describes a tool: `{"name", "description", "inputSchema": {"json": ...}}`."""


def written_tool(module: ModuleType) -> Tool:
    """Make a tool of a module's `TOOL_SPEC` and function.

    The function is given what the model asked for (`{"toolUseId", "name", "input"}`), and by name what the agent's
    caller gave along; it returns `{"status": ..., "content": [...]}`.

    Raises:
        RegistrationError: If either cannot be.
    """
    spec = getattr(module, SPEC)
    match spec:
        case {"name": str() as name, "description": str() as description, "inputSchema": schema}:
            function = _function(module, name)
            return Tool(name, description, schema, _handler(function))
        case _:
            raise RegistrationError(
                f"{module.__file__}: {SPEC} needs a name, a description and an inputSchema; it is {spec!r}"
            )


def _function(module: ModuleType, name: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise RegistrationError(
            f"{module.__file__}: {SPEC} names {name!r}, but there is no function of that name"
        )
    return function


def _handler(function: Callable[..., Any]) -> Callable[..., Any]:
    async def written(tool_context: ToolContext, **arguments: Any) -> Any:
        use = {**tool_context.tool_use, "input": arguments}
        return await called(function, Arguments((use,), _wanted(function, tool_context.invocation_state)))

    return written


def _wanted(function: Callable[..., Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `function` takes by name: all, where it has `**kwargs`."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(state)
    return {name: value for name, value in state.items() if name in parameters}
