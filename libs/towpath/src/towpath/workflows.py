"""`@workflow`: an orchestration whose finished steps are never run again."""

import inspect
from collections.abc import Callable
from typing import Any, overload

from towpath.annotations import name_of
from towpath.components import Component, ComponentType
from towpath.definitions import Decorated, check_no_stream, documentation_of, register
from towpath.retry import ONCE
from towpath.schema import schema_of
from towpath.work import Body


@overload
def workflow(name: Decorated, /) -> Decorated: ...
@overload
def workflow(name: str | None = None) -> Callable[[Decorated], Decorated]: ...


def workflow(name: Any = None) -> Any:
    """Register an async function whose first parameter is the context; it stays the callable it is.

    Args:
        name: What it is called by; its own name if not given.

    Raises:
        TypeError: If it is not async, or does not take the context first.
        RegistrationError: If another workflow has this name, or its types cannot be read from JSON.
    """

    def decorate(body: Decorated) -> Decorated:
        check_no_stream(body)
        return register(body, _component(body, None if callable(name) else name))

    return decorate(name) if callable(name) else decorate


def _component(body: Callable[..., Any], name: str | None) -> Component:
    documentation = documentation_of(body)
    schema = schema_of(body, name=name, descriptions=documentation.parameters)
    if not (schema.takes_context and inspect.iscoroutinefunction(body)):
        raise TypeError(
            f"{name_of(body)} is no workflow: write `async def {name_of(body)}(ctx, ...)` and call its steps on ctx; "
            "a workflow that returns a graph of steps is not supported",
        )
    return Component(
        name=name or name_of(body),
        kind=ComponentType.WORKFLOW,
        execute=Body(schema, body),
        description=documentation.summary,
        input_schema=schema.input_schema,
        output_schema=schema.output_schema,
        output_type=schema.output_type,
        retry=ONCE,
        source=body,
    )
