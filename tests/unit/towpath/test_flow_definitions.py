"""Flows as they are written down: what is refused, how they become JSON, how they are registered."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from towpath.components import REGISTRY, ComponentType
from towpath.context import Context
from towpath.errors import RegistrationError
from towpath.workflows import (
    FlowDefinition,
    SignalConfig,
    StepType,
    TimerConfig,
    WorkflowStep,
    get_registered_workflows,
    register_workflow,
    task_step,
    wait_signal_step,
    wait_timer_step,
    workflow,
)


def task(name: str, *dependencies: str, **said: Any) -> WorkflowStep:
    known: dict[str, Any] = {
        "service_name": "service",
        "handler_name": f"do_{name}",
        "dependencies": list(dependencies),
    }
    return task_step(name, **{**known, **said})


# --- What is refused --------------------------------------------------------------------------------

REFUSED: dict[str, tuple[list[WorkflowStep], str]] = {
    "no steps": ([], "it has no steps"),
    "a name twice": ([task("a"), task("a")], "step 'a' is there 2 times"),
    "no name": ([task("")], "step '' needs a name"),
    "a separator in the name": ([task("a/b")], "step 'a/b' needs a name, without '/'"),
    "a missing dependency": ([task("b", "a")], "step 'b' depends on 'a', which is no step"),
    "a later dependency": (
        [task("b", "a"), task("a")],
        "step 'b' depends on 'a', which does not come before it",
    ),
    "itself as dependency": ([task("a", "a")], "step 'a' depends on 'a', which does not come before it"),
    "a task without service": (
        [WorkflowStep("a", handler_name="h")],
        "step 'a' is a task step and needs service_name",
    ),
    "a task without handler": (
        [WorkflowStep("a", service_name="s")],
        "step 'a' is a task step and needs handler_name",
    ),
    "a wait without signal": (
        [WorkflowStep("a", StepType.WAIT_SIGNAL)],
        "step 'a' is a wait_signal step and needs signal",
    ),
    "a wait without timer": (
        [WorkflowStep("a", StepType.WAIT_TIMER)],
        "step 'a' is a wait_timer step and needs timer",
    ),
    "a handler of a wait": (
        [WorkflowStep("a", StepType.WAIT_TIMER, handler_name="h", timer=TimerConfig("k", 1))],
        "step 'a' is a wait_timer step and has no use for handler_name",
    ),
    "a nameless signal": (
        [wait_signal_step("a", signal_name="")],
        "step 'a' waits for a signal without a name",
    ),
    "no time at all": ([wait_signal_step("a", signal_name="s", timeout_ms=0)], "step 'a' has timeout_ms=0"),
    "a timeout that never comes": (
        [wait_signal_step("a", signal_name="s", on_timeout="b"), task("b")],
        "step 'a' goes to 'b' on a timeout that never comes; give timeout_ms",
    ),
    "a timeout to nowhere": (
        [wait_signal_step("a", signal_name="s", timeout_ms=1, on_timeout="b")],
        "step 'a' goes to 'b' on timeout, which is no step",
    ),
    "a timeout to itself": (
        [wait_signal_step("a", signal_name="s", timeout_ms=1, on_timeout="a")],
        "step 'a' would wait for itself",
    ),
    "a timeout back to what the wait depends on": (
        [task("b"), wait_signal_step("a", signal_name="s", timeout_ms=1, on_timeout="b", dependencies=["b"])],
        "would wait for itself: (a -> b -> a|b -> a -> b)",
    ),
    "a timer without a key": ([wait_timer_step("a", timer_key="", delay_ms=1)], "step 'a' needs a timer_key"),
    "a timer without a moment": ([wait_timer_step("a", timer_key="k")], "step 'a' takes exactly one of"),
    "a timer with two moments": (
        [wait_timer_step("a", timer_key="k", delay_ms=1, cron_expr="* * * * *")],
        "step 'a' takes exactly one of delay_ms and cron_expr",
    ),
    "a cron that cannot be read": (
        [wait_timer_step("a", timer_key="k", cron_expr="at noon")],
        "step 'a' cannot wait: cron 'at noon' cannot be read",
    ),
    "a zone that does not exist": (
        [wait_timer_step("a", timer_key="k", cron_expr="0 2 * * *", tz="Mars/Olympus")],
        "step 'a' cannot wait: tz 'Mars/Olympus' is no time zone",
    ),
    "a time before now": (
        [wait_timer_step("a", timer_key="k", delay_ms=-1)],
        "step 'a' cannot wait: delay_ms is -1",
    ),
    "fewer retries than none": (
        [wait_timer_step("a", timer_key="k", delay_ms=1, max_retries=-1)],
        "step 'a' has max_retries=-1",
    ),
    "no attempt": ([task("a", retries=0)], "step 'a' has retries=0"),
    "a call without time": ([task("a", timeout_ms=0)], "step 'a' has timeout_ms=0"),
    "a call without end": (
        [task("a", timeout_ms=1e30)],
        "step 'a' has timeout_ms=1e[+]30; give more than 0 and no",
    ),
    "a call beyond all time": ([task("a", timeout_ms=10**400)], "step 'a' has timeout_ms=10000"),
    "a wait without end": (
        [wait_signal_step("a", signal_name="s", timeout_ms=1e30)],
        "step 'a' has timeout_ms=1e[+]30; give more than 0 and no more than a century, or leave it out to wait for ever",
    ),
    "an object without a key": (
        [task("a", "b", object_keys=["k", ""])],
        "depends on 'b', which is no step; .*step 'a' has an object key that cannot be held: ",
    ),
    "a reserved name": ([task("a", input_data={"deps": 1})], "step 'a' has 'deps' in its input_data"),
    "what JSON cannot carry": ([task("a", input_data={"x": b""})], "step 'a': input_data.x: bytes"),
    "another type": (
        [task("b"), task("a", timeout_ms="5")],
        r"step 'a': timeout_ms: Input should be a valid number",
    ),
    "another type inside": ([wait_signal_step("a", signal_name=5)], "step 'a': signal.name: Input should be"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("steps", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_flow_that_cannot_run_is_refused_with_the_step_and_the_reason(
    steps: list[WorkflowStep], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        register_workflow("flow", FlowDefinition(steps))

    assert get_registered_workflows() == {}


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"workflow 'flow' cannot run: step 'a' .*; step 'b' "):
        register_workflow("flow", FlowDefinition([task("a", "x"), task("b", "y")]))


def test_a_text_in_place_of_a_list_of_names_is_refused() -> None:
    with pytest.raises(
        ValueError, match="step 'b': dependencies is the text 'extract'; give a list of names"
    ):
        task_step("b", service_name="s", handler_name="h", dependencies="extract")


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="step number 2 is 'load'; make it with task_step"):
        FlowDefinition([task("a"), "load"])  # type: ignore[list-item]


def test_a_timeout_may_lead_to_a_step_before_or_behind_the_wait_even_to_one_that_depends_on_it() -> None:
    flow = FlowDefinition(
        [
            task("before"),
            wait_signal_step("w1", signal_name="s", timeout_ms=1, on_timeout="before"),
            wait_signal_step("w2", signal_name="s", timeout_ms=1, on_timeout="behind"),
            task("behind", "w2"),
        ]
    )

    register_workflow("flow", flow)

    assert get_registered_workflows() == {"flow": flow}


# --- JSON -------------------------------------------------------------------------------------------


def test_a_flow_is_written_with_what_it_says_and_nothing_else() -> None:
    flow = FlowDefinition(
        [
            task("a", input_data={"size": 100}, object_keys=["user:123"]),
            wait_signal_step("b", signal_name="go", dependencies=["a"], timeout_ms=5000, on_timeout="d"),
            wait_timer_step("c", timer_key="nightly", cron_expr="0 2 * * *", max_retries=3),
            task("d"),
        ]
    )

    assert json.loads(flow.to_json()) == flow.to_dict()
    assert flow.to_dict()["steps"] == [
        {
            "name": "a",
            "type": "task",
            "service_name": "service",
            "handler_name": "do_a",
            "object_keys": ["user:123"],
            "input_data": {"size": 100},
        },
        {
            "name": "b",
            "type": "wait_signal",
            "dependencies": ["a"],
            "signal": {"name": "go", "timeout_ms": 5000, "on_timeout": "d"},
        },
        {
            "name": "c",
            "type": "wait_timer",
            "timer": {"key": "nightly", "cron_expr": "0 2 * * *", "max_retries": 3},
        },
        {"name": "d", "type": "task", "service_name": "service", "handler_name": "do_d"},
    ]


names = st.text(min_size=1, max_size=8)
some_names = st.lists(names, max_size=3)
numbers = st.none() | st.integers(1, 10**9)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
any_step = st.builds(
    WorkflowStep,
    names,
    st.sampled_from(StepType),
    st.none() | names,
    st.none() | names,
    some_names,
    some_names,
    st.none() | st.dictionaries(names, values, max_size=3),
    numbers,
    numbers,
    st.none() | st.builds(SignalConfig, names, numbers, st.none() | names),
    st.none() | st.builds(TimerConfig, names, numbers, st.none() | names, numbers, names),
)


@settings(deadline=None)
@given(st.lists(any_step, max_size=4).map(FlowDefinition))
def test_what_was_written_is_read_again(flow: FlowDefinition) -> None:
    assert FlowDefinition.from_dict(flow.to_dict()) == flow
    assert FlowDefinition.from_json(flow.to_json()) == flow


def test_a_task_need_not_say_that_it_is_one() -> None:
    written = {"steps": [{"name": "a", "service_name": "service", "handler_name": "do_a"}]}

    assert FlowDefinition.from_dict(written) == FlowDefinition([task("a")])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "it is no JSON"),
        ("[]", "the value itself: "),
        ("{}", "steps: Field required"),
        (
            '{"steps": [{"name": "a", "type": "tasks"}]}',
            "step 'a': type: Input should be 'task', 'wait_signal'",
        ),
        ('{"steps": [{"name": "a", "retry": 3}]}', "step 'a': retry: "),
        ('{"steps": [{"name": "a"}, {"retries": 3}]}', "step 1: name: "),
        ('{"steps": [5]}', "steps.0: "),
    ],
)
def test_what_is_no_flow_is_refused_with_step_and_field(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"no flow: {reason}"):
        FlowDefinition.from_json(text)


# --- Registering ------------------------------------------------------------------------------------


def by_hand(factory: Callable[[], FlowDefinition]) -> Callable[[], FlowDefinition]:
    register_workflow("b", factory)
    return factory


SPELLINGS: dict[str, tuple[Any, str]] = {
    "bare": (workflow, "a_flow"),
    "called": (workflow(), "a_flow"),
    "named": (workflow("b"), "b"),
    "by keyword": (workflow(name="b"), "b"),
    "by hand": (by_hand, "b"),
}


@pytest.mark.parametrize(("decorate", "name"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_factory_of_a_flow_is_a_workflow_and_stays_a_factory(
    decorate: Callable[[Any], Any], name: str
) -> None:
    def a_flow() -> FlowDefinition:
        """Does one thing.

        And no other.
        """
        return FlowDefinition([task("a")])

    assert decorate(a_flow) is a_flow
    assert get_registered_workflows() == {name: a_flow()}
    component = REGISTRY.find(ComponentType.WORKFLOW, name)
    assert component is not None
    assert component.description == "Does one thing."


def test_a_factory_is_asked_once_when_it_is_decorated() -> None:
    asked: list[str] = []

    @workflow
    def flow():
        asked.append("now")
        return FlowDefinition([task("a")])

    assert asked == ["now"]


def test_a_flow_that_cannot_run_is_refused_where_it_is_decorated() -> None:
    with pytest.raises(ValueError, match="workflow 'broken' cannot run: step 'b' depends on 'a'"):

        @workflow
        def broken() -> FlowDefinition:
            return FlowDefinition([task("b", "a")])


def test_workflows_that_are_code_are_listed_as_their_functions() -> None:
    @workflow
    async def code(ctx: Context) -> None: ...

    flow = FlowDefinition([task("a")])
    register_workflow("flow", flow)

    assert get_registered_workflows() == {"code": code, "flow": flow}


def test_the_same_flow_may_be_registered_again_but_no_other_under_its_name() -> None:
    flow = FlowDefinition([task("a")])
    register_workflow("flow", flow)
    register_workflow("flow", flow)

    with pytest.raises(RegistrationError, match="a workflow named 'flow' is registered already"):
        register_workflow("flow", FlowDefinition([task("a")]))


def test_a_workflow_needs_a_name() -> None:
    with pytest.raises(ValueError, match="a name is text of 1 to"):
        register_workflow("", FlowDefinition([task("a")]))


def test_what_is_neither_code_nor_the_factory_of_a_flow_is_refused_and_not_called() -> None:
    def job() -> None:
        raise AssertionError("called")

    async def no_context() -> FlowDefinition:
        raise AssertionError("called")

    def with_parameter(size: int = 1) -> FlowDefinition:
        raise AssertionError("called")

    for body in (job, no_context, with_parameter):
        with pytest.raises(TypeError, match=rf"{body.__name__} is no workflow: .* -> FlowDefinition"):
            workflow(body)


def test_a_factory_that_returns_something_else_is_refused() -> None:
    def factory():
        return [task("a")]

    with pytest.raises(TypeError, match="factory is no workflow"):
        workflow(factory)
