"""Whether the steps of a flow fit together; looked at when it is registered, before anything runs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from reprlib import repr as shortened

from towpath.errors import NotSerialisableError, RegistrationError
from towpath.flows.definition import FlowDefinition, SignalConfig, StepType, TimerConfig, WorkflowStep
from towpath.moments import moment_after
from towpath.spans import LONGEST_S, MILLISECOND_S
from towpath.step_input import RESERVED
from towpath_schemas.entities import EntityName
from towpath_schemas.object_keys import OBJECT_KEY

_NEEDED = {
    StepType.TASK: ("service_name", "handler_name"),
    StepType.WAIT_SIGNAL: ("signal",),
    StepType.WAIT_TIMER: ("timer",),
}
_ALLOWED = {
    StepType.TASK: ("object_keys", "input_data", "retries", "timeout_ms"),
    StepType.WAIT_SIGNAL: (),
    StepType.WAIT_TIMER: (),
}
_OF_A_KIND = (
    "service_name",
    "handler_name",
    "signal",
    "timer",
    "object_keys",
    "input_data",
    "retries",
    "timeout_ms",
)
_SEPARATOR = "/"
"""Separates the parts of an act's place in the journal."""


def check_flow(name: str, flow: FlowDefinition) -> None:
    """Refuse a flow that cannot run.

    Raises:
        RegistrationError: The message names each step that is wrong, what is wrong, and the remedy.
    """
    _refuse(name, [problem for step in flow.steps for problem in _unwritable(step)])
    FlowDefinition.from_dict(flow.to_dict())
    places = {step.name: place for place, step in reversed([*enumerate(flow.steps)])}
    _refuse(name, [*_of_all(flow), *(problem for step in flow.steps for problem in _of_step(step, places))])
    _refuse(name, list(_circles(flow)))


def _refuse(name: str, problems: list[str]) -> None:
    if problems:
        raise RegistrationError(f"workflow {name!r} cannot run: {'; '.join(problems)}")


def _unwritable(step: WorkflowStep) -> Iterator[str]:
    try:
        step.to_dict()
    except NotSerialisableError as error:
        yield f"step {step.name!r}: {error}"


def _of_all(flow: FlowDefinition) -> Iterator[str]:
    if not flow.steps:
        yield "it has no steps; give at least one"
    for name, count in Counter(step.name for step in flow.steps).items():
        if count > 1:
            yield f"step {name!r} is there {count} times; give each step a name of its own"


def _of_step(step: WorkflowStep, places: Mapping[str, int]) -> Iterator[str]:
    problems = [*_of_name(step), *_of_kind(step), *_of_dependencies(step, places), *_of_task(step)]
    if step.signal is not None:
        problems += _of_signal(step.signal, places)
    if step.timer is not None:
        problems += _of_timer(step.timer)
    return (f"step {step.name!r} {problem}" for problem in problems)


def _of_name(step: WorkflowStep) -> Iterator[str]:
    if not step.name or _SEPARATOR in step.name:
        yield f"needs a name, without {_SEPARATOR!r}"


def _of_kind(step: WorkflowStep) -> Iterator[str]:
    needed, allowed = _NEEDED[step.step_type], _ALLOWED[step.step_type]
    for field in _OF_A_KIND:
        said = bool(getattr(step, field))
        if field in needed and not said:
            yield f"is a {step.step_type} step and needs {field}"
        if said and field not in (*needed, *allowed):
            yield f"is a {step.step_type} step and has no use for {field}; leave it out"


def _of_dependencies(step: WorkflowStep, places: Mapping[str, int]) -> Iterator[str]:
    for dependency in step.dependencies:
        if dependency not in places:
            yield f"depends on {dependency!r}, which is no step; define it, above"
        elif places[dependency] >= places[step.name]:
            yield f"depends on {dependency!r}, which does not come before it; move {dependency!r} above"


def _of_task(step: WorkflowStep) -> Iterator[str]:
    for name in RESERVED:
        if name in (step.input_data or {}):
            yield f"has {name!r} in its input_data, which every step is given by the flow; use another name"
    if step.retries is not None and step.retries < 1:
        yield f"has retries={step.retries}; give how often it is called at the most, 1 or more"
    if step.timeout_ms is not None:
        yield from _of_timeout(step.timeout_ms)
    for key in step.object_keys:
        yield from _of_object_key(key)


def _of_timeout(timeout_ms: float, otherwise: str = "") -> Iterator[str]:
    if not 0 < timeout_ms <= LONGEST_S / MILLISECOND_S:
        yield f"has timeout_ms={shortened(timeout_ms)}; give more than 0 and no more than a century{otherwise}"


def _of_object_key(key: str) -> Iterator[str]:
    try:
        EntityName.checked("", OBJECT_KEY, key)
    except ValueError as error:
        yield f"has an object key that cannot be held: {error}"


def _of_signal(signal: SignalConfig, places: Mapping[str, int]) -> Iterator[str]:
    if not signal.name:
        yield "waits for a signal without a name; give signal_name"
    if signal.timeout_ms is not None:
        yield from _of_timeout(signal.timeout_ms, ", or leave it out to wait for ever")
    if signal.on_timeout is None:
        return
    if signal.timeout_ms is None:
        yield f"goes to {signal.on_timeout!r} on a timeout that never comes; give timeout_ms"
    if signal.on_timeout not in places:
        yield f"goes to {signal.on_timeout!r} on timeout, which is no step; define it"


def _of_timer(timer: TimerConfig) -> Iterator[str]:
    if not timer.key:
        yield "needs a timer_key"
    if timer.max_retries is not None and timer.max_retries < 0:
        yield f"has max_retries={timer.max_retries}; give 0 or more"
    if (timer.delay_ms is None) == (timer.cron_expr is None):
        yield "takes exactly one of delay_ms and cron_expr"
        return
    try:
        moment_after(timer.delay_ms, cron=timer.cron_expr, tz=timer.tz)
    except ValueError as error:
        yield f"cannot wait: {error}"


def _circles(flow: FlowDefinition) -> Iterator[str]:
    """Find a timeout that leads back to the wait it ends."""
    before = {step.name: set(step.dependencies) for step in flow.steps}
    for step in flow.steps:
        if step.signal is not None and step.signal.on_timeout is not None:
            before[step.signal.on_timeout].add(step.name)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        yield f"step {circle[0]!r} would wait for itself: {' -> '.join(circle)}; send on_timeout elsewhere"
