"""The tools of an agent: what may stand in its `tools` list, made into `Tool` objects by name."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from towpath.errors import RegistrationError
from towpath.tools.function_tool import tool_of
from towpath.tools.tool import Tool


def toolbox(tools: Iterable[Any]) -> Mapping[str, Tool]:
    """Collect tools by name, from `Tool` objects, plain functions and nested lists of them, and register them.

    Raises:
        RegistrationError: If two of them have one name.
        TypeError: If something in the list is no tool.
    """
    box: dict[str, Tool] = {}
    for tool in _flat(tools):
        if box.setdefault(tool.name, tool) is not tool:
            raise RegistrationError(f"two tools are named {tool.name!r}; give one of them another name")
        tool.register()
    return box


def _flat(tools: Iterable[Any]) -> Iterator[Tool]:
    for tool in tools:
        match tool:
            case Tool():
                yield tool
            case list() | tuple():
                yield from _flat(cast("Iterable[Any]", tool))
            case _ if inspect.isroutine(tool):
                yield tool_of(tool)
            case _:
                raise TypeError(f"{tool!r} is no tool; tools are Tool objects, functions, and lists of them")
