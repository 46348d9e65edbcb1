"""Calls of the entities of this process."""

from collections.abc import Callable, Sequence
from typing import Any

from towpath.components import ComponentType, Method
from towpath.context import Context
from towpath.current import running_in
from towpath.entity_handle import EntityCall
from towpath.errors import ComponentError, ContextError, EntityReentrancyError
from towpath.local.calls import Callee, value_of
from towpath.local.state import BufferedState, ReadOnlyState
from towpath.local.surroundings import Surroundings
from towpath.local.waits import chain
from towpath.retry import ONCE, Attempted, attempted
from towpath.scopes import current_scope
from towpath.values import to_json_value
from towpath_schemas.failure import Failure


class LocalEntities:
    """Makes the calls of one context within the process."""

    def __init__(
        self, around: Surroundings, callee: Callee, inner: Callable[[Callee, BufferedState], Context]
    ) -> None:
        self._around = around
        self._callee = callee
        self._inner = inner

    async def call(self, call: EntityCall) -> Any:
        """Make a call; see `EntityCaller.call`."""
        method = self._method(call)
        committed = self._around.entities.committed
        if method.shared:
            state = ReadOnlyState(committed(call.name), call.name.entity_type, method.name)
            return value_of(await self._run(call, method, state))
        check_wait(self._callee, call)
        async with self._around.entities.writing([call.name], self._callee.callers):
            state = BufferedState(committed(call.name))
            result = value_of(await self._run(call, method, state))
            self._around.entities.commit(call.name, state.changes)
        return result

    async def commit(self, calls: Sequence[EntityCall], place: str) -> list[Any]:
        """Make calls, all or none; see `EntityCaller.commit`."""
        methods = [self._method(call) for call in calls]
        for call in calls:
            check_wait(self._callee, call)
        names = sorted({call.name for call in calls})
        async with self._around.entities.writing(names, self._callee.callers):
            states = {name: BufferedState(self._around.entities.committed(name)) for name in names}
            results: list[Any] = []
            for number, (call, method) in enumerate(zip(calls, methods, strict=True)):
                placed = call._replace(place=f"{place}/{number}")
                results.append(
                    value_of(await self._run(placed, method, _seen(states[call.name], call, method)))
                )
            for name, state in states.items():
                self._around.entities.commit(name, state.changes)
        return results

    async def _run(self, call: EntityCall, method: Method, state: BufferedState) -> Attempted:
        entity_type, key = call.name.entity_type, call.name.key
        writes = () if method.shared else (call.name,)
        callee = self._callee.called(
            ComponentType.ENTITY,
            entity_type,
            call.place,
            object_id=key,
            method_name=method.name,
            callers=(*self._callee.callers, *writes),
            reads_only=method.shared or self._callee.reads_only,
        )
        context, agent = self._inner(callee, state), current_scope().agent

        async def once(_attempt: int) -> Any:
            with running_in(context, agent=agent):
                result = to_json_value(await method.execute(context, call.arguments))
                await context.end_well()
                return result

        return await attempted(once, ONCE, sleep=self._around.sleep)

    def _method(self, call: EntityCall) -> Method:
        entity_type = call.name.entity_type
        found = self._around.registry.find(ComponentType.ENTITY, entity_type)
        if found is None:
            raise _unknown(f"entity {entity_type!r}")
        method = found.methods.get(call.method)
        if method is None:
            raise _unknown(f"method {entity_type}.{call.method}")
        return method


def check_wait(callee: Callee, call: EntityCall) -> None:
    """Refuse a call of a write method that would wait for itself, or that a shared method makes.

    Raises:
        EntityReentrancyError: If it would wait for itself.
        ContextError: If its caller only reads.
    """
    called = f"{call.name.entity_type}/{call.name.key}.{call.method}"
    if call.name in callee.callers:
        message = (
            f"{called} would wait for itself: it is called by what {chain([call.name])} waits for "
            f"({chain([*callee.callers, call.name])}); call a plain function that both methods share, or call it after "
            "the method"
        )
        raise EntityReentrancyError(
            Failure(code="reentrancy", message=message, error_type=EntityReentrancyError.__name__)
        )
    if callee.reads_only:
        raise ContextError(
            f"{called} may write, and is called by a shared method, which only reads; make that one a write method"
        )


def _seen(state: BufferedState, call: EntityCall, method: Method) -> BufferedState:
    return ReadOnlyState(state.after, call.name.entity_type, method.name) if method.shared else state


def _unknown(what: str) -> ComponentError:
    message = f"{what} is not known here; import the module that defines it"
    return ComponentError(Failure(code="unknown_component", message=message))
