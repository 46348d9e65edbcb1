"""The context of a component that runs in this process: every act happens at once, and only once."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from towpath.components import Component, ComponentType
from towpath.context import Work
from towpath.context_services.logs import RunLog
from towpath.coordination import ChildHandle, Join, check_join
from towpath.discarding import discard_work
from towpath.entity_handle import EntityCall, EntityCaller, EntityHandle, call_payload, entity_name
from towpath.errors import ContextError
from towpath.failures import model_error
from towpath.local.calls import Callee, final_failure, value_of
from towpath.local.children import LocalChildren
from towpath.local.component_calls import LocalComponents
from towpath.local.done_acts import DoneActs, StepDone
from towpath.local.entity_calls import LocalEntities
from towpath.local.memory_acts import LocalMemoryActs
from towpath.local.run_log import LocalLog
from towpath.local.state import BufferedState
from towpath.local.stateful import StatefulContext
from towpath.local.surroundings import Surroundings
from towpath.local.targets import Target, component_started, function_called, name_of
from towpath.local.unreachable import Unreachable
from towpath.models.asking import asked_once
from towpath.models.port import DEFAULT_MODEL_RETRY, LanguageModel, ModelReply, ModelRequest
from towpath.moments import Moment
from towpath.remembering.embedding import Meaning
from towpath.retry import ONCE, Attempted, Retry, RetryPolicy, attempted
from towpath.retry_spellings import Retries, policy_of
from towpath.scopes import check_key
from towpath.spans import MILLISECOND_S, at_most_s, lasting_s
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath.tools.tool import Tool
from towpath.transactions import Transaction
from towpath.values import revive, to_json_value
from towpath.work import check_work, is_awaitable, result_type_of, run_work
from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import NEVER
from towpath_schemas.identity import call_id, child_run_id
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked


class LocalContext(StatefulContext, Unreachable):
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
        children: LocalChildren | None = None,
    ) -> None:
        super().__init__(state)
        self._around = surroundings or Surroundings()
        self._callee = callee or Callee(component_type)
        self.run_id = run_id or self.uuid().hex
        self.attempt = self._callee.attempt
        self.component_type = self._callee.component_type
        self.attribution = attribution or Attribution(tenant="local")
        self.metadata: Mapping[str, Any] = {"service_name": "local", "component": self._callee.name}
        self.object_id, self.method_name = self._callee.object_id, self._callee.method_name
        self._log = LocalLog(self.run_id)
        self._acts = DoneActs(self._callee.done)
        self._children = children or LocalChildren()

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
        retry: Retries | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run `work` once; see `Context.step`."""
        check_work(name, work, arguments)
        place = self.place(name, key)
        return self._step(name, work, arguments, place=place, key=key, retry=policy_of(retry, name="retry"))

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
        ended = self._acts.ended(place)
        if ended is None:
            run_step = partial(self._run_step, place, work, arguments, retry)
            ended = await self._acts.step_once(name, place, run_step, key=key)
        else:
            discard_work(work)
        done: StepDone = value_of(ended)
        self._take_changes(place, done.changes)
        return revive(done.result, result_type)

    async def _run_step(
        self, place: str, work: Work, arguments: tuple[Any, ...], retry: RetryPolicy
    ) -> Attempted:
        async def once(attempt: int) -> Any:
            with self._in_step(place, agent, attempt) as state:
                result = to_json_value(await run_work(work, arguments))
                return StepDone(result, state.changes if state.has_changed else None)

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
        retries: Retries | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Call a function; in this process every service is this one."""
        component = function_called(self._around.registry, service_name, handler_name)
        self._check_callable(component)
        place = self.place(f"task:{component.name}", key)
        output_type = Any if isinstance(service_name, str) else component.output_type
        make = partial(
            self._components.call_repeatedly,
            component,
            to_json_value(input),
            place,
            policy=policy_of(retries, otherwise=ONCE),
            timeout_s=at_most_s("timeout_ms", timeout_ms, MILLISECOND_S),
        )
        return self._task(make, output_type, place=place, key=key)

    def _check_callable(self, component: Component) -> None:
        """Refuse what cannot be called from here.

        Raises:
            ContextError: In a shared method of an entity, and in what one waits for.
        """
        if self._callee.reads_only:
            raise ContextError(
                f"{self._callee.name} only reads, so it cannot call function {component.name!r}; call it from a write "
                "method, or from who calls this"
            )

    async def _task(
        self, make: Callable[[], Awaitable[Attempted]], output_type: Any, *, place: str, key: str | None
    ) -> Any:
        return revive(value_of(await self._acts.once(place, make, key=key)), output_type)

    async def run_component(self, component: Component, payload: Any) -> Any:
        """Run a component as a call from here, and return its result.

        Raises:
            ComponentError: If it failed for good.
        """
        place = self.place(f"run:{component.name}")
        return await self._components.call_to_its_end(component, to_json_value(payload), place)

    @property
    def _components(self) -> LocalComponents:
        return LocalComponents(
            self._around, self._callee, lambda callee, own: self._inner(callee, children=own)
        )

    def _inner(self, callee: Callee, *, run_id: str | None = None, **own: Any) -> "LocalContext":
        inner = LocalContext(
            run_id=run_id or self.run_id,
            attribution=self.attribution,
            surroundings=self._around,
            callee=callee,
            **own,
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
        return LocalEntities(self._around, self._callee, lambda callee, own: self._inner(callee, state=own))

    def expire_in(self, seconds: float | timedelta | None) -> None:
        """Have the entity's state forgotten; see `Context.expire_in`."""
        if self.component_type is not ComponentType.ENTITY:
            super().expire_in(seconds)
        self._state_here.expire_in(NEVER if seconds is None else lasting_s("seconds", seconds))

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
        check_join(join)
        target = name_of(component)
        payload = to_json_value(call_payload(arguments, named))
        place = self._callee.inside(self.place(f"run:{target}", key))
        run_id = child_run_id(self.run_id, place)
        return self._children.start(run_id, partial(self._child, component, payload, run_id), join)

    async def _child(self, target: Target, payload: Any, run_id: str) -> Any:
        """Run a component as a run of its own."""
        component = component_started(self._around.registry, target)
        own = self._inner(self._callee.starting(component.kind), run_id=run_id)
        return await own.run_component(component, payload)

    def wait_until(self, moment: Moment, *, key: str | None) -> Coroutine[Any, Any, None]:
        """Wait for a moment; see `Context.timer`."""
        check_key(key)
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

        async def once(_attempt: int) -> ModelReply:
            return await asked_once(model, request)

        policy = retry or DEFAULT_MODEL_RETRY
        ask = partial(attempted, once, policy, sleep=self._around.sleep, on_retry=on_retry)
        return self._invoke_model(self.place("model"), ask)

    async def _invoke_model(self, place: str, ask: Callable[[], Awaitable[Attempted]]) -> ModelReply:
        ended = await self._acts.once(place, ask)
        if ended.error is not None:
            raise model_error(final_failure(ended.error)) from ended.error
        return ended.value

    def invoke_tool(self, tool: Tool, call: ToolCall) -> Coroutine[Any, Any, ToolOutcome]:
        """Execute one tool call; a failing tool is an outcome, not an exception."""
        if tool.in_run:
            return self.call_in_run(tool, call)
        return self._invoke_tool(tool, call, self.place(f"tool:{tool.name}"))

    async def _invoke_tool(self, tool: Tool, call: ToolCall, place: str) -> ToolOutcome:
        make = partial(self._components.call, tool.component, to_json_value(call.arguments), place)
        ended = await self._acts.once(place, make)
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
