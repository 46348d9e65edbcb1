"""The context: what a component may ask of whatever runs it, in a script, a test or the platform.

`Context` is the port. `towpath.local` implements it with nothing behind it, `towpath.runtime` with a
journal. Components and the agent loop know only this module.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from towpath.components import ComponentType
from towpath.errors import ContextError
from towpath.injection import Injected
from towpath.retry import RetryPolicy
from towpath_schemas.attribution import Attribution

if TYPE_CHECKING:
    from towpath.models.port import LanguageModel, ModelReply, ModelRequest
    from towpath.tools.tool import Tool, ToolCall, ToolOutcome

Work = Callable[..., Any] | Coroutine[Any, Any, Any] | Awaitable[Any]
"""What a step may be given: a function (sync or async) with its arguments, or something to await."""


class RunLog(Protocol):
    """A structured logger on which run, step, trace and attribution are bound already."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Log for developers."""
        ...

    def info(self, event: str, **fields: Any) -> Any:
        """Log what happened."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Log what may be wrong."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """Log what is wrong."""
        ...


class Context(Injected, ABC):
    """What a component may ask of whatever runs it.

    Attributes:
        run_id: The run this code belongs to; also `invocation_id`.
        attempt: Which attempt of this component is running, from 1.
        component_type: What kind of component is running.
        attribution: On whose behalf.
        metadata: Further facts about the call, such as `service_name`.
        idempotency_key: Of a call, the key that stays the same however often it is tried; else the run id.
    """

    run_id: str
    attempt: int = 1
    component_type: ComponentType
    attribution: Attribution
    metadata: Mapping[str, Any]
    idempotency_key: str
    object_id: str | None = None
    method_name: str | None = None

    @property
    def invocation_id(self) -> str:
        """The run's id, under its other name."""
        return self.run_id

    @property
    @abstractmethod
    def step_id(self) -> str | None:
        """Key of the step that is running, if one is."""

    # --- Durable acts -----------------------------------------------------------------------------

    @abstractmethod
    async def step(
        self,
        name: str,
        work: Work,
        *arguments: Any,
        key: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> Any:
        """Run `work` once: when the run is replayed, its recorded result is returned and nothing runs.

        Args:
            name: The step's name; with its ordinal among steps of this name it is the step's identity.
            work: A function, or a coroutine or other awaitable.
            *arguments: What the function is called with.
            key: Identity in place of the ordinal, needed where steps of one name run at the same time.
            retry: How often a failing function is tried; an awaitable can be tried only once.

        Returns:
            The result as JSON carries it, revived to the function's return annotation where it has one.

        Raises:
            ComponentError: If the work failed for good.
            TypeError: If `work` is a plain value: its side effect has happened already.
        """

    @abstractmethod
    async def task(
        self,
        service: str | Callable[..., Any],
        handler_name: str | None = None,
        input: Any = None,  # noqa: A002 - the seed's name
        *,
        key: str | None = None,
    ) -> Any:
        """Call a function in another process and wait for its result, however long either process lives."""

    @abstractmethod
    def entity(self, entity_type: str, key: str) -> "EntityHandle":
        """Name an entity; the handle's methods are the entity's."""

    @abstractmethod
    def now(self) -> datetime:
        """Read the clock (UTC); replay repeats the reading."""

    @abstractmethod
    def uuid(self) -> UUID:
        """Draw a random UUID; replay repeats it."""

    @abstractmethod
    def random(self) -> float:
        """Draw a random number from 0 to 1; replay repeats it."""

    # --- State: of the entity in an entity's method, else of the run --------------------------------

    @abstractmethod
    async def get(self, name: str, default: Any = None) -> Any:
        """Read a state value."""

    @abstractmethod
    def set(self, name: str, value: Any) -> Awaitable[None]:
        """Write a state value; it is committed with the method's end, or not at all."""

    @abstractmethod
    def delete(self, name: str) -> Awaitable[None]:
        """Remove a state value."""

    # --- What the agent loop stands on --------------------------------------------------------------

    @abstractmethod
    async def invoke_model(self, model: "LanguageModel", request: "ModelRequest") -> "ModelReply":
        """Make one model call as one durable act: replay returns the recorded reply and calls nobody.

        Raises:
            ModelError: If the provider refused or failed for good.
        """

    @abstractmethod
    async def invoke_tool(self, tool: "Tool", call: "ToolCall") -> "ToolOutcome":
        """Execute one tool call as one durable act; a failing tool is an outcome, not an exception."""

    @abstractmethod
    async def hand_off(self, agent: str, to: str) -> None:
        """Record that `agent` gave the conversation to the agent named `to`."""

    @contextmanager
    def scope(self, name: str, *, agent: str | None = None) -> Generator[None]:
        """Give everything inside a name of its own, so that ordinals of concurrent scopes cannot mix.

        Args:
            name: The scope's name; its ordinal is added.
            agent: The agent to which acts inside are attributed.
        """
        outer, outer_agent = _scope.get(), _agent.get()
        ordinal = self.next_ordinal(f"{outer}{name}")
        scope_token = _scope.set(f"{outer}{name}#{ordinal}/")
        agent_token = _agent.set(agent or outer_agent)
        try:
            yield
        finally:
            _scope.reset(scope_token)
            _agent.reset(agent_token)

    @abstractmethod
    def next_ordinal(self, name: str) -> int:
        """Count how often `name` was used in this run before now."""

    @property
    def scope_name(self) -> str:
        """The scope that the running code is in; empty, or ending in `/`."""
        return _scope.get()

    @property
    def scope_agent(self) -> str | None:
        """The agent that the running code acts for."""
        return _agent.get()

    # --- Observability ------------------------------------------------------------------------------

    @property
    @abstractmethod
    def logger(self) -> RunLog:
        """The run's logger; silent while the run is replayed."""

    def log(self, event: str | None = None, **fields: Any) -> RunLog:
        """Return the run's logger; with an `event`, log it first."""
        if event is not None:
            self.logger.info(event, **fields)
        return self.logger


ExecutionContext = WorkflowContext = Context


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


_current: ContextVar[Context | None] = ContextVar("towpath_context", default=None)
_scope: ContextVar[str] = ContextVar("towpath_scope", default="")
_agent: ContextVar[str | None] = ContextVar("towpath_scope_agent", default=None)


def current_context() -> Context:
    """Return the context of the component that is running.

    Raises:
        ContextError: If no component is running.
    """
    context = _current.get()
    if context is None:
        raise ContextError("no component is running here; call it through a Context or a Client")
    return context


def context_or_none() -> Context | None:
    """Return the context of the component that is running, if one is."""
    return _current.get()


class running_in:  # noqa: N801 - used like a function; a class, since every step enters one
    """Make `context` the current one, at the scope given (the outermost by default), until the end of the block."""

    __slots__ = ("_agent", "_context", "_scope", "_tokens")

    def __init__(self, context: Context, *, scope: str = "", agent: str | None = None) -> None:
        self._context, self._scope, self._agent = context, scope, agent

    def __enter__(self) -> None:
        self._tokens = (_current.set(self._context), _scope.set(self._scope), _agent.set(self._agent))

    def __exit__(self, *_error: object) -> None:
        current, scope, agent = self._tokens
        _agent.reset(agent)
        _scope.reset(scope)
        _current.reset(current)
