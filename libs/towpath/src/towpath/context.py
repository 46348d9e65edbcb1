"""The context: what a component may ask of whatever runs it, in a script, a test or the platform.

`Context` is the port. `towpath.local` implements it with nothing behind it, `towpath.runtime` with a
journal. Components and the agent loop know only this module.
"""

from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from towpath.components import ComponentType
from towpath.context_services.logs import RunLog
from towpath.context_services.services import ContextServices
from towpath.coordination import ChildHandle, Join, Saga, check_acts, together
from towpath.entity_handle import EntityHandle
from towpath.errors import ContextError
from towpath.injection import Injected
from towpath.remembering.asking import MemoryPort
from towpath.retry import Retry, RetryPolicy
from towpath.retry_spellings import Retries
from towpath.scopes import Places
from towpath.showing import Show
from towpath.transactions import Transaction
from towpath.waiting import WaitingPort
from towpath_schemas.attribution import Attribution

if TYPE_CHECKING:
    from towpath.models.port import LanguageModel, ModelReply, ModelRequest
    from towpath.tools.calls import ToolCall, ToolOutcome
    from towpath.tools.tool import Tool

Work = Callable[..., Any] | Coroutine[Any, Any, Any] | Awaitable[Any]
"""What a step may be given: a function (sync or async) with its arguments, or something to await."""


