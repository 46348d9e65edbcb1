"""The context of a component that runs in this process: every act happens at once, and only once."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from towpath.components import Component, ComponentType
from towpath.context import Work
from towpath.context_services.logs import RunLog
from towpath.coordination import ChildHandle, Join
from towpath.current import running_in
from towpath.definitions import component_of
from towpath.entity_handle import EntityCall, EntityCaller, EntityHandle, call_payload, entity_name
from towpath.errors import ComponentError
from towpath.failures import model_error
from towpath.local.calls import Callee, final_failure, value_of
from towpath.local.children import LocalChild
from towpath.local.component_calls import LocalComponents
from towpath.local.entity_calls import LocalEntities
from towpath.local.keyed import KeyedActs
from towpath.local.memory_acts import LocalMemoryActs
from towpath.local.run_log import LocalLog
from towpath.local.state import BufferedState, Done
from towpath.local.surroundings import Surroundings
from towpath.local.unreachable import Unreachable
from towpath.models.port import DEFAULT_MODEL_RETRY, LanguageModel, ModelReply, ModelRequest
from towpath.moments import Moment, in_seconds
from towpath.remembering.embedding import Meaning
from towpath.retry import ONCE, Attempted, Retry, RetryPolicy, attempted, policy_for
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath.tools.tool import Tool
from towpath.transactions import Transaction
from towpath.values import revive, to_json_value
from towpath.work import check_work, drop_work, is_awaitable, result_type_of, run_work
from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import NEVER
from towpath_schemas.failure import Failure
from towpath_schemas.identity import call_id
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked

Found = TypeVar("Found")

DEFAULT_STEP_RETRY = RetryPolicy()
"""How often a failing step is tried, if it does not say."""


class LocalContext(Unreachable):
    """What a component sees in a plain script or a test.

    Args:
        component_type: What kind of component runs in it.
        run_id: Drawn from the surroundings' random numbers if not given.
        attribution: On whose behalf; the tenant `local` if not given.
        surroundings: Clock, random numbers, entities and registry, where they are not those of the process.
    """

    def __init__(
        self,
        *,
        component_type: ComponentType = ComponentType.WORKFLOW,
        run_id: str | None = None,
        attribution: Attribution | None = None,
        surroundings: Surroundings | None = None,
        callee: Callee | None = None,
        state: BufferedState | None = None,
    ) -> None:
        super().__init__()
        self._around = surroundings or Surroundings()
        self._callee = callee or Callee(component_type)
        self.run_id = run_id or self.uuid().hex
        self.attempt = self._callee.attempt
        self.component_type = self._callee.component_type
        self.attribution = attribution or Attribution(tenant="local")
        self.metadata: Mapping[str, Any] = {"service_name": "local", "component": self._callee.name}
        self.object_id, self.method_name = self._callee.object_id, self._callee.method_name
        self._state = state or BufferedState({})
        self._log = LocalLog(self.run_id)
        self._keyed = KeyedActs()

    @property
    def idempotency_key(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - most calls never ask
        """The key that stays the same however often a call is tried; see `Context`."""
        return call_id(self.run_id, self._callee.place) if self._callee.place else self.run_id

    @property
    def logger(self) -> RunLog:
        """The run's logger: the standard library's, named `towpath`."""
        return self._log

    # --- Steps ------------------------------------------------------------------------------------

    def step(
        self,
        name: str,
        work: Work,
        *arguments: Any,
        key: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run `work` once; see `Context.step`."""
        check_work(name, work, arguments)
        place = self.place(name, key)
        return self._step(name, work, arguments, place=place, key=key, retry=retry or DEFAULT_STEP_RETRY)

    async def _step(
        self,
        name: str,
        work: Work,
        arguments: tuple[Any, ...],
        *,
        place: str,
        key: str | None,
        retry: RetryPolicy,
    ) -> Any:
        result_type = result_type_of(work)
        ended = self._keyed.ended(place)
        if ended is None:
            with self._keyed.in_flight(name, place):
                ended = await self._run_step(place, work, arguments, retry)
            self._keyed.remember(place, key, ended)
        else:
            drop_work(work)
        return revive(value_of(ended), result_type)

    async def _run_step(
        self, place: str, work: Work, arguments: tuple[Any, ...], retry: RetryPolicy
    ) -> Attempted:
        async def once(_attempt: int) -> Any:
            with running_in(self, scope=f"{place}/", agent=agent):
                return to_json_value(await run_work(work, arguments))

        agent = self.scope_agent
        return await self._attempted(once, ONCE if is_awaitable(work) else retry)

    # --- Calls ------------------------------------------------------------------------------------

    def task(
        self,
        service_name: str | Callable[..., Any],
        handler_name: str | None = None,
        input: Any = None,  # noqa: A002 - the seed's name
        *,
        key: str | None = None,
        timeout_ms: float | None = None,
        retries: int | RetryPolicy | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Call a function; in this process every service is this one."""
        component = self._task_target(service_name, handler_name)
        place = self.place(f"task:{component.name}", key)
        output_type = Any if isinstance(service_name, str) else component.output_type
        make = partial(
            self._components.call_repeatedly,
            component,
            to_json_value(input),
            place,
            policy=policy_for(retries),
            timeout_s=None if timeout_ms is None else timeout_ms / 1_000,
        )
        return self._task(make, output_type, place=place, key=key)

    async def _task(
        self, make: Callable[[], Awaitable[Attempted]], output_type: Any, *, place: str, key: str | None
    ) -> Any:
        ended = self._keyed.ended(place) or await make()
        self._keyed.remember(place, key, ended)
        return revive(value_of(ended), output_type)

    def _task_target(self, service: str | Callable[..., Any], handler_name: str | None) -> Component:
        if not isinstance(service, str):
            component = component_of(service)
            if component is None:
                raise TypeError(f"{service!r} is not registered; decorate it with @function")
            return component
        if handler_name is None:
            raise TypeError("ctx.task needs a function, or the names of a service and of its handler")
        return self._found(self._around.registry.callable(handler_name), f"function {handler_name!r}")

    async def run_component(self, component: Component, payload: Any) -> Any:
        """Run a component as a call from here, and return its result.

        Raises:
            ComponentError: If it failed for good.
        """
        place = self.place(f"run:{component.name}")
        return await self._components.call_to_its_end(component, to_json_value(payload), place)

    @property
    def _components(self) -> LocalComponents:
        return LocalComponents(self._around, self._callee, self._inner)

    def _inner(self, callee: Callee, state: BufferedState | None = None) -> "LocalContext":
        inner = LocalContext(
            run_id=self.run_id,
            attribution=self.attribution,
            surroundings=self._around,
            callee=callee,
            state=state,
        )
        inner.request_headers = self.request_headers
        return inner

    async def _attempted(self, once: Callable[[int], Awaitable[Any]], policy: RetryPolicy) -> Attempted:
        return await attempted(once, policy, sleep=self._around.sleep)

    # --- Entities ---------------------------------------------------------------------------------

    def entity(self, entity_type: str, key: str) -> EntityHandle:
        """Name an entity of this process; the handle's methods are the entity's."""
        called = entity_name(self.attribution.tenant, entity_type, key)

        def invoke(method: str, payload: Any) -> Coroutine[Any, Any, Any]:
            place = self.place(f"entity:{entity_type}.{method}")
            return self._entities.call(EntityCall(called, method, to_json_value(payload), place))

        return EntityHandle(invoke)

    def transaction(self) -> Transaction:
        """Begin a transaction; see `Context.transaction`."""
        place = self.place("transaction")
        return Transaction(self.attribution.tenant, lambda calls: self._entities.commit(calls, place))

    @property
    def _entities(self) -> EntityCaller:
        if self._around.elsewhere is not None:
            return self._around.elsewhere(self._callee)
        return LocalEntities(self._around, self._callee, self._inner)

    def expire_in(self, seconds: float | timedelta | None) -> None:
        """Have the entity's state forgotten; see `Context.expire_in`."""
        if self.component_type is not ComponentType.ENTITY:
            super().expire_in(seconds)
        self._state.expire_in(NEVER if seconds is None else in_seconds(seconds))

    def _found(self, found: Found | None, what: str) -> Found:
        if found is None:
            message = f"{what} is not known here; import the module that defines it"
            raise ComponentError(Failure(code="unknown_component", message=message))
        return found

    # --- Waiting, and other runs --------------------------------------------------------------------

    def spawn(
        self,
        component: str | Callable[..., Any],
        *arguments: Any,
        key: str | None = None,
        join: Join = "detached",
        service_name: str | None = None,
        **named: Any,
    ) -> ChildHandle:
        """Start another component beside this one; in this process it ends with the process."""
        name = component if isinstance(component, str) else None
        found = component_of(component) if name is None else self._around.registry.runnable(name)
        known = self._found(found, f"component {component!r}")
        place = self.place(f"run:{known.name}", key)
        payload = to_json_value(call_payload(arguments, named))
        code = self._components.call_to_its_end(known, payload, place)
        return LocalChild(f"{self.run_id}/{place}", code)

    def wait_until(self, moment: Moment, *, key: str | None) -> Coroutine[Any, Any, None]:
        """Wait for a moment; see `Context.timer`."""
        return self._wait_until(moment)

    async def _wait_until(self, moment: Moment) -> None:
        now = self.now()
        await self._around.sleep(max(0.0, (moment(now) - now).total_seconds()))

    # --- What the agent loop stands on --------------------------------------------------------------

    def invoke_model(
        self,
        model: LanguageModel,
        request: ModelRequest,
        *,
        retry: RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> Coroutine[Any, Any, ModelReply]:
        """Call the model; see `Context.invoke_model`."""
        return self._invoke_model(model, request, retry or DEFAULT_MODEL_RETRY, on_retry)

    async def _invoke_model(
        self,
        model: LanguageModel,
        request: ModelRequest,
        retry: RetryPolicy,
        on_retry: Callable[[Retry], None] | None,
    ) -> ModelReply:
        async def once(_attempt: int) -> ModelReply:
            return await model.generate(request)

        ended = await attempted(once, retry, sleep=self._around.sleep, on_retry=on_retry)
        if ended.error is not None:
            raise model_error(final_failure(ended.error)) from ended.error
        return ended.value

    def invoke_tool(self, tool: Tool, call: ToolCall) -> Coroutine[Any, Any, ToolOutcome]:
        """Execute one tool call; a failing tool is an outcome, not an exception."""
        if tool.in_run:
            return self.call_in_run(tool, call)
        return self._invoke_tool(tool, call, self.place(f"tool:{tool.name}"))

    async def _invoke_tool(self, tool: Tool, call: ToolCall, place: str) -> ToolOutcome:
        ended = await self._components.call(tool.component, to_json_value(call.arguments), place)
        error = None if ended.error is None else final_failure(ended.error)
        return ToolOutcome(call_id=call.id, content=ended.value, error=error)

    async def hand_off(self, agent: str, to: str) -> None:
        """Log that `agent` gave the conversation to the agent named `to`."""
        self._log.info("agent handed off", agent=agent, to=to)

    # --- Memories ---------------------------------------------------------------------------------

    def ask_memory(
        self, asked: Sequence[MemoryAsked], meaning: Meaning | None
    ) -> Coroutine[Any, Any, dict[str, MemoriesFound]]:
        """Ask about memories; see `Context.ask_memory`."""
        return LocalMemoryActs(self._around).ask(asked, meaning)

    def erase_memory(
        self, namespace: str | None, user_id: str | None, reason: str | None
    ) -> Coroutine[Any, Any, ErasureDone]:
        """Erase memories; see `Context.erase_memory`."""
        by = self.attribution
        asked = ErasureAsked(namespace=namespace, user_id=user_id, reason=reason, attribution=by)
        return LocalMemoryActs(self._around).erase(asked)

    # --- Values and state -------------------------------------------------------------------------

    def now(self) -> datetime:
        """Read the clock (UTC)."""
        return self._around.clock()

    def uuid(self) -> UUID:
        """Draw a random UUID."""
        return UUID(int=self._around.random.getrandbits(128), version=4)

    def random(self) -> float:
        """Draw a random number from 0 to 1."""
        return self._around.random.random()

    async def get(self, name: str, default: Any = None) -> Any:
        """Read a state value: of the entity in an entity's method, else of the run."""
        return self._state.get(name, default)

    def set(self, name: str, value: Any) -> Awaitable[None]:
        """Write a state value; in an entity, it is committed with the method's end."""
        self._state.set(name, value)
        return Done()

    def delete(self, name: str) -> Awaitable[None]:
        """Remove a state value."""
        self._state.delete(name)
        return Done()
