"""Executes methods of an entity: a turn is a state and the calls that wait for it, in order."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from towpath.components import ComponentType, Method, Registry
from towpath.current import running_in
from towpath.engine.call_context import CallContext
from towpath.engine.containing import contained
from towpath.engine.entity_calls import Patience
from towpath.engine.ports import Entities, Outside
from towpath.engine.tasks import in_call
from towpath.failures import failure_of
from towpath.local.state import BufferedState, ReadOnlyState
from towpath.values import to_json_value
from towpath_schemas.entities import InvocationDone, InvocationRequested, TurnRequested
from towpath_schemas.failure import Failure

Traced = Callable[[InvocationRequested], AbstractContextManager[str | None]]
"""Records the span in which a call is executed, if any is recorded, and gives its trace context."""

_OUTSIDE = Outside()


def _untraced(invocation: InvocationRequested) -> AbstractContextManager[str | None]:
    return nullcontext(invocation.traceparent)


async def take_turn(
    registry: Registry,
    turn: TurnRequested,
    entities: Entities,
    outside: Outside = _OUTSIDE,
    traced: Traced = _untraced,
) -> tuple[InvocationDone, ...]:
    """Execute the calls of a turn one after the other, each on the state that those before it left.

    Args:
        registry: Where the entity is found.
        turn: The turn.
        entities: How its methods call other entities.
        outside: What their code takes from outside.
        traced: Records the span of each.
    """
    state: Mapping[str, Any] = turn.state
    done: list[InvocationDone] = []
    for invocation in turn.invocations:
        with traced(invocation) as traceparent:
            inside = outside._replace(traceparent=traceparent)
            ended = await _invoke(registry, invocation, state, entities, turn, outside=inside)
        state = ended.changes.applied_to(state)
        done.append(ended)
    return tuple(done)


async def _invoke(
    registry: Registry,
    invocation: InvocationRequested,
    committed: Mapping[str, Any],
    entities: Entities,
    turn: TurnRequested,
    *,
    outside: Outside,
) -> InvocationDone:
    """Execute one method; a failed one changes nothing."""
    method = _find(registry, invocation)
    if method is None:
        return not_invoked(invocation, _not_here(invocation))
    reading = turn.read_only or method.shared
    state = (
        ReadOnlyState(committed, invocation.entity_type, method.name) if reading else BufferedState(committed)
    )
    patience = Patience.of(turn.waits_s)
    context = CallContext.of_method(
        registry, invocation, state, entities, patience, outside=outside, shared=reading
    )
    try:
        with in_call(), running_in(context, agent=invocation.agent), context.in_session(context.asked_in):
            result = to_json_value(await contained(method.execute(context, invocation.arguments)))
            await context.end_well()
    except Exception as error:  # noqa: BLE001 - whatever user code raises is its outcome
        return not_invoked(invocation, failure_of(error).model_copy(update={"retryable": False}))
    return InvocationDone(invocation_id=invocation.invocation_id, result=result, changes=state.changes)


def _find(registry: Registry, invocation: InvocationRequested) -> Method | None:
    component = registry.find(ComponentType.ENTITY, invocation.entity_type)
    return component.methods.get(invocation.method) if component else None


def not_invoked(invocation: InvocationRequested, failure: Failure) -> InvocationDone:
    """Say of a call that it failed, and so changed nothing."""
    return InvocationDone(invocation_id=invocation.invocation_id, failure=failure)


def _not_here(invocation: InvocationRequested) -> Failure:
    return Failure(
        code="unknown_component",
        message=f"service {invocation.service!r} has no method {invocation.entity_type}.{invocation.method}; "
        "register the entity in the service's app",
    )
