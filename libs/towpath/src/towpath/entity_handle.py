"""An entity, and how the calls of it are written."""

from collections.abc import Awaitable, Callable
from typing import Any


class EntityHandle:
    """An entity seen from a caller: each attribute is a method of it."""

    def __init__(self, invoke: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._invoke = invoke

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        if method.startswith("__"):
            raise AttributeError(method)

        def call(*arguments: Any, **named: Any) -> Awaitable[Any]:
            return self._invoke(method, call_payload(arguments, named))

        return call


def call_payload(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Write the arguments of a call as one payload: positional ones travel under `*`."""
    if not arguments:
        return named
    return {"*": list(arguments), **named}
