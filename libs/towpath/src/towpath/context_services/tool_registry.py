"""`ctx.tools`: the tools that one invocation offers to models, and how what a model asks for is done."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, cast

from towpath.errors import ContextError, RegistrationError
from towpath.failures import component_error
from towpath.tools.calls import ToolCall
from towpath.tools.confirmation import Deciding, decide
from towpath.tools.function_tool import tool_of
from towpath.tools.sources import ToolSource
from towpath.tools.tool import Tool

Handler = Callable[..., Coroutine[Any, Any, Any]]


class ToolRegistry:
    """The tools of one invocation; they end with it."""

    def __init__(self, context: Deciding) -> None:
        self._context = context
        self._tools: dict[str, Tool] = {}

    def register(
        self,
        name: str,
        handler: Callable[..., Any],
        description: str | None = None,
        schema: Mapping[str, Any] | None = None,
        *,
        input_schema: Mapping[str, Any] | None = None,
    ) -> Tool:
        """Make a tool of a function, for this invocation.

        Args:
            name: What the model calls it by.
            handler: The function, sync or async; it may take the context first.
            description: What it does, for the model; the first paragraph of its docstring if not given.
            schema: JSON Schema of its arguments; read from its signature if not given.
            input_schema: The same, by its other name.

        Raises:
            RegistrationError: If the name is another tool's already.
            TypeError: If a schema is given by both names.
        """
        if schema is not None and input_schema is not None:
            raise TypeError(f"tool {name!r}: schema and input_schema are the same; give one of them")
        made = tool_of(handler, name=name, description=description, input_schema=schema or input_schema)
        self._add(made)
        return made

    def offer(self, tools: Iterable[Any]) -> tuple[Tool, ...]:
        """Take tools in as they are given to a model: tools, functions, and lists of them.

        Raises:
            RegistrationError: If a name is another tool's already.
            ConfigurationError: If something is no tool.
        """
        return tuple(tool for one in tools for tool in self._offered(one))

    def _offered(self, given: Any) -> tuple[Tool, ...]:
        if isinstance(given, list | tuple):
            return self.offer(cast("Iterable[Any]", given))
        if isinstance(given, ToolSource):
            raise TypeError(
                f"{type(given).__name__} has tools, but is none; give what `await source.tools(ctx)` returns"
            )
        if not isinstance(given, Tool) and not callable(given):
            raise TypeError(f"{given!r} is no tool; tools are Tool objects, functions, and lists of them")
        tool = given if isinstance(given, Tool) else tool_of(given)
        self._add(tool)
        return (tool,)

    def _add(self, tool: Tool) -> None:
        known = self._tools.setdefault(tool.name, tool)
        if known.handler != tool.handler:
            raise RegistrationError(f"two tools are named {tool.name!r}; give one of them another name")
        self._tools[tool.name] = tool

    def handler(self, name: str) -> Handler:
        """Return what does what a model asks for: `await ctx.tools.handler(call.name)(**call.arguments)`.

        Each call is a step of the run, so one that has ended is not made again on replay. The arguments are held
        against the function's types first. A tool that wants a person's yes is called once it has it; a no raises
        `ComponentError`.

        Raises:
            ContextError: If there is no such tool in this invocation.
        """
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            raise ContextError(f"there is no tool {name!r} here; there is: {known}")
        component = tool.component

        def handle(**arguments: Any) -> Coroutine[Any, Any, Any]:
            step = self._context.step
            return step(f"tool:{name}", component.execute, self._context, arguments, retry=component.retry)

        async def handle_confirmed(**arguments: Any) -> Any:
            refused = await decide(self._context, tool, ToolCall(id="", name=name, arguments=arguments))
            if refused is not None and refused.error is not None:
                raise component_error(refused.error)
            return await handle(**arguments)

        return handle if tool.confirmation is None else handle_confirmed
