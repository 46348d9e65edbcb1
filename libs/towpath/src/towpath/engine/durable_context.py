"""The context of a run on the platform: every act is looked up in the journal first, and recorded after."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, NoReturn, TypeVar, cast

from towpath.components import Component, ComponentType, Registry
from towpath.context import Work
from towpath.context_services.logs import RunLog
from towpath.coordination import Join, check_join
from towpath.discarding import discard_work, tasks_of
from towpath.engine.acting import Actor, Call
from towpath.engine.asked import Asked
from towpath.engine.beginning import begun, key_of
from towpath.engine.children import Children, DurableChild
from towpath.engine.drawn_values import DrawnValues
from towpath.engine.entity_calls import is_shared, transaction_of
from towpath.engine.live_run import LiveRun
from towpath.engine.memory import MemoryActs
from towpath.engine.run_log import ReplayQuietLog
from towpath.engine.showing import LiveShow
from towpath.engine.steps import Trying, call_model, run_step
from towpath.engine.waits import Waits
from towpath.entity_handle import EntityCall, EntityHandle, call_payload, entity_name
from towpath.errors import ContinuedAsNewError, RegistrationError
from towpath.failures import component_error
from towpath.local.stateful import StatefulContext
from towpath.local.targets import handler_called
from towpath.models.port import DEFAULT_MODEL_RETRY, LanguageModel, ModelReply, ModelRequest
from towpath.moments import Moment
from towpath.remembering.embedding import Meaning
from towpath.retry import ONCE, Retry, RetryPolicy
from towpath.retry_spellings import Retries, policy_of
from towpath.scopes import named
from towpath.spans import MILLISECOND_S, at_most_s
from towpath.threads import in_loop
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath.tools.tool import Tool
from towpath.transactions import Transaction
from towpath.values import revive, to_json_value
from towpath.waiting import Approval, Received
from towpath.work import check_work, result_type_of
from towpath_schemas.approvals import ApprovalAsked, content_sha256
from towpath_schemas.journal import CallSettled, HandedOff, Source, StepSettled
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked

T = TypeVar("T")
Asker = TypeVar("Asker")


class DurableContext(StatefulContext):
    """What a workflow, agent or function sees while it runs on the platform.

    One instance serves one attempt of the component: a further attempt asks for everything again, from the
    first ordinal on, and is given what is recorded.
    """

    def __init__(self, run: LiveRun, registry: Registry, *, attempt: int = 1) -> None:
        super().__init__()
        started = run.started
        self.run_id = run.run_id
        self.attempt = attempt
        self.component_type = ComponentType(started.component_kind)
        self.attribution = started.attribution
        self.metadata: Mapping[str, Any] = {"service_name": started.service, "component": started.component}
        self.idempotency_key = run.run_id
        self.request_headers = started.headers
        self.home_loop = asyncio.get_running_loop()
        self.on_platform = True
        self._run = run
        self._registry = registry
        self._actor = Actor(run)
        self._waits = Waits(run, self._actor)
        self._memory = MemoryActs(run)
        self.children = Children(run, self._actor)
        self._values = DrawnValues(run)
        self._keyed_children: dict[str, str] = {}
        self._log = ReplayQuietLog(run, lambda: self.step_id)

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
        policy, result_type = policy_of(retry, name="retry"), result_type_of(work)
        place, agent = self.place(name, key), self.scope_agent
        if place in self._run.history.ended:
            discard_work(work)  # before its tasks begin
        else:
            self._run.tasks.give_to_step(tasks_of(work), f"{place}/")

        # a partial: who discards it finds the work in it
        step = partial(self._step, work, arguments, retry=policy, agent=agent)
        return self._act(place, partial(_result_of, step, result_type))

    async def _step(
        self, work: Work, arguments: tuple[Any, ...], key: str, *, retry: RetryPolicy, agent: str | None
    ) -> StepSettled:
        settled = await run_step(
            self._run,
            key,
            work,
            arguments,
            retry=retry,
            inside=lambda attempt: self._in_step(key, agent, attempt),
            awaits=self.children.started_by,
            agent=agent,
        )
        self._take_changes(key, settled.changes)
        return settled

    def _act(self, place: str, act: Callable[[str], Awaitable[T]]) -> Coroutine[Any, Any, T]:
        return begun(self._run, Asked(place, "act"), self.step_scope, act)

    def _made(self, call: Call, make: Callable[[Call], Awaitable[T]]) -> Coroutine[Any, Any, T]:
        def act(key: str) -> Awaitable[T]:
            return make(call._replace(place=key))

        return begun(self._run, call.asked, self.step_scope, act)

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
        """Call a function in another process; see `Context.task`."""
        service, target, result_type = self._task_target(service_name, handler_name)
        call = Call(
            self.place(f"task:{target}", key),
            "task",
            target,
            service,
            to_json_value(input),
            at_most_s("timeout_ms", timeout_ms, MILLISECOND_S),
            self.scope_agent,
        )
        policy = policy_of(retries, otherwise=ONCE)

        def made_repeatedly(made: Call) -> Awaitable[CallSettled]:
            return self._actor.call_repeatedly(made, policy)

        return self._made(call, partial(_result_of, made_repeatedly, result_type))

    def _task_target(
        self, service: str | Callable[..., Any], handler_name: str | None
    ) -> tuple[str, str, Any]:
        handler = handler_called(service, handler_name)
        if handler is not None:
            return cast("str", service), handler, Any
        component = self._component_of(service)
        return self._run.started.service, component.name, component.output_type

    def _component_of(self, source: Any) -> Component:
        component = next((one for one in self._registry if one.source is source), None)
        if component is None:
            raise TypeError(f"{source!r} is not registered; decorate it, and import its module in the app")
        return component

    def spawn(
        self,
        component: str | Callable[..., Any],
        *arguments: Any,
        key: str | None = None,
        join: Join = "detached",
        service_name: str | None = None,
        **named: Any,
    ) -> DurableChild:
        """Start another component as a run of its own; see `Context.spawn`."""
        check_join(join)
        target, result_type = component, Any
        if not isinstance(component, str):
            known = self._component_of(component)
            target, result_type = known.name, known.output_type
            service_name = service_name or self._run.started.service
        name = cast("str", target)
        payload = to_json_value(call_payload(arguments, named))
        said = {"join": join, "input": payload}
        place = self.place(f"run:{name}", key)
        child = Call(place, "run", name, service_name, said, agent=self.scope_agent)
        begun_as = key_of(self._run.history, child.asked, self.step_scope)
        if key is not None:  # it is one child, whatever who names it again would give it
            begun_as = self._keyed_children.setdefault(place, begun_as)
        call = child._replace(place=begun_as)
        return in_loop(
            self.home_loop, self.children.start, call, join, lambda settled: _result(settled, result_type)
        )

    def invoke_tool(self, tool: Tool, call: ToolCall) -> Coroutine[Any, Any, ToolOutcome]:
        """Execute one tool call on a tool-runner; a failing tool is an outcome, not an exception."""
        if tool.in_run:
            return self.call_in_run(tool, call)
        errand = tool.errand(to_json_value(call.arguments))
        if errand.service is None and errand.name == tool.name:
            self._check_found(tool)
        made = Call(
            self.place(f"tool:{tool.name}"),
            "tool",
            errand.name,
            errand.service or self._run.started.service,
            errand.arguments,
            agent=self.scope_agent,
        )
        return self._made(made, partial(self._invoke_tool, call.id))

    def _check_found(self, tool: Tool) -> None:
        """Check that a tool-runner would not find another tool by the name of this one."""
        found = self._registry.find(ComponentType.TOOL, tool.name)
        if found is not None and found.source is not tool.component.source:
            raise RegistrationError(
                f"several tools are named {tool.name!r}, and on the platform a tool is found by its name; define it once, "
                "outside of what runs, or give it a name of its own"
            )

    async def _invoke_tool(self, call_id: str, made: Call) -> ToolOutcome:
        settled = await self._actor.call(made)
        return ToolOutcome(call_id=call_id, content=settled.result, error=settled.failure)

    def _call_here(self, name: str, act: Any, target: str, arguments: Any) -> Call:
        return Call(
            self.place(name), act, target, self._run.started.service, arguments, agent=self.scope_agent
        )

    def entity(self, entity_type: str, key: str) -> EntityHandle:
        """Name an entity; the handle's methods are the entity's."""
        entity_name(self.attribution.tenant, entity_type, key)

        def invoke(method: str, payload: Any) -> Coroutine[Any, Any, Any]:
            target = f"{entity_type}.{method}"
            arguments = {"key": key, "arguments": to_json_value(payload)}
            made = self._call_here(f"entity:{target}", "entity", target, arguments)
            ask = self._actor.read if is_shared(self._registry, entity_type, method) else self._actor.call
            return self._made(made, partial(_result_of, ask, Any))

        return EntityHandle(invoke)

    def transaction(self) -> Transaction:
        """Begin a transaction, whose commit is one act; see `Context.transaction`."""
        place, agent = self.place("transaction"), self.scope_agent

        def commit(calls: Sequence[EntityCall]) -> Coroutine[Any, Any, Any]:
            name, method, arguments, _ = transaction_of(calls, place)
            said = {"key": name.key, "arguments": arguments}
            made = Call(
                place, "entity", f"{name.entity_type}.{method}", self._run.started.service, said, agent=agent
            )
            return self._made(made, partial(_result_of, self._actor.call, Any))

        return Transaction(self.attribution.tenant, commit)

    # --- Waiting ----------------------------------------------------------------------------------

    def wait_until(self, moment: Moment, *, key: str | None) -> Coroutine[Any, Any, None]:
        """Wait for a moment; see `Context.timer`."""
        agent = self.scope_agent
        return self._act(self.place("timer", key), lambda key: self._waits.until(key, moment, agent))

    def wait_signal(
        self, name: str, *, timeout_s: float | None, default: Any, key: str | None
    ) -> Coroutine[Any, Any, Any]:
        """Wait for a signal; see `Signals`."""
        place = self.place(f"signal:{name}", key)
        call = Call(place, "signal", name, within_s=timeout_s, agent=self.scope_agent)
        return self._made(call, lambda made: self._waits.signal(made, default))

    def received_signal(self, name: str) -> Coroutine[Any, Any, Received | None]:
        """Take a signal that has come already; see `WaitingPort`."""
        call = self._call_here(f"received:{name}", "signal", name, None)
        return self._made(call, self._waits.received)

    def emit_signal(self, name: str, payload: Any, run_id: str | None) -> Coroutine[Any, Any, None]:
        """Send a signal, once; see `Signals.emit`."""
        call = Call(
            self.place(f"emit:{name}"), "signal", name, None, to_json_value(payload), agent=self.scope_agent
        )
        return self._made(call, lambda made: self._waits.emit(made, run_id))

    def request_approval(
        self, name: str, payload: Any, *, timeout_s: float | None, roles: tuple[str, ...], key: str | None
    ) -> Coroutine[Any, Any, Approval]:
        """Have somebody decide; see `Human.approval`."""
        shown = to_json_value(payload)
        asked = ApprovalAsked(payload=shown, roles=roles, content_sha256=content_sha256(shown))
        place = self.place(f"approval:{name}", key)
        arguments = asked.model_dump(mode="json")
        call = Call(place, "approval", name, None, arguments, timeout_s, self.scope_agent)
        return self._made(call, self._waits.approval)

    # --- The life of the run ------------------------------------------------------------------------

    def continue_as_new(self, input: Any = None) -> NoReturn:  # noqa: A002 - as in `task`
        """End this run and go on as a new one; see `Context.continue_as_new`."""
        raise ContinuedAsNewError(to_json_value(input))

    def patched(self, change: str) -> bool:
        """Tell whether code behind `change` may run; see `Context.patched`."""
        return self._values.patched(named("change", change))

    # --- Models -----------------------------------------------------------------------------------

    def invoke_model(
        self,
        model: LanguageModel,
        request: ModelRequest,
        *,
        retry: RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> Coroutine[Any, Any, ModelReply]:
        """Make one model call as one durable act; see `Context.invoke_model`."""
        trying, agent = Trying(retry or DEFAULT_MODEL_RETRY, on_retry), self.scope_agent

        def ask(key: str) -> Awaitable[ModelReply]:
            return call_model(self._run, self._actor, key, model, request, trying=trying, agent=agent)

        return self._act(self.place("model"), ask)

    def hand_off(self, agent: str, to: str) -> Coroutine[Any, Any, None]:
        """Record that `agent` gave the conversation to the agent named `to`."""
        return self._act(self.place("handoff"), lambda key: self._hand_off(key, agent, to))

    async def _hand_off(self, place: str, agent: str, to: str) -> None:
        if await self._run.ask(Asked(place, "handoff", f"{agent} to {to}")) is None:
            await self._run.tell(HandedOff(at=self._run.clock(), key=place, agent=agent, to=to))

    # --- Memories -----------------------------------------------------------------------------------

    def ask_memory(
        self, asked: Sequence[MemoryAsked], meaning: Meaning | None
    ) -> Coroutine[Any, Any, dict[str, MemoriesFound]]:
        """Ask about memories as one durable act; see `Context.ask_memory`."""
        place = self.place(f"memory:{asked[0].question}")
        agent = self.scope_agent
        return self._act(place, lambda key: self._memory.ask(key, asked, meaning, agent))

    def erase_memory(
        self, namespace: str | None, user_id: str | None, reason: str | None
    ) -> Coroutine[Any, Any, ErasureDone]:
        """Erase memories as one durable act; see `Context.erase_memory`."""
        by = self.attribution
        asked = ErasureAsked(namespace=namespace, user_id=user_id, reason=reason, attribution=by)
        agent = self.scope_agent
        return self._act(self.place("memory:erase"), lambda key: self._memory.erase(key, asked, agent))

    # --- Values that replay repeats ----------------------------------------------------------------

    def now(self) -> datetime:
        """Read the clock (UTC); replay repeats the reading."""
        return datetime.fromtimestamp(float(self._drawn("now", lambda _place: self._run.clock())), UTC)

    def uuid(self) -> uuid.UUID:
        """Draw a random UUID; replay repeats it."""
        return uuid.UUID(str(self._drawn("uuid", lambda place: str(_uuid_from(self._run.chance(place))))))

    def random(self) -> float:
        """Draw a random number from 0 to 1; replay repeats it."""
        return float(self._drawn("random", lambda place: self._run.chance(place).random()))

    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a setting from outside, once; see `Context.remember`."""
        place = f"{self.own_scope.name}config:{name}"
        return self._values.setting(name, place, read)

    def _drawn(self, source: Source, draw: Callable[[str], Any]) -> Any:
        place = self.place(source)
        return self._values.drawn(place, source, lambda: draw(place))

    # --- What others may see ------------------------------------------------------------------------

    def show(self, key: str | None) -> LiveShow:
        """Begin to show others what happens; see `Context.show`."""
        return LiveShow(self._run, key)

    @property
    def logger(self) -> RunLog:
        """The run's logger; silent while the run is replayed."""
        return self._log

    @property
    def let_go(self) -> bool:
        """Whether the code is only dropped from memory; see `Context.let_go`."""
        return self._run.let_go.is_set()

    @property
    def silent(self) -> bool:
        """Whether what the code does now is told elsewhere; see `Context.silent`."""
        return self._run.replay.goes_on or self.let_go


def _uuid_from(chance: Random) -> uuid.UUID:
    return uuid.UUID(int=chance.getrandbits(128), version=4)


async def _result_of(
    ask: Callable[[Asker], Awaitable[StepSettled | CallSettled]], result_type: Any, asker: Asker
) -> Any:
    return _result(await ask(asker), result_type)


def _result(record: StepSettled | CallSettled, result_type: Any) -> Any:
    if record.failure is not None:
        raise component_error(record.failure)
    return record.result if result_type is Any else revive(record.result, result_type)
