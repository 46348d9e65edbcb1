"""A tool: a name, a description and a schema for the model, and the handler behind them."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import field_validator

from towpath.annotations import name_of
from towpath.components import REGISTRY, Component, ComponentType
from towpath.definitions import MARK, check_no_stream
from towpath.errors import InvalidInputError
from towpath.failures import failure_of
from towpath.retry import ONCE, RetryPolicy
from towpath.schema import schema_of
from towpath.values import to_json_value
from towpath.work import Body
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape


class ToolCall(Shape):
    """A model asks for a tool.

    Attributes:
        id: The model's own id of the call.
        arguments: Object of the tool's parameters; text where the model did not write JSON.
    """

    id: str
    name: str
    arguments: Any = {}

    @field_validator("arguments", mode="before")
    @classmethod
    def _nothing_is_no_arguments(cls, arguments: Any) -> Any:
        return {} if arguments is None else arguments


class ToolOutcome(Shape):
    """What became of a tool call: content, or an error that the model is told."""

    call_id: str
    content: Any = None
    error: Failure | None = None


class ToolBody:
    """The body of a tool: its arguments are always an object, as models write them."""

    def __init__(self, name: str, body: Body) -> None:
        self._name = name
        self._body = body

    async def __call__(self, context: Any, payload: Any) -> Any:
        """Bind the arguments and run the handler; see `Executable`."""
        if not isinstance(payload, dict):
            raise InvalidInputError(f"{self._name}: the arguments are not a JSON object; write one")
        return await self._body(context, payload)


class Tool:
    """A tool, callable like the handler it was made of.

    Args:
        name: What the model calls it by.
        description: What it does, for the model.
        input_schema: JSON Schema of its arguments; read from the handler's signature if not given.
        handler: What is called, sync or async; it may take the context first.
        idempotent: Whether a call whose end was never seen may be repeated; if not said, where it is retried.
        timeout_s: Seconds one attempt may take.
        retry: How often it is tried; once if not given.
        parameter_descriptions: What the parameters mean, by name.
    """

    def __init__(
        self,
        name: str,
        description: str,
        input_schema: Mapping[str, Any] | None,
        handler: Callable[..., Any],
        *,
        idempotent: bool | None = None,
        timeout_s: float | None = None,
        retry: RetryPolicy = ONCE,
        parameter_descriptions: Mapping[str, str] | None = None,
    ) -> None:
        check_no_stream(handler)
        schema = schema_of(handler, name=name, descriptions=parameter_descriptions)
        self.handler = handler
        self.component = Component(
            name=name,
            kind=ComponentType.TOOL,
            execute=ToolBody(name, Body(schema, handler)),
            description=description,
            input_schema=dict(input_schema or schema.input_schema),
            output_schema=schema.output_schema,
            output_type=schema.output_type,
            retry=retry,
            timeout_s=timeout_s,
            idempotent=retry.max_attempts > 1 if idempotent is None else idempotent,
            source=handler,
        )
        setattr(self, MARK, self.component)
        self.__doc__ = handler.__doc__
        self.__name__ = name_of(handler)
        self.__wrapped__ = handler

    @property
    def name(self) -> str:
        """What the model calls it by."""
        return self.component.name

    @property
    def description(self) -> str:
        """What it does, for the model."""
        return self.component.description

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON Schema of its arguments."""
        return self.component.input_schema

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the handler directly."""
        return self.handler(*arguments, **named)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def register(self) -> None:
        """Put it into the registry, where tool-runners find it.

        Raises:
            RegistrationError: If a tool with another handler has this name.
        """
        REGISTRY.add(self.component)

    async def execute(self, context: Any, call: ToolCall) -> ToolOutcome:
        """Execute one call, once; whatever goes wrong is the outcome, for the model to read."""
        try:
            content = to_json_value(await self.component.execute(context, call.arguments))
        except Exception as error:  # noqa: BLE001 - any error of a tool is an answer to the model
            return ToolOutcome(call_id=call.id, error=failure_of(error))
        return ToolOutcome(call_id=call.id, content=content)