class Context(Places, ContextServices, WaitingPort, MemoryPort, Injected, ABC):
    """What a component may ask of whatever runs it.

    Its acts are durable, and so are the times that they take: `ctx.sleep`, `timeout_ms=`. The clock of asyncio is not:
    each replay waits for an `asyncio.sleep` of the component's own code once more, and a time limit (`asyncio.timeout`)
    begins anew.

    Attributes:
        run_id: The run this code belongs to; also `invocation_id`.
        attempt: Which attempt of this component is running, from 1.
        component_type: What kind of component is running.
        attribution: On whose behalf.
        metadata: Further facts about the call, such as `service_name`.
        idempotency_key: Of a call, the key that stays the same however often it is tried; else the run id.
        request_headers: What the requester of the run said beside the input; a call within a run has none.
        deps: In a step of a flow, the results of the steps it depends on, by name.
        home_loop: Of a run that is journaled, the loop in which its acts happen; None where nothing is journaled.
        on_platform: Whether a runner executes this, in a process that works for many runs.
    """

    run_id: str
    attempt: int = 1
    component_type: ComponentType
    attribution: Attribution
    metadata: Mapping[str, Any]
    idempotency_key: str
    object_id: str | None = None
    method_name: str | None = None
    request_headers: Mapping[str, str] = MappingProxyType({})
    deps: Mapping[str, Any] = MappingProxyType({})
    home_loop: AbstractEventLoop | None = None
    on_platform: bool = False
    _at_end: tuple[Callable[[], Awaitable[None]], ...] = ()

    @property
    def invocation_id(self) -> str:
        """The run's id, under its other name."""
        return self.run_id

    # --- Durable acts -----------------------------------------------------------------------------

    @abstractmethod
    def step(
        self,
        name: str,
        work: Work,
        *arguments: Any,
        key: str | None = None,
        retry: Retries | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run `work` once: when the run is replayed, its recorded result is returned and nothing runs.

        Args:
            name: The step's name; with its ordinal among steps of this name it is the step's identity.
            work: A function, or a coroutine or other awaitable: also an act, or several in an `asyncio.gather`, which are
                inside of the step then. What it sets in context variables is its own.
            *arguments: What the function is called with.
            key: Identity in place of the ordinal, for work whose order may change from one replay to the next.
            retry: How often a failing function is tried at the most, a mapping of a policy's fields, or a policy; an
                awaitable can be tried only once.

        Returns:
            The result as JSON carries it, revived to the function's return annotation where it has one.

        Raises:
            ComponentError: If the work failed for good.
            ConfigurationError: If `retry` is no policy, or the name or the key is none.
            TypeError: If `work` is a plain value, whose side effect has happened already, or a task that has begun.
        """

    @abstractmethod
    def task(
        self,
        service_name: str | Callable[..., Any],
        handler_name: str | None = None,
        input: Any = None,  # noqa: A002 - the seed's name
        *,
        key: str | None = None,
        timeout_ms: float | None = None,
        retries: Retries | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Call a function in another process and wait for its result, however long either process lives.

        Args:
            service_name: The service that offers it, or the function itself.
            handler_name: Its name there.
            input: An object of its parameters, or the value of its only one.
            key: Identity in place of the ordinal.
            timeout_ms: Milliseconds after which the call counts as failed, whatever becomes of it.
            retries: How often it is called at the most (once, if not given), a mapping of a policy's fields, or a
                policy; each call is one act.

        Raises:
            ComponentError: If it failed for good, took too long, or is no function.
            ConfigurationError: If `timeout_ms` or `retries` are none, or a function comes with a `handler_name`.
        """

    @abstractmethod
    def spawn(
        self,
        component: str | Callable[..., Any],
        *arguments: Any,
        key: str | None = None,
        join: Join = "detached",
        service_name: str | None = None,
        **named: Any,
    ) -> ChildHandle:
        """Start another component as a run of its own, and go on; `await handle.result()` waits for it.

        Args:
            component: The function, workflow or agent, or its name.
            *arguments: What it is called with.
            key: Identity in place of the ordinal.
            join: What becomes of the child when this run ends.
            service_name: The service that offers it, where its name alone does not say.
            **named: What it is called with, by name.

        Raises:
            ConfigurationError: If `join` is none of these.
        """

    async def parallel(self, *acts: Awaitable[Any]) -> list[Any]:
        """Await acts at the same time; the first failure stops the others, and is raised.

        Raises:
            ConfigurationError: If something is no act; then none begins.
        """
        check_acts("ctx.parallel", acts)
        return await together(acts)

    async def gather(
        self, *acts: Awaitable[Any], return_exceptions: bool = False, **named: Awaitable[Any]
    ) -> Any:
        """Await acts at the same time.

        Args:
            *acts: Acts, for a list of their results.
            return_exceptions: Return what failed beside the rest, instead of stopping at the first failure.
            **named: Acts by name, for a dict of their results.

        Raises:
            ConfigurationError: If something is no act, or some are given by name and others not; then none begins.
        """
        check_acts("ctx.gather", acts, named)
        results = await together([*acts, *named.values()], return_exceptions=return_exceptions)
        return dict(zip(named, results, strict=True)) if named else results

    # --- The life of the run ------------------------------------------------------------------------

    @abstractmethod
    def continue_as_new(self, input: Any = None) -> NoReturn:  # noqa: A002 - as in `task`
        """End this run and go on as a new one of the same component, with an empty journal: for endless runs."""
        raise NotImplementedError

    @abstractmethod
    def patched(self, change: str) -> bool:
        """Tell whether code behind `change` may run: False only in a run that had come past it without.

        Raises:
            ConfigurationError: If the name of the change is none.
        """

    def saga(self) -> Saga:
        """Begin a saga: `async with ctx.saga() as saga: ...; saga.on_failure("refund", refund, charge)`."""
        return Saga(self.step, lambda: self.let_go)

    @abstractmethod
    def entity(self, entity_type: str, key: str) -> EntityHandle:
        """Name an entity; the handle's methods are the entity's.

        Raises:
            InvalidInputError: If nothing can be called so.
        """

    @abstractmethod
    def transaction(self) -> Transaction:
        """Begin a transaction: calls of several entities, of which all change something or none does."""

    def expire_in(self, seconds: float | timedelta | None) -> None:
        """In a write method of an entity: have its whole state forgotten after so long, or, with None, not any more.

        The moment stays when other methods write; to say it anew replaces it.

        Raises:
            ContextError: If this is no write method of an entity.
        """
        raise ContextError("ctx.expire_in is for write methods of entities: it is their state that expires")

    @abstractmethod
    def now(self) -> datetime:
        """Read the clock (UTC); replay repeats the reading."""

    @abstractmethod
    def uuid(self) -> UUID:
        """Draw a random UUID; replay repeats it."""

    @abstractmethod
    def random(self) -> float:
        """Draw a random number from 0 to 1; replay repeats it."""

    @abstractmethod
    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a setting from outside, once: the run keeps what it has seen first, and replay repeats it."""

    # --- State: of the entity in an entity's method, else of the run --------------------------------

    @abstractmethod
    async def get(self, name: str, default: Any = None) -> Any:
        """Read a state value."""

    @abstractmethod
    def set(self, name: str, value: Any) -> Awaitable[None]:
        """Write a state value; it is committed with the method's end, or not at all.

        What a step sets is a part of its outcome: it counts once the step has ended well.
        """

    @abstractmethod
    def delete(self, name: str) -> Awaitable[None]:
        """Remove a state value."""

    # --- What the agent loop stands on --------------------------------------------------------------

    @abstractmethod
    def invoke_model(
        self,
        model: "LanguageModel",
        request: "ModelRequest",
        *,
        retry: RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> Coroutine[Any, Any, "ModelReply"]:
        """Make one model call as one durable act: replay returns the recorded reply and calls nobody.

        Args:
            model: Who is asked.
            request: What.
            retry: How often it is tried where the failure says that this may help; five times if not said.
            on_retry: Told before each wait for a further attempt.

        Raises:
            ModelError: If the provider refused or failed for good.
        """

    @abstractmethod
    def invoke_tool(self, tool: "Tool", call: "ToolCall") -> Coroutine[Any, Any, "ToolOutcome"]:
        """Execute one tool call as one durable act; a failing tool is an outcome, not an exception."""

    async def call_in_run(self, tool: "Tool", call: "ToolCall") -> "ToolOutcome":
        """Execute one call of a tool that runs in the run's own code, in a scope of its own; it is no act by itself."""
        with self.scope(f"tool:{tool.name}"):
            return await tool.execute(self, call)

    @abstractmethod
    def hand_off(self, agent: str, to: str) -> Coroutine[Any, Any, None]:
        """Record that `agent` gave the conversation to the agent named `to`."""

    def show(self, key: str | None) -> Show | None:
        """Begin to show others what happens; None where nobody can watch.

        Args:
            key: The place in the run of what is shown; None for its component.
        """
        return None

    # --- Its end ------------------------------------------------------------------------------------

    def at_end(self, act: Callable[[], Awaitable[None]]) -> None:
        """Have `act` awaited once the component has ended well, before its result counts."""
        self._at_end += (act,)

    async def end_well(self) -> None:
        """Do what was to be done at the end."""
        for act in self._at_end:
            await act()

    # --- What is told of it -------------------------------------------------------------------------

    @property
    @abstractmethod
    def logger(self) -> RunLog:
        """The run's logger; silent while the run is replayed."""

    @property
    def let_go(self) -> bool:
        """Whether the code is only dropped from memory: somebody goes on with the run, so nothing has ended."""
        return False

    @property
    def silent(self) -> bool:
        """Whether what the code does now is told elsewhere: it was told before, or whoever goes on will tell it."""
        return False


ExecutionContext = WorkflowContext = Context
