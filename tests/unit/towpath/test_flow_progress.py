"""Which steps of a flow run and which are skipped, whatever the order in which they end."""

from random import Random

from hypothesis import given, settings, strategies as st

from towpath.errors import RegistrationError
from towpath.flows.definition import FlowDefinition, WorkflowStep
from towpath.flows.progress import Plan, Progress, State
from towpath.flows.steps import task_step, wait_signal_step
from towpath.flows.validation import check_flow


def task(name: str, *dependencies: str, keys: tuple[str, ...] = ()) -> WorkflowStep:
    return task_step(
        name, service_name="s", handler_name="h", dependencies=list(dependencies), object_keys=list(keys)
    )


def wait(name: str, *dependencies: str, on_timeout: str | None = None) -> WorkflowStep:
    return wait_signal_step(
        name,
        signal_name="s",
        dependencies=list(dependencies),
        timeout_ms=1 if on_timeout else None,
        on_timeout=on_timeout,
    )


def run(flow: FlowDefinition, *timed_out: str, order: Random | None = None) -> Progress:
    """Run a flow in which the waits `timed_out` wait in vain; look at every moment whether all is as it must be."""
    progress = Progress(Plan(flow))
    running: list[WorkflowStep] = []
    while begun := progress.begin() or running:
        if begun is not running:
            running += begun
            check(progress, begun, running)
        step = running.pop(order.randrange(len(running)) if order else 0)
        if step.name in timed_out:
            progress.time_out(step)
        else:
            progress.complete(step, step.name)
    return progress


def check(progress: Progress, begun: list[WorkflowStep], running: list[WorkflowStep]) -> None:
    for step in begun:
        assert all(progress.state(name) in (State.COMPLETED, State.SKIPPED) for name in step.dependencies)
    held = [key for step in running for key in set(step.object_keys)]
    assert len(held) == len(set(held))


def states(flow: FlowDefinition, progress: Progress) -> dict[str, State]:
    return {step.name: progress.state(step.name) for step in flow.steps}


def completed(flow: FlowDefinition, *timed_out: str) -> list[str]:
    return list(run(flow, *timed_out).result())


def test_steps_begin_together_as_soon_as_nothing_holds_them_up() -> None:
    flow = FlowDefinition([task("a"), task("b"), task("c", "a"), task("d", "a", "b"), task("e", "c")])
    progress = Progress(Plan(flow))

    a, b = progress.begin()
    assert progress.begin() == []
    progress.complete(b, 2)
    assert progress.begin() == []
    progress.complete(a, 1)
    assert [step.name for step in progress.begin()] == ["c", "d"]
    assert progress.deps(flow.steps[3]) == {"a": 1, "b": 2}
    assert progress.state("e") is State.WAITING


def test_a_step_that_a_timeout_leads_to_runs_only_if_it_was_reached() -> None:
    flow = FlowDefinition(
        [wait("ask", on_timeout="escalate"), task("escalate"), task("go_on", "ask", "escalate")]
    )

    assert completed(flow) == ["ask", "go_on"]
    assert completed(flow, "ask") == ["escalate", "go_on"]


def test_what_depends_on_nothing_but_skipped_steps_is_skipped() -> None:
    flow = FlowDefinition(
        [
            wait("ask", on_timeout="escalate"),
            task("escalate"),
            task("report", "escalate"),
            task("file", "report"),
            task("thank", "ask"),
        ]
    )

    assert completed(flow) == ["ask", "thank"]
    assert completed(flow, "ask") == ["escalate", "report", "file"]


def test_one_of_several_timeouts_is_enough() -> None:
    flow = FlowDefinition([wait("a", on_timeout="help"), wait("b", on_timeout="help"), task("help")])

    assert completed(flow) == ["a", "b"]
    assert completed(flow, "b") == ["a", "help"]
    assert completed(flow, "a", "b") == ["help"]


def test_a_step_that_a_timeout_leads_to_may_depend_on_the_wait_and_on_others() -> None:
    flow = FlowDefinition([task("prepare"), wait("ask", on_timeout="help"), task("help", "prepare", "ask")])

    assert completed(flow) == ["prepare", "ask"]
    assert completed(flow, "ask") == ["prepare", "help"]


