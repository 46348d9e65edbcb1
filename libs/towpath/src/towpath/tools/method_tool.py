"""`@tool` on a method: each object has a tool of its own, which knows the object as `self`."""

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

from towpath.tools.tool import Tool


def is_method(function: Callable[..., Any]) -> bool:
    """Tell whether a function is written as a method: its first parameter is called `self`."""
    return next(iter(inspect.signature(function).parameters), None) == "self"


class MethodTool:
    """What a class has where a method is decorated with `@tool`; objects of the class have the tool.

    Args:
        function: The method.
        make: Makes a tool of a function.
    """

    def __init__(self, function: Callable[..., Any], make: Callable[[Callable[..., Any]], Tool]) -> None:
        self._function = function
        self._make = make
        self._name = function.__name__
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        own = _attributes(instance)
        if self._name not in own:
            own[self._name] = self._make(MethodType(self._function, instance))
        return own[self._name]


def _attributes(instance: object) -> dict[str, Any]:
    return instance.__dict__
