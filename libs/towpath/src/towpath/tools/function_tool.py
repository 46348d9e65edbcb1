"""`@tool`: a Python function as a tool; its name, docstring and types are what the model is told."""

from collections.abc import Callable, Mapping
from typing import Any, overload

from towpath.annotations import name_of
from towpath.definitions import documentation_of
from towpath.errors import ConfigurationError, RegistrationError
from towpath.retry import ONCE, RetryPolicy
from towpath.tools.tool import Tool


def tool_of(
    handler: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    input_schema: Mapping[str, Any] | None = None,
    idempotent: bool | None = None,
    timeout_s: float | None = None,
    retry: RetryPolicy = ONCE,
) -> Tool:
    """Make a tool of a function; what is not given is read from its name, docstring and types."""
    documentation = documentation_of(handler)
    return Tool(
        name or name_of(handler),
        documentation.summary if description is None else description,
        input_schema,
        handler,
        idempotent=idempotent,
        timeout_s=timeout_s,
        retry=retry,
        parameter_descriptions=documentation.parameters,
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
        auto_schema: bool = True,
        input_schema: Mapping[str, Any] | None = None,
        confirmation: bool = False,
        idempotent: bool | None = None,
        timeout_s: float | None = None,
        retry: RetryPolicy = ONCE,
    ) -> Callable[[Callable[..., Any]], Tool]: ...

    def __call__(
        self,
        handler: Callable[..., Any] | None = None,
        /,
        *,
        auto_schema: bool = True,
        input_schema: Mapping[str, Any] | None = None,
        confirmation: bool = False,
        **said: Any,
    ) -> Any:
        """Make a registered tool of a function.

        Args:
            handler: The function, where the decorator is written without parentheses.
            auto_schema: Whether the schema is read from the types; without it, `input_schema` is needed.
            input_schema: JSON Schema of the arguments, in place of the one that the types give.
            confirmation: Not supported yet.
            said: `name`, `description`, `idempotent`, `timeout_s`, `retry`: see `Tool`.

        Raises:
            RegistrationError: If another tool has this name, or no schema is known.
            ConfigurationError: If `confirmation` is asked for.
        """
        if confirmation:
            raise ConfigurationError(
                "confirmation=True is not supported: nobody could be asked, so it is refused"
            )
        if not auto_schema and input_schema is None:
            raise RegistrationError("auto_schema=False needs an input_schema")

        def decorate(function: Callable[..., Any]) -> Tool:
            made = tool_of(function, input_schema=input_schema, **said)
            made.register()
            return made

        return decorate if handler is None else decorate(handler)

    function = __call__


tool = ToolDecorator()
