"""The context of a run on the platform: every act is looked up in the journal first, and recorded after."""

import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from towpath.components import ComponentType, Registry
from towpath.context import Context, EntityHandle, RunLog, Work, running_in
from towpath.errors import ComponentError, DuplicateStepError, ModelError, NonDeterminismError
from towpath.failures import failure_of
from towpath.local.state import Done
from towpath.models.port import DEFAULT_MODEL_RETRY, LanguageModel, ModelReply, ModelRequest, digest
from towpath.retry import Attempted, RetryPolicy, attempted
from towpath.runtime.calling import Caller
from towpath.runtime.containing import contained
from towpath.runtime.live_run import LiveRun
from towpath.runtime.replay import Asked, call_asked
from towpath.runtime.run_log import run_log
from towpath.tools.tool import Tool, ToolCall, ToolOutcome
from towpath.values import revive, to_json_value
from towpath.work import check_work, drop_work, is_awaitable, result_type_of, run_work
from towpath_schemas.failure import Failure
from towpath_schemas.journal import Act, CallIntended, CallSettled, HandedOff, StepSettled, Usage, ValueDrawn

DEFAULT_STEP_RETRY = RetryPolicy()
_ONE_TRY = RetryPolicy(max_attempts=1)
_SHOWN_CHARS = 200


