"""`@tool`: a Python function as a tool; its name, docstring and types are what the model is told."""

from collections.abc import Callable, Mapping
from typing import Any, overload

from towpath.annotations import name_of
from towpath.definitions import documentation_of
from towpath.errors import RegistrationError
from towpath.retry import ONCE, RetryPolicy
from towpath.tools.confirmation import Confirmation
from towpath.tools.description import description_of
from towpath.tools.method_tool import MethodTool, is_method
from towpath.tools.tool import Tool


def tool_of(
    handler: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    input_schema: Mapping[str, Any] | None = None,
    confirmation: bool | Confirmation = False,
    context: bool | str = False,
    idempotent: bool | None = None,
    timeout_s: float | None = None,
    retry: RetryPolicy = ONCE,
) -> Tool:
    """Make a tool of a function; what is not given is read from its name, docstring and types."""
    return Tool(
        name or name_of(handler),
        description_of(handler) if description is None else description,
        input_schema,
        handler,
        confirmation=confirmation,
        context=context,
        idempotent=idempotent,
        timeout_s=timeout_s,
        retry=retry,
        parameter_descriptions=documentation_of(handler).parameters,
    )


class ToolDecorator:
    """`@tool`, `@tool(...)` and `@tool.function(...)`: one decorator, three spellings."""

    @overload
    def __call__(self, handler: Callable[..., Any], /) -> Tool: ...
    @overload
    def __call__(
        self,
        handler: None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        auto_schema: bool | None = None,
        input_schema: Mapping[str, Any] | None = None,
        inputSchema: Mapping[str, Any] | None = None,  # noqa: N803 - one of the seeds' names
        confirmation: bool | Confirmation = False,
        context: bool | str = False,
        idempotent: bool | None = None,
        timeout_s: float | None = None,
        retry: RetryPolicy = ONCE,
    ) -> Callable[[Callable[..., Any]], Tool]: ...

    def __call__(
        self,
        handler: Callable[..., Any] | None = None,
        /,
        *,
        description: str | None = None,
        auto_schema: bool | None = None,
        input_schema: Mapping[str, Any] | None = None,
        inputSchema: Mapping[str, Any] | None = None,  # noqa: N803 - one of the seeds' names
        **said: Any,
    ) -> Any:
        """Make a registered tool of a function; of a method, one for each object, which whoever uses it registers.

        Args:
            handler: The function, where the decorator is written without parentheses.
            description: What it does, for the model. If not given, the docstring without the section of its
                parameters; with `auto_schema=True`, the first paragraph.
            auto_schema: False insists on an `input_schema` in place of the one that the types give.
            input_schema: JSON Schema of the arguments.
            inputSchema: The same, by its other name; `{"json": schema}` will do.
            said: `name`, `confirmation`, `context`, `idempotent`, `timeout_s`, `retry`: see `Tool`.

        Raises:
            RegistrationError: If no schema is known.
            TypeError: If a schema is given by both names.
        """
        if input_schema is not None and inputSchema is not None:
            raise TypeError("input_schema and inputSchema are the same; give one of them")
        schema = inputSchema if input_schema is None else input_schema
        if auto_schema is False and schema is None:
            raise RegistrationError("auto_schema=False needs an input_schema")

        def make(function: Callable[..., Any]) -> Tool:
            text = documentation_of(function).summary if auto_schema and description is None else description
            return tool_of(function, description=text, input_schema=schema, **said)

        def decorate(function: Callable[..., Any]) -> Any:
            if is_method(function):
                return MethodTool(function, make)
            made = make(function)
            made.register()
            return made

        return decorate if handler is None else decorate(handler)

    function = __call__


tool = ToolDecorator()
