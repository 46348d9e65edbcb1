"""What the code of one call sees on the platform: a tool, a function, or a method of an entity.

The call as a whole is the durable unit, so acts inside it happen at once, as in a plain script; functions of its own
service that it calls are a part of it. A further attempt is told what those before it have done; a crash repeats it. What would need a journal of its own is refused, because a crash would repeat it.
"""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

from towpath.components import Component, ComponentType, Registry
from towpath.context_services.logs import RunLog
from towpath.coordination import Join
from towpath.engine.entity_calls import CalledEntities, Patience
from towpath.engine.ports import Entities, Outside
from towpath.engine.run_log import StructuredLog
from towpath.errors import ContextError, UnknownOutcomeError
from towpath.local.calls import Callee
from towpath.local.done_acts import Done
from towpath.local.local_context import LocalContext
from towpath.local.state import BufferedState
from towpath.local.surroundings import Surroundings
from towpath.retry_spellings import Retries
from towpath.scopes import SessionScope
from towpath_schemas.calls import CallRequested
from towpath_schemas.entities import InvocationRequested


class CallContext(LocalContext):
    """The context of one call that a runner executes for a run."""

    def __init__(
        self,
        registry: Registry,
        call: CallRequested | InvocationRequested,
        callee: Callee,
        entities: Entities,
        *,
        outside: Outside,
        patience: Patience | None = None,
        repeated: bool = False,
        **own: Any,
    ) -> None:
        super().__init__(
            run_id=call.run_id,
            attribution=call.attribution,
            surroundings=Surroundings(
                registry=registry,
                elsewhere=lambda inner: CalledEntities(
                    registry, entities, call, inner, patience, traceparent=outside.traceparent
                ),
                memories=entities,
                clock=lambda: datetime.fromtimestamp(outside.clock(), UTC),
                random=outside.chance(f"{call.run_id}/{callee.place}@{callee.tried}"),
                sleep=outside.sleep,
            ),
            callee=callee,
            **own,
        )
        self._nested = partial(
            CallContext,
            registry,
            call,
            entities=entities,
            outside=outside,
            patience=patience,
            repeated=repeated,
        )
        self._repeated = repeated
        self.metadata = {
            "service_name": call.service,
            "component": callee.name,
            "correlation_id": call.correlation_id,
        }
        self.on_platform = True
        self._key = callee.place
        self._agent, self._traceparent = call.agent, outside.traceparent
        self._session_owner = call.session_owner
        self._bound: RunLog | None = None

    @classmethod
    def of_call(
        cls,
        registry: Registry,
        call: CallRequested,
        kind: ComponentType,
        entities: Entities,
        *,
        attempt: int,
        outside: Outside,
        done: Done | None = None,
        repeated: bool = False,
    ) -> "CallContext":
        """Make the context of an attempt at a function or tool.

        Args:
            registry: What may be called.
            call: The call.
            kind: What is called.
            entities: How it calls entities.
            attempt: Which attempt it is.
            outside: What it takes from outside.
            done: What its attempts have done, where there are several.
            repeated: Whether it may have been executed before, by somebody whose answer was never seen.
        """
        callee = Callee(kind, call.name, attempt, call.key, tried=attempt, done=done)
        return cls(registry, call, callee, entities, outside=outside, repeated=repeated)

    @classmethod
    def of_method(
        cls,
        registry: Registry,
        invocation: InvocationRequested,
        state: BufferedState,
        entities: Entities,
        patience: Patience,
        *,
        outside: Outside,
        shared: bool,
    ) -> "CallContext":
        """Make the context of a method, whose changes stay in `state`."""
        writes = () if shared else (invocation.entity,)
        callee = Callee(
            ComponentType.ENTITY,
            invocation.entity_type,
            place=invocation.key,
            object_id=invocation.entity_key,
            method_name=invocation.method,
            callers=(*invocation.callers, *writes),
            reads_only=shared,
        )
        return cls(registry, invocation, callee, entities, outside=outside, state=state, patience=patience)

    @property
    def step_id(self) -> str | None:
        """Key of the step that is running: within the call, or the call itself as a step of its run."""
        return super().step_id or self._key

    @property
    def asked_in(self) -> SessionScope | None:
        """The session of the agent that asked for the call, if it is known whose it is."""
        session_id, owner = self.attribution.session_id, self._session_owner
        if session_id is None or owner is None:
            return None
        return SessionScope(session_id, owner.user_id, owner.app_name)

    @property
    def logger(self) -> RunLog:
        """The logger of the call, with run, step, trace and attribution bound: made when it is first asked for."""
        self._bound = bound = self._bound or self._bind()
        return bound

    def _bind(self) -> RunLog:
        whose = self.attribution.model_dump()
        return StructuredLog(
            "towpath.call",
            lambda: self.step_id,
            run_id=self.run_id,
            key=self._key,
            component=self.metadata["component"],
            traceparent=self._traceparent,
            **{**whose, "agent": self._agent or whose["agent"]},
        )

    # --- Calls within the call ------------------------------------------------------------------------

    def _inner(self, callee: Callee, **own: Any) -> "CallContext":
        return self._nested(callee, **own)

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
        """Call a function of the same service, here and as a part of this call."""
        if isinstance(service_name, str) and service_name != self.metadata["service_name"]:
            self._refuse(f"task of another service ({service_name!r})")
        return super().task(
            service_name, handler_name, input, key=key, timeout_ms=timeout_ms, retries=retries
        )

    def _check_callable(self, component: Component) -> None:
        super()._check_callable(component)
        if self._repeated and not component.idempotent:
            raise UnknownOutcomeError(f"function {component.name!r}")

    # --- What needs a journal -----------------------------------------------------------------------

    def spawn(
        self,
        component: str | Callable[..., Any],
        *arguments: Any,
        key: str | None = None,
        join: Join = "detached",
        service_name: str | None = None,
        **named: Any,
    ) -> NoReturn:
        """Refuse; see `_refuse`."""
        self._refuse("spawn")

    def wait_signal(self, name: str, *, timeout_s: float | None, default: Any, key: str | None) -> NoReturn:
        """Refuse; see `_refuse`."""
        self._refuse("signal")

    def emit_signal(self, name: str, payload: Any, run_id: str | None) -> NoReturn:
        """Refuse; see `_refuse`."""
        self._refuse("signal.emit")

    def request_approval(
        self, name: str, payload: Any, *, timeout_s: float | None, roles: tuple[str, ...], key: str | None
    ) -> NoReturn:
        """Refuse; see `_refuse`."""
        self._refuse("human.approval")

    def continue_as_new(self, input: Any = None) -> NoReturn:  # noqa: A002 - as in `task`
        """Refuse; see `_refuse`."""
        self._refuse("continue_as_new")

    def _refuse(self, act: str) -> NoReturn:
        """Refuse what would be repeated by a crash, or what only a run can wait for."""
        raise ContextError(f"{self._callee.name}: ctx.{act} is for workflows and agents; call it from there")