class DurableContext(Context):
    """What a workflow, agent or function sees while it runs on the platform.

    One instance serves one attempt of the component: a further attempt asks for everything again, from the
    first ordinal on, and is given what is recorded.
    """

    def __init__(self, run: LiveRun, registry: Registry, *, attempt: int = 1) -> None:
        started = run.started
        self.run_id = run.run_id
        self.attempt = attempt
        self.component_type = ComponentType(started.component_kind)
        self.attribution = started.attribution
        self.metadata: Mapping[str, Any] = {"service_name": started.service, "component": started.component}
        self.idempotency_key = run.run_id
        self._run = run
        self._registry = registry
        self._caller = Caller(run)
        self._ordinals: dict[str, int] = {}
        self._steps_running: set[str] = set()
        self._state: dict[str, Any] = {}
        self._log = run_log(run)

    @property
    def step_id(self) -> str | None:
        """Key of the step that is running, if one is."""
        return self.scope_name.rstrip("/") or None

    def next_ordinal(self, name: str) -> int:
        """Count how often `name` was used in this attempt before now."""
        ordinal = self._ordinals.get(name, 0)
        self._ordinals[name] = ordinal + 1
        return ordinal

    def _key(self, name: str, key: str | None = None) -> str:
        place = f"{self.scope_name}{name}"
        return f"{place}#{self.next_ordinal(place)}" if key is None else f"{place}#={key}"

    # --- Steps ------------------------------------------------------------------------------------

    async def step(
        self,
        name: str,
        work: Work,
        *arguments: Any,
        key: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> Any:
        """Run `work` once; see `Context.step`."""
        check_work(name, work, arguments)
        place = self._key(name, key)
        result_type = result_type_of(work)
        settled = await self._run.ask(Asked(place, "step"))
        if settled is not None:
            drop_work(work)
            return _result(cast("StepSettled", settled), result_type)
        with self._running_alone(name, key):
            record = await self._run_step(place, work, arguments, retry or DEFAULT_STEP_RETRY)
        return _result(await self._run.append(record), result_type)

    async def _run_step(
        self,
        place: str,
        work: Work,
        arguments: tuple[Any, ...],
        retry: RetryPolicy,
    ) -> StepSettled:
        async def once(_attempt: int) -> Any:
            with running_in(self, scope=f"{place}/", agent=agent):
                return to_json_value(await contained(run_work(work, arguments)))

        agent = self.scope_agent
        with self._run.busy():
            ended = await attempted(once, _ONE_TRY if is_awaitable(work) else retry)
        return StepSettled(
            at=time.time(),
            key=place,
            result=ended.value,
            failure=_final_failure(ended),
            attempts=ended.attempts,
            agent=agent,
        )

    def _running_alone(self, name: str, key: str | None) -> "_StepInFlight":
        return _StepInFlight(self._steps_running, f"{self.scope_name}{name}", name, keyed=key is not None)

    # --- Calls ------------------------------------------------------------------------------------

    async def task(
        self,
        service: str | Callable[..., Any],
        handler_name: str | None = None,
        input: Any = None,  # noqa: A002 - the seed's name
        *,
        key: str | None = None,
    ) -> Any:
        """Call a function in another process; see `Context.task`."""
        service_name, target, result_type = self._task_target(service, handler_name)
        place = self._key(f"task:{target}", key)
        settled = await self._settle("task", place, target, service_name, to_json_value(input))
        return _result(settled, result_type)

    def _task_target(
        self, service: str | Callable[..., Any], handler_name: str | None
    ) -> tuple[str, str, Any]:
        own = self._run.started.service
        if isinstance(service, str):
            if handler_name is None:
                raise TypeError("ctx.task needs a function, or the names of a service and of its handler")
            return service, handler_name, Any
        component = next((one for one in self._registry if one.source is service), None)
        if component is None:
            raise TypeError(f"{service!r} is not registered; decorate it with @function")
        return own, component.name, component.output_type

    async def invoke_tool(self, tool: Tool, call: ToolCall) -> ToolOutcome:
        """Execute one tool call on a tool-runner; a failing tool is an outcome, not an exception."""
        place = self._key(f"tool:{tool.name}")
        service = self._run.started.service
        settled = await self._settle("tool", place, tool.name, service, to_json_value(call.arguments))
        return ToolOutcome(call_id=call.id, content=settled.result, error=settled.failure)

    def entity(self, entity_type: str, key: str) -> EntityHandle:
        """Name an entity; the handle's methods are the entity's."""

        async def invoke(method: str, payload: Any) -> Any:
            target = f"{entity_type}.{method}"
            place = self._key(f"entity:{target}")
            arguments = {"key": key, "arguments": to_json_value(payload)}
            settle = self._read_entity if self._is_shared(entity_type, method) else self._settle
            return _result(await settle("entity", place, target, self._run.started.service, arguments), Any)

        return EntityHandle(invoke)

    def _is_shared(self, entity_type: str, method: str) -> bool:
        component = self._registry.find(ComponentType.ENTITY, entity_type)
        known = component.methods.get(method) if component else None
        return known is not None and known.shared

    async def _settle(self, act: Act, place: str, target: str, service: str, arguments: Any) -> CallSettled:
        """Have a call made by another process, once, and return how it ended.

        Raises:
            NonDeterminismError: If the journal has the call with other arguments: branches that run at the same
                time and call one name need `key=`, or their answers would change places.
        """
        settled = await self._run.ask(call_asked(place, act, target))
        intent = self._run.history.intended(place)
        if intent is not None and intent.input != arguments:
            raise NonDeterminismError(expected=_shown(place, intent.input), found=_shown(place, arguments))
        if settled is not None:
            return cast("CallSettled", settled)
        if intent is None:
            intent = await self._run.append(self._intent(act, place, target, service, arguments))
        return await self._caller.call(intent)

    def _intent(self, act: Act, place: str, target: str, service: str | None, arguments: Any) -> CallIntended:
        return CallIntended(
            at=time.time(),
            key=place,
            act=act,
            target=target,
            service=service,
            input=arguments,
            agent=self.scope_agent,
        )

    async def _read_entity(
        self, act: Act, place: str, target: str, service: str, arguments: Any
    ) -> CallSettled:
        """Ask a shared method: nothing changes, so one record of the answer is enough."""
        settled = await self._run.ask(call_asked(place, act, target))
        if settled is not None:
            return cast("CallSettled", settled)
        with self._run.busy():
            answer = await self._caller.read(self._intent(act, place, target, service, arguments))
        record = CallSettled(
            at=time.time(),
            key=place,
            act=act,
            target=target,
            result=answer.result,
            failure=answer.failure,
            agent=self.scope_agent,
        )
        return await self._run.append(record)

    # --- Models -----------------------------------------------------------------------------------

    async def invoke_model(self, model: LanguageModel, request: ModelRequest) -> ModelReply:
        """Make one model call as one durable act; see `Context.invoke_model`."""
        place = self._key("model")
        settled = await self._run.ask(call_asked(place, "model", model.name))
        if settled is None:
            settled = await self._call_model(place, model, request)
        record = cast("CallSettled", settled)
        if record.failure is not None:
            raise ModelError(record.failure)
        return ModelReply.model_validate(record.result)

    async def _call_model(self, place: str, model: LanguageModel, request: ModelRequest) -> CallSettled:
        if self._run.history.intended(place) is None:
            asked = {"sha256": digest(request), "messages": len(request.messages)}
            await self._run.append(self._intent("model", place, model.name, None, asked))

        async def once(_attempt: int) -> ModelReply:
            return await model.generate(request)

        with self._run.busy():
            ended = await attempted(once, DEFAULT_MODEL_RETRY)
        reply: ModelReply | None = ended.value
        record = CallSettled(
            at=time.time(),
            key=place,
            act="model",
            target=model.name,
            result=reply.model_dump(mode="json", exclude_defaults=True) if reply else None,
            failure=_final_failure(ended),
            attempts=ended.attempts,
            usage=_usage(reply),
            agent=self.scope_agent,
        )
        return await self._run.append(record)

    async def hand_off(self, agent: str, to: str) -> None:
        """Record that `agent` gave the conversation to the agent named `to`."""
        place = self._key("handoff")
        if await self._run.ask(Asked(place, "handoff", f"{agent} to {to}")) is None:
            await self._run.append(HandedOff(at=time.time(), key=place, agent=agent, to=to))

    # --- Values that replay repeats ----------------------------------------------------------------

    def now(self) -> datetime:
        """Read the clock (UTC); replay repeats the reading."""
        return datetime.fromtimestamp(float(self._drawn("now", time.time)), UTC)

    def uuid(self) -> uuid.UUID:
        """Draw a random UUID; replay repeats it."""
        return uuid.UUID(str(self._drawn("uuid", lambda: str(uuid.uuid4()))))

    def random(self) -> float:
        """Draw a random number from 0 to 1; replay repeats it."""
        return float(self._drawn("random", random.random))

    def _drawn(
        self, source: Literal["now", "uuid", "random"], draw: Callable[[], str | float]
    ) -> str | float:
        place = self._key(source)
        settled = self._run.known(Asked(place, source))
        if settled is None:
            settled = ValueDrawn(at=time.time(), key=place, source=source, value=draw())
            self._run.append_soon(settled)
        return cast("ValueDrawn", settled).value

    # --- The run's own state ------------------------------------------------------------------------

    async def get(self, name: str, default: Any = None) -> Any:
        """Read a value of the run's state, which replay rebuilds."""
        return self._state.get(name, default)

    def set(self, name: str, value: Any) -> Awaitable[None]:
        """Write a value of the run's state."""
        self._state[name] = to_json_value(value)
        return Done()

    def delete(self, name: str) -> Awaitable[None]:
        """Remove a value of the run's state."""
        self._state.pop(name, None)
        return Done()

    @property
    def logger(self) -> RunLog:
        """The run's logger; silent while the run is replayed."""
        return self._log


class _StepInFlight:
    """Refuses two steps of one name at the same time, whose ordinals would depend on timing."""

    def __init__(self, running: set[str], place: str, name: str, *, keyed: bool) -> None:
        self._running, self._place, self._name, self._keyed = running, place, name, keyed

    def __enter__(self) -> None:
        if self._keyed:
            return
        if self._place in self._running:
            raise DuplicateStepError(self._name)
        self._running.add(self._place)

    def __exit__(self, *_error: object) -> None:
        if not self._keyed:
            self._running.discard(self._place)


def _result(record: StepSettled | CallSettled, result_type: Any) -> Any:
    if record.failure is not None:
        raise ComponentError(record.failure)
    return record.result if result_type is Any else revive(record.result, result_type)


def _shown(place: str, arguments: Any) -> str:
    return f"{place!r} called with {repr(arguments)[:_SHOWN_CHARS]}"


def _final_failure(ended: Attempted) -> Failure | None:
    """Tell the failure of an act that will not be tried again."""
    if ended.error is None:
        return None
    return failure_of(ended.error).model_copy(update={"retryable": False})


def _usage(reply: ModelReply | None) -> Usage | None:
    return reply.usage if reply else None
