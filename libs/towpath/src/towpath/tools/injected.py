"""What a tool's handler is given besides its arguments: the context, the call, the agent."""

import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, Literal

from towpath.annotations import asks_for, hints_of, is_context, name_of
from towpath.errors import RegistrationError
from towpath.injection import InjectedCall
from towpath.tools.tool_context import ToolContext, given_tool_context
from towpath.values import adapter_of

Gift = Literal["context", "tool_context", "agent"]

_BY_NAME: dict[str, Gift] = {"tool_context": "tool_context", "agent": "agent"}


def injected_parameters(function: Callable[..., Any], context: bool | str) -> dict[str, Gift]:  # noqa: FBT001 - as in `@tool(context=True)`
    """Find the parameters of `function` that are given to it, and so are no input.

    Args:
        function: A tool's handler.
        context: The name of the parameter that is given the `ToolContext`; True for `tool_context`.

    Raises:
        RegistrationError: If there is no parameter of that name.
    """
    parameters = inspect.signature(function).parameters
    named = "tool_context" if context is True else context
    if named and named not in parameters:
        raise RegistrationError(
            f"{name_of(function)}: context={context!r} asks for a parameter {named!r}; add it"
        )
    hints = hints_of(function)
    given: dict[str, Gift] = {}
    for one in parameters.values():
        if (gift := _gift(one, hints.get(one.name, Any), named)) is not None:
            given[one.name] = gift
    return given


def _gift(parameter: Parameter, hint: Any, named: bool | str) -> Gift | None:  # noqa: FBT001 - private
    if parameter.kind not in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
        return None
    if parameter.name == named or asks_for(InjectedCall, hint):
        return "tool_context"
    if is_context(parameter.name, hint):
        return "context"
    gift = _BY_NAME.get(parameter.name)
    is_free = hint is Any or adapter_of(hint) is None  # what JSON can be read as is input, whatever its name
    return gift if is_free else None


def gifts(wanted: Mapping[str, Gift], context: Any, use: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Make what the parameters `wanted` are given in one call.

    Args:
        wanted: Which parameter is given what.
        context: The context of the call.
        use: Describes the call, where its caller has not.

    Raises:
        ContextError: If the agent is asked for and is not in this process.
    """
    tool_context = given_tool_context() or ToolContext(use())
    makers: dict[Gift, Callable[[], Any]] = {
        "context": lambda: context,
        "tool_context": lambda: tool_context,
        "agent": lambda: tool_context.agent,
    }
    return {name: makers[gift]() for name, gift in wanted.items()}
