"""What the code of one call sees on the platform: a tool, a function, or a method of an entity.

The call as a whole is the durable unit, so acts inside it happen at once, as in a plain script; what would
need a journal of its own is refused, because a crash would repeat it.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import structlog

from towpath.components import ComponentType, Registry
from towpath.context import EntityHandle, RunLog
from towpath.errors import ContextError
from towpath.local.calls import Callee
from towpath.local.local_context import LocalContext
from towpath.local.state import BufferedState
from towpath.local.surroundings import Surroundings
from towpath_schemas.calls import CallRequested
from towpath_schemas.entities import InvocationRequested


class CallContext(LocalContext):
    """The context of one call that a runner executes for a run."""

    def __init__(
        self,
        registry: Registry,
        call: CallRequested | InvocationRequested,
        callee: Callee,
        state: BufferedState | None = None,
    ) -> None:
        super().__init__(
            run_id=call.run_id,
            attribution=call.attribution,
            surroundings=Surroundings(registry=registry),
            callee=callee,
            state=state,
        )
        self.metadata = {"service_name": call.service, "component": callee.name}
        self._bound = structlog.get_logger("towpath.call").bind(
            run_id=call.run_id,
            key=call.key,
            component=callee.name,
            **{
                **call.attribution.model_dump(exclude_none=True),
                **({"agent": call.agent} if call.agent else {}),
            },
        )

    @classmethod
    def of_call(
        cls, registry: Registry, call: CallRequested, kind: ComponentType, *, attempt: int
    ) -> "CallContext":
        """Make the context of a function or tool."""
        return cls(registry, call, Callee(kind, call.name, attempt, call.key))

    @classmethod
    def of_method(
        cls, registry: Registry, invocation: InvocationRequested, state: BufferedState
    ) -> "CallContext":
        """Make the context of a method, whose changes stay in `state`."""
        callee = Callee(
            ComponentType.ENTITY,
            invocation.entity_type,
            place=invocation.key,
            object_id=invocation.entity_key,
            method_name=invocation.method,
        )
        return cls(registry, invocation, callee, state)

    @property
    def logger(self) -> RunLog:
        """The logger of the call, with run and attribution bound."""
        return self._bound

    async def task(
        self,
        service: str | Callable[..., Any],
        handler_name: str | None = None,
        input: Any = None,  # noqa: A002 - the seed's name
        *,
        key: str | None = None,
    ) -> NoReturn:
        """Refuse: a call from inside a call would be repeated by a crash."""
        raise ContextError(f"{self._callee.name}: ctx.task is for workflows and agents; call it from there")

    def entity(self, entity_type: str, key: str) -> EntityHandle:
        """Refuse: a call from inside a call would be repeated by a crash."""
        raise ContextError(f"{self._callee.name}: ctx.entity is for workflows and agents; call it from there")
