"""A tool: a name, a description and a schema for the model, and the handler behind them."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, NamedTuple, cast, get_args

from pydantic import ConfigDict

from towpath.annotations import name_of
from towpath.argument_types import check_arguments
from towpath.components import REGISTRY, Component, ComponentType
from towpath.definitions import MARK, check_name
from towpath.errors import InvalidInputError
from towpath.failures import failure_of
from towpath.retry import ONCE, RetryPolicy
from towpath.schema import Arguments, CallableSchema, schema_of
from towpath.step_input import deps_in
from towpath.streaming import items, yields
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath.tools.confirmation import Confirmation, confirmed
from towpath.tools.injected import gifts, injected_parameters
from towpath.tools.input_schema import checker_of, given_schema, shown_schema
from towpath.tools.returning import result_json
from towpath.tools.tool_context import calling, given_tool_context
from towpath.work import call as called

_READING = ConfigDict(val_json_bytes="base64")


class Errand(NamedTuple):
    """What a tool-runner is asked to do when a tool is called.

    Attributes:
        service: Whose tool-runner; None for that of the run's own service.
        name: Of its tool or function.
    """

    service: str | None
    name: str
    arguments: Any


class Tool:
    """A tool, callable like the handler it was made of.

    Args:
        name: What the model calls it by.
        description: What it does, for the model.
        input_schema: JSON Schema of its arguments; read from the handler's signature if not given.
        handler: What is called, sync (in a thread) or async; it may ask for the context, the `ToolContext` and the
            agent. What one that yields yields last is its result; whoever follows the call is told all of it.
        confirmation: Whether a person must say yes to each call, and how.
        context: Name of the parameter that is given the `ToolContext`; True for `tool_context`.
        idempotent: Whether a call whose end was never seen may be repeated; if not said, where it is retried.
        timeout_s: Seconds one attempt may take.
        retry: How often it is tried; once if not given.
        parameter_descriptions: What the parameters mean, by name.
        check_arguments: Whether arguments are held against a given `input_schema` here: not where whoever does the
            work does that as well.

    Attributes:
        in_run: Whether it is executed by the code of the run that calls it, and so may act in it as that code does.
    """

    in_run: ClassVar[bool] = False

    @check_arguments
    def __init__(
        self,
        name: str,
        description: str,
        input_schema: Mapping[str, Any] | None,
        handler: Callable[..., Any],
        *,
        confirmation: bool | Confirmation = False,
        context: bool | str = False,
        idempotent: bool | None = None,
        timeout_s: float | None = None,
        retry: RetryPolicy = ONCE,
        parameter_descriptions: Mapping[str, str] | None = None,
        check_arguments: bool = True,
    ) -> None:
        check_name(name)
        self.handler = handler
        self.confirmation = Confirmation.of(confirmation)
        self._injected = injected_parameters(handler, context)
        self._yields = yields(handler)
        self._schema = schema_of(
            handler, name=name, descriptions=parameter_descriptions, without=self._injected, config=_READING
        )
        given = None if input_schema is None else given_schema(input_schema)
        self._check = checker_of(name, given) if given is not None and check_arguments else None
        output_type, output_schema = _output(self._schema, handler)
        self.component = Component(
            name=name,
            kind=ComponentType.TOOL,
            execute=self._execute,
            description=description,
            input_schema=shown_schema(self._schema.input_schema) if given is None else given,
            output_schema=output_schema,
            output_type=output_type,
            retry=retry,
            timeout_s=timeout_s,
            idempotent=retry.max_attempts > 1 if idempotent is None else idempotent,
            source=handler,
            confirmed=self.confirmation is not None,
        )
        setattr(self, MARK, self.component)
        self.__doc__ = handler.__doc__
        self.__name__ = name_of(handler)
        self.__wrapped__ = handler

    @property
    def name(self) -> str:
        """What the model calls it by."""
        return self.component.name

    tool_name = name

    @property
    def description(self) -> str:
        """What it does, for the model."""
        return self.component.description

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON Schema of its arguments."""
        return self.component.input_schema

    @property
    def tool_spec(self) -> dict[str, Any]:
        """What the model is told of it: `{"name", "description", "inputSchema": {"json": ...}}`."""
        schema = dict(self.input_schema)
        return {"name": self.name, "description": self.description, "inputSchema": {"json": schema}}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the handler directly, as your own code does what it likes: nobody is asked for confirmation."""
        return self.handler(*arguments, **named)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def register(self) -> None:
        """Put it into the registry, where tool-runners find it, unless another tool has its name."""
        REGISTRY.offer(self.component)

    def errand(self, arguments: Any) -> Errand:
        """Tell what a tool-runner is asked to do when the tool is called with `arguments` (JSON)."""
        return Errand(None, self.name, arguments)

    def check(self, arguments: Any) -> None:
        """Hold arguments (JSON) against the schema and the handler's types.

        Raises:
            InvalidInputError: If they do not fit; the message names each bad field.
        """
        self._bound(arguments)

    async def execute(self, context: Any, call: ToolCall) -> ToolOutcome:
        """Execute one call, once; whatever goes wrong is the outcome, for the model to read."""
        try:
            content = await self.component.execute(context, call.arguments)
        except Exception as error:  # noqa: BLE001 - any error of a tool is an answer to the model
            return ToolOutcome(call_id=call.id, error=failure_of(error))
        return ToolOutcome(call_id=call.id, content=content)

    # --- How it is executed ---------------------------------------------------------------------------

    async def _execute(self, context: Any, payload: Any) -> Any:
        """Bind the arguments and run the handler, once somebody has said yes where that is needed; see `Executable`."""
        positional, named = self._bound(payload)
        if self.confirmation is not None:
            await confirmed(context, self, payload)
        if (deps := deps_in(payload)) is not None:
            context.deps = deps
        leading = (context,) if self._schema.takes_context else ()
        given = gifts(self._injected, context, lambda: self._use(context, payload)) if self._injected else {}
        return result_json(await self._call(Arguments((*leading, *positional), {**named, **given})))

    async def _call(self, arguments: Arguments) -> Any:
        if self._yields:
            return await self._last_yielded(arguments)
        with calling(None):
            return await called(self.handler, arguments)

    async def _last_yielded(self, arguments: Arguments) -> Any:
        listener, last = given_tool_context(), None
        with calling(None):
            async with aclosing(items(self.handler, *arguments)) as produced:
                async for last in produced:
                    if listener is not None:
                        listener.tell(last)
        return last

    def _use(self, context: Any, payload: Any) -> dict[str, Any]:
        return {"toolUseId": context.idempotency_key, "name": self.name, "input": payload}

    def _bound(self, payload: Any) -> Arguments:
        if not isinstance(payload, dict):
            raise InvalidInputError(f"{self.name}: the arguments are not a JSON object; write one")
        if self._check is not None:
            self._check(payload)
        return self._schema.bind(self._known(cast("dict[str, Any]", payload)))

    def _known(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Leave out what no parameter is for, as models add things; not where the object as a whole is the value."""
        names = self._schema.parameters.names
        known = {name: value for name, value in payload.items() if name in names.all}
        return known if known.keys() >= {*names.required} and not names.extra else payload


def _output(schema: CallableSchema, handler: Callable[..., Any]) -> tuple[Any, Mapping[str, Any]]:
    """Tell type and schema of the result; of a handler that yields, it is what it yields last."""
    if not yields(handler):
        return schema.output_type, schema.output_schema
    (kind,) = get_args(schema.output_type) or (Any,)
    return kind, schema.output_schema.get("items", {})
