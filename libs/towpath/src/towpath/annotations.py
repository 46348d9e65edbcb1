"""What a function says about its parameters and its result, with every annotation resolved."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

from towpath.errors import RegistrationError
from towpath.injection import Injected, InjectedCall

_OUR_NAMES: dict[str, Any] = {
    "Context": Injected,
    "WorkflowContext": Injected,
    "ExecutionContext": Injected,
    "ToolContext": InjectedCall,
    "Agent": Any,
}
"""Resolved even where they are imported only for the type checker: what is injected is never validated."""


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Resolve the annotations of `function`; `return` is among them if it is annotated.

    Raises:
        RegistrationError: If an annotation names what does not exist at run time.
    """
    annotated = _annotated(function)
    try:
        hints = _resolved(annotated)
    except NameError as error:
        raise RegistrationError(
            f"{name_of(function)}: an annotation names {error.name!r}, which is not known at run time; "
            "import it outside of TYPE_CHECKING, and define it above",
        ) from error
    return {name: _spelled_out(hint) for name, hint in hints.items()}


def name_of(function: Callable[..., Any]) -> str:
    """Name a callable, also a partial or an object."""
    return getattr(_annotated(function), "__name__", type(function).__name__)


def result_of(hints: dict[str, Any]) -> Any:
    """Tell the type of the result among `hints`: of something to await, what awaiting it gives."""
    hint = hints.get("return", Any)
    return get_args(hint)[-1] if get_origin(hint) in (Awaitable, Coroutine) else hint


def is_context(name: str, hint: Any) -> bool:
    """Tell whether a leading parameter wants the context: by its name, or by its type."""
    return name == "ctx" or asks_for(Injected, hint)


def context_first(function: Callable[..., Any], names: dict[str, Any]) -> bool:
    """Tell whether the first of the parameters `names` (name to hint) wants the context.

    Raises:
        RegistrationError: If another one does.
    """
    leading, *others = [*names.items()] or [("", None)]
    late = [name for name, hint in others if asks_for(Injected, hint)]
    if late:
        raise RegistrationError(
            f"{name_of(function)}: the context comes first; move {late[0]!r} to the front"
        )
    return is_context(*leading)


def asks_for(kind: type, hint: Any) -> bool:
    """Tell whether an annotation is `kind`, or a union with it."""
    if isinstance(hint, type):
        return issubclass(hint, kind)
    unites = get_origin(hint) in (Union, UnionType, Annotated)
    return unites and any(asks_for(kind, one) for one in get_args(hint))


def _annotated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Find what carries the annotations: the function in a partial, the `__call__` of an object."""
    if isinstance(function, functools.partial):
        return _annotated(cast("functools.partial[Any]", function).func)
    return function if inspect.isroutine(function) or isinstance(function, type) else type(function).__call__


def _resolved(annotated: Callable[..., Any]) -> dict[str, Any]:
    target = annotated.__init__ if isinstance(annotated, type) else annotated
    try:
        return get_type_hints(target, include_extras=True)
    except NameError:
        return get_type_hints(target, localns=_OUR_NAMES, include_extras=True)


def _spelled_out(hint: Any) -> Any:
    """Read the built-in function `any` in an annotation as `Any`: a frequent slip that means the same."""
    if hint is any:
        return Any
    if not _mentions_any_function(hint):
        return hint
    arguments = tuple(map(_spelled_out, get_args(hint)))
    origin = get_origin(hint)
    return Union[arguments] if origin in (Union, UnionType) else origin[arguments]  # noqa: UP007


def _mentions_any_function(hint: Any) -> bool:
    return hint is any or any(map(_mentions_any_function, get_args(hint)))
