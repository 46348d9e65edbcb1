"""`@workflow`: an orchestration whose finished steps are never run again, written as code or as a flow."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast, overload

from towpath.annotations import hints_of, name_of
from towpath.components import REGISTRY, Component, ComponentType
from towpath.definitions import Decorated, check_name, check_no_stream, documentation_of, register
from towpath.errors import RegistrationError
from towpath.flows.definition import FlowDefinition, SignalConfig, StepType, TimerConfig, WorkflowStep
from towpath.flows.execution import FlowBody
from towpath.flows.progress import Plan
from towpath.flows.steps import task_step, wait_signal_step, wait_timer_step
from towpath.flows.validation import check_flow
from towpath.limits import AnyLimit, described_limits
from towpath.retry import ONCE
from towpath.schedules import Schedule, described_schedules
from towpath.schema import schema_of
from towpath.work import Body

__all__ = [
    "FlowDefinition",
    "SignalConfig",
    "StepType",
    "TimerConfig",
    "WorkflowStep",
    "get_registered_workflows",
    "register_workflow",
    "task_step",
    "wait_signal_step",
    "wait_timer_step",
    "workflow",
]


@overload
def workflow(name: Decorated, /) -> Decorated: ...
@overload
def workflow(
    name: str | None = None,
    *,
    version: str | None = None,
    limits: Sequence[AnyLimit] | None = None,
    schedule: Schedule | Sequence[Schedule] | None = None,
) -> Callable[[Decorated], Decorated]: ...


def workflow(
    name: Any = None,
    *,
    version: str | None = None,
    limits: Sequence[AnyLimit] | None = None,
    schedule: Schedule | Sequence[Schedule] | None = None,
) -> Any:
    """Register a workflow; the function stays the callable it is.

    It is either code, an async function whose first parameter is the context, or the factory of a flow, a function
    without parameters that returns a `FlowDefinition`: it is called once, here.

    Args:
        name: What it is called by; its own name if not given.
        version: Which code this is, where several are registered under one name: new runs take the last one, and
            each stays with the one it began with.
        limits: How many of its runs work at once, how often one begins, which of them are one; see `towpath.limits`.
        schedule: What starts runs of it again and again, as long as its service registers it so.

    Raises:
        TypeError: If it is neither.
        RegistrationError: If another workflow has this name, its types cannot be read from JSON, the steps of its
            flow do not fit together, or the version, a limit or a schedule says what cannot be.
    """
    _check_version(version)

    def decorate(body: Decorated) -> Decorated:
        check_no_stream(body)
        component = _component(body, None if callable(name) else name)
        described = described_limits(component.name, limits, component.parameters)
        scheduled = described_schedules(component.name, schedule)
        return register(body, replace(component, version=version, limits=described, schedules=scheduled))

    return decorate(name) if callable(name) else decorate


def _check_version(version: object) -> None:
    if version is not None and not isinstance(version, str):
        raise RegistrationError(f"version={version!r}: a version is text; write version={str(version)!r}")


def register_workflow(name: str, definition: FlowDefinition | Callable[..., Any]) -> None:
    """Register by hand a flow, or whatever `@workflow` takes.

    Raises:
        TypeError: As `@workflow` does.
        RegistrationError: As `@workflow` does.
    """
    if isinstance(definition, FlowDefinition):
        REGISTRY.add(_flow_component(name, definition, source=definition))
    else:
        workflow(name)(definition)


def get_registered_workflows() -> dict[str, FlowDefinition | Callable[..., Any]]:
    """Return the workflows of this process by name: flows as their definitions, the others as their functions."""
    return {one.name: _definition_of(one) for one in REGISTRY if one.kind is ComponentType.WORKFLOW}


def _definition_of(component: Component) -> FlowDefinition | Callable[..., Any]:
    if isinstance(component.execute, FlowBody):
        return component.execute.flow
    return cast("Callable[..., Any]", component.source)


def _component(body: Callable[..., Any], name: str | None) -> Component:
    called = name_of(body) if name is None else name
    if _is_factory(body):
        flow = body()
        if not isinstance(flow, FlowDefinition):
            raise _no_workflow(body)
        return _flow_component(called, flow, source=body, description=documentation_of(body).summary)
    return _code_component(called, body)


def _is_factory(body: Callable[..., Any]) -> bool:
    """Tell whether calling `body` may give a flow: one that says it gives something else is not called."""
    if inspect.signature(body).parameters or inspect.iscoroutinefunction(body):
        return False
    return hints_of(body).get("return", FlowDefinition) in (FlowDefinition, Any)


def _code_component(name: str, body: Callable[..., Any]) -> Component:
    check_name(name)
    documentation = documentation_of(body)
    schema = schema_of(body, name=name, descriptions=documentation.parameters)
    if not (schema.takes_context and inspect.iscoroutinefunction(body)):
        raise _no_workflow(body)
    return Component(
        name=name,
        kind=ComponentType.WORKFLOW,
        execute=Body(schema, body),
        description=documentation.summary,
        input_schema=schema.input_schema,
        parameters=schema.parameters.names,
        output_schema=schema.output_schema,
        output_type=schema.output_type,
        retry=ONCE,
        source=body,
    )


def _no_workflow(body: Callable[..., Any]) -> TypeError:
    called = name_of(body)
    return TypeError(
        f"{called} is no workflow: write `async def {called}(ctx, ...)` and call its steps on ctx, "
        f"or `def {called}() -> FlowDefinition` and return the steps",
    )


def _flow_component(name: str, flow: FlowDefinition, *, source: object, description: str = "") -> Component:
    check_name(name)
    check_flow(name, flow)
    return Component(
        name=name,
        kind=ComponentType.WORKFLOW,
        execute=FlowBody(flow, Plan(flow)),
        description=description,
        output_schema={"type": "object"},
        retry=ONCE,
        source=source,
    )
