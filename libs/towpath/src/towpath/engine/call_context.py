"""What the code of one call sees on the platform: a tool, a function, or a method of an entity.

The call as a whole is the durable unit, so acts inside it happen at once, as in a plain script; what would
need a journal of its own is refused, because a crash would repeat it.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import structlog

from towpath.components import ComponentType, Registry
from towpath.context_services.logs import RunLog
from towpath.coordination import Join
from towpath.engine.entity_calls import CalledEntities, Patience
from towpath.engine.ports import Entities
from towpath.errors import ContextError
from towpath.local.calls import Callee
from towpath.local.local_context import LocalContext
from towpath.local.state import BufferedState
from towpath.local.surroundings import Surroundings
from towpath.retry import RetryPolicy
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
        state: BufferedState | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(
            run_id=call.run_id,
            attribution=call.attribution,
            surroundings=Surroundings(
                registry=registry,
                elsewhere=lambda inner: CalledEntities(registry, entities, call, inner, patience),
                memories=entities,
            ),
            callee=callee,
            state=state,
        )
        self.metadata = {
            "service_name": call.service,
            "component": callee.name,
            "correlation_id": call.correlation_id,
        }
        self.on_platform = True
        self._key = call.key
        self._agent = call.agent
        self._session_owner = call.session_owner
        self._bound: RunLog | None = None

    @classmethod
    def of_call(
        cls, registry: Registry, call: CallRequested, kind: ComponentType, entities: Entities, *, attempt: int
    ) -> "CallContext":
        """Make the context of a function or tool."""
        return cls(registry, call, Callee(kind, call.name, attempt, call.key, tried=attempt), entities)

    @classmethod
    def of_method(
        cls,
        registry: Registry,
        invocation: InvocationRequested,
        state: BufferedState,
        entities: Entities,
        patience: Patience,
        *,
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
        return cls(registry, invocation, callee, entities, state=state, patience=patience)

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
        """The logger of the call, with run and attribution bound: made when it is first asked for."""
        self._bound = bound = self._bound or self._bind()
        return bound

    def _bind(self) -> RunLog:
        whose = self.attribution.model_dump(exclude_none=True)
        return structlog.get_logger("towpath.call").bind(
            run_id=self.run_id,
            key=self._key,
            component=self.metadata["component"],
            **{**whose, **({"agent": self._agent} if self._agent else {})},
        )

    # --- What needs a journal -----------------------------------------------------------------------

    def task(
        self,
        service_name: str | Callable[..., Any],
        handler_name: str | None = None,
        input: Any = None,  # noqa: A002 - the seed's name
        *,
        key: str | None = None,
        timeout_ms: float | None = None,
        retries: int | RetryPolicy | None = None,
    ) -> NoReturn:
        """Refuse; see `_refuse`."""
        self._refuse("task")

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