def test_a_timeout_leads_nowhere_where_its_wait_was_skipped() -> None:
    flow = FlowDefinition(
        [
            wait("first", on_timeout="second"),
            wait("second", on_timeout="third"),
            task("third"),
            task("end", "first", "second", "third"),
        ]
    )

    assert completed(flow) == ["first", "end"]
    assert completed(flow, "first") == ["second", "end"]
    assert completed(flow, "first", "second") == ["third", "end"]


def test_steps_with_a_common_object_key_run_one_after_the_other_as_they_are_defined() -> None:
    flow = FlowDefinition(
        [task("a", keys=("x", "y")), task("b", keys=("y",)), task("c"), task("d", keys=("y",))]
    )
    progress = Progress(Plan(flow))

    assert [step.name for step in progress.begin()] == ["a", "c"]
    progress.complete(flow.steps[0], None)
    assert [step.name for step in progress.begin()] == ["b"]
    progress.complete(flow.steps[1], None)
    assert [step.name for step in progress.begin()] == ["d"]


def test_the_result_is_in_the_order_of_the_definition() -> None:
    flow = FlowDefinition([task("a"), task("b")])
    progress = Progress(Plan(flow))

    for step in reversed(progress.begin()):
        progress.complete(step, step.name.upper())

    assert list(progress.result().items()) == [("a", "A"), ("b", "B")]


# --- Any flow -----------------------------------------------------------------------------------------


@st.composite
def flows(draw: st.DrawFn) -> FlowDefinition:
    """Draw a flow that can run."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 9)))]
    steps: list[WorkflowStep] = []
    for number, name in enumerate(names):
        dependencies = draw(st.lists(st.sampled_from(names[:number]), max_size=3)) if number else []
        if draw(st.booleans()):
            target = draw(st.none() | st.sampled_from(names))
            step = wait(name, *dependencies, on_timeout=target)
        else:
            keys = draw(st.lists(st.sampled_from("xyz"), max_size=2))
            step = task(name, *dependencies, keys=tuple(keys))
        steps.append(step if runs([*steps, step], names) else task(name, *dependencies))
    return FlowDefinition(steps)


def runs(steps: list[WorkflowStep], names: list[str]) -> bool:
    """Tell whether these and simple steps for the rest would be a flow: all that can be wrong is a circle."""
    rest = [task(name) for name in names[len(steps) :]]
    try:
        check_flow("flow", FlowDefinition([*steps, *rest]))
    except RegistrationError:
        return False
    return True


def expected(flow: FlowDefinition, timed_out: set[str]) -> dict[str, State]:
    """Say by the rules alone which steps are completed, and which skipped."""
    known: dict[str, State] = {}

    def state_of(step: WorkflowStep) -> State:
        if step.name not in known:
            known[step.name] = (
                State.COMPLETED if is_run(step) and step.name not in timed_out else State.SKIPPED
            )
        return known[step.name]

    def is_run(step: WorkflowStep) -> bool:
        waits = [one for one in flow.steps if one.signal and one.signal.on_timeout == step.name]
        if waits:
            return any(one.name in timed_out and is_run(one) for one in waits)
        dependencies = [one for one in flow.steps if one.name in step.dependencies]
        return not dependencies or any(state_of(one) is State.COMPLETED for one in dependencies)

    return {step.name: state_of(step) for step in flow.steps}


@settings(deadline=None)
@given(flows(), st.data())
def test_every_flow_ends_as_its_timeouts_say_in_whatever_order_its_steps_end(
    flow: FlowDefinition, data: st.DataObject
) -> None:
    may_time_out = [step.name for step in flow.steps if step.signal and step.signal.on_timeout]
    timed_out = set(data.draw(st.lists(st.sampled_from(may_time_out)))) if may_time_out else set[str]()

    for order in data.draw(st.lists(st.integers(0, 2**32), min_size=1, max_size=3)):
        ended = run(flow, *timed_out, order=Random(order))  # noqa: S311 - repeatable, not secret

        assert states(flow, ended) == expected(flow, timed_out)
