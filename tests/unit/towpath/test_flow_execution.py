"""Flows on the durable engine and in plain scripts: what runs when, and what is told to whom."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from towpath import function
from towpath.components import REGISTRY
from towpath.errors import ComponentError, StepFailedError, StepTimeoutError
from towpath.local import run
from towpath.workflows import (
    FlowDefinition,
    WorkflowStep,
    register_workflow,
    task_step,
    wait_signal_step,
    wait_timer_step,
)
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallSettled, JournalRecord
from towpath_testkit.by_hand import RunByHand
from towpath_testkit.settled import until_so

TWO_AM = datetime(2025, 3, 1, 2, tzinfo=UTC)
FAILED = Failure(code="user_error", message="no paper")


def task(name: str, *dependencies: str, **said: Any) -> WorkflowStep:
    return task_step(
        name, service_name="printing", handler_name=f"do_{name}", dependencies=list(dependencies), **said
    )


@pytest.fixture
def start() -> Iterator["Start"]:
    """Start a flow; the records of a journal, if they are given, are what it did before."""
    runs: list[RunByHand] = []

    def begin(*steps: WorkflowStep, past: Sequence[JournalRecord] = ()) -> RunByHand:
        REGISTRY.clear()
        register_workflow("flow", FlowDefinition(steps))
        runs.append(RunByHand("flow", *past, now=TWO_AM))
        return runs[-1]

    yield begin
    for one in runs:
        one.stop()


Start = Callable[..., RunByHand]


# --- Order ------------------------------------------------------------------------------------------


async def test_steps_run_at_the_same_time_and_others_as_soon_as_those_they_depend_on_have_ended(
    start: Start,
) -> None:
    flow = start(task("a"), task("b"), task("c", "a"), task("d", "a", "b"))

    assert await flow.waits_for() == ["do_a", "do_b"]
    await flow.answer("do_a", 1)
    assert await flow.waits_for() == ["do_b", "do_c"]
    await flow.answer("do_b", 2)
    assert await flow.waits_for() == ["do_c", "do_d"]
    await flow.answer("do_d", 4)
    await flow.answer("do_c", 3)

    assert (await flow.ended()).result == {"a": 1, "b": 2, "c": 3, "d": 4}


async def test_a_handler_is_given_what_the_step_says_the_runs_input_and_the_outputs_it_depends_on(
    start: Start,
) -> None:
    flow = start(task("a"), task("b"), task("c", "a", input_data={"size": 100}))

    assert await flow.waits_for() == ["do_a", "do_b"]
    await flow.answer("do_a", [1, 2])
    await flow.waits_for()

    assert flow.asked("do_a").input == {"input": {"name": "Ada"}, "deps": {}}
    assert flow.asked("do_c").input == {"size": 100, "input": {"name": "Ada"}, "deps": {"a": [1, 2]}}
    assert flow.asked("do_c").service == "printing"


async def test_a_call_takes_no_longer_and_is_made_no_oftener_than_its_step_says(start: Start) -> None:
    flow = start(task("a", timeout_ms=60_000, retries=2))

    await flow.waits_for()
    assert flow.asked("do_a").until == TWO_AM.timestamp() + 60
    await flow.answer("do_a", failure=FAILED)
    await until_so(lambda: len(flow.sent) > 1)
    await flow.answer("do_a", failure=FAILED)

    assert (await flow.ended()).end == "failed"


async def test_a_step_is_found_again_in_the_journal_by_its_name(start: Start) -> None:
    flow = start(task("a"), wait_signal_step("b", signal_name="go"))

    await flow.waits_for()

    assert [one.key for one in flow.sent] == ["~a/task:do_a#0", "~b/signal:go#0"]


# --- Waiting ----------------------------------------------------------------------------------------


async def test_a_signal_is_the_output_of_the_step_that_waited_for_it(start: Start) -> None:
    flow = start(wait_signal_step("wait", signal_name="go"), task("then", "wait"))

    assert await flow.waits_for() == ["go"]
    await flow.signal("go", {"by": "ada"})
    assert await flow.waits_for() == ["do_then"]

    assert flow.asked("do_then").input["deps"] == {"wait": {"by": "ada"}}


async def test_a_signal_that_came_before_the_step_began_counts(start: Start) -> None:
    flow = start(task("a"), wait_signal_step("wait", signal_name="go", dependencies=["a"]))

    await flow.waits_for()
    await flow.signal("go", 5)
    await flow.answer("do_a")

    assert (await flow.ended()).result == {"a": None, "wait": 5}


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ({"delay_ms": 30_000}, datetime(2025, 3, 1, 2, 0, 30, tzinfo=UTC)),
        ({"cron_expr": "0 2 * * *"}, datetime(2025, 3, 2, 2, tzinfo=UTC)),
        ({"cron_expr": "0 4 * * *", "tz": "Europe/Amsterdam"}, datetime(2025, 3, 1, 3, tzinfo=UTC)),
    ],
)
async def test_a_timer_is_waited_for_once(start: Start, said: dict[str, Any], until: datetime) -> None:
    flow = start(wait_timer_step("wait", timer_key="k", **said), task("then", "wait"))

    assert await flow.waits_for() == ["timer"]
    assert flow.asked("timer").until == until.timestamp()
    await flow.wait_out("timer")

    assert await flow.waits_for() == ["do_then"]


@pytest.mark.parametrize("max_retries", [None, 0, 2])
async def test_a_timer_that_could_not_be_set_is_set_again_as_often_as_the_step_says(
    start: Start, max_retries: int | None
) -> None:
    steps = (task("a"), wait_timer_step("wait", timer_key="k", delay_ms=30_000, max_retries=max_retries))
    flow = start(*steps)
    down = Failure(code="unavailable", message="no broker")

    for attempt in range((max_retries or 0) + 1):
        assert await flow.waits_for() == ["do_a", "timer"]
        assert flow.asked("timer").key == f"~wait/timer#{attempt}"
        await flow.answer("timer", failure=down)

    ended = await flow.ended()
    assert ended.failure == Failure(code="unavailable", message="step 'wait' failed: no broker")
    assert [one.target for one in flow.sent].count("do_a") == 1


async def test_a_wait_in_vain_that_leads_nowhere_fails_the_run(start: Start) -> None:
    flow = start(wait_signal_step("wait", signal_name="go", timeout_ms=86_400_000), task("then", "wait"))

    await flow.waits_for()
    await flow.wait_out("go")

    ended = await flow.ended()
    assert ended.failure == Failure(code="timeout", message="step 'wait' failed: no signal 'go' came in time")
    assert [one.target for one in flow.sent] == ["go"]


# --- Ending early -------------------------------------------------------------------------------------


async def test_a_step_that_fails_ends_the_run_and_names_itself(start: Start) -> None:
    flow = start(task("a"), task("b"), task("c", "a"), wait_signal_step("wait", signal_name="go"))

    await flow.waits_for()
    await flow.answer("do_a", failure=FAILED)

    ended = await flow.ended()
    assert ended.end == "failed"
    assert ended.failure == Failure(code="user_error", message="step 'a' failed: no paper")
    assert "do_c" not in [one.target for one in flow.sent]
    given_up = [one for one in flow.records if isinstance(one, CallSettled) and one.act == "signal"]
    assert [one.failure and one.failure.code for one in given_up] == ["cancelled"]


async def test_a_run_that_is_cancelled_stops_its_steps(start: Start) -> None:
    flow = start(task("a"), wait_signal_step("wait", signal_name="go"), task("b", "a"))

    await flow.waits_for()
    await flow.cancel()

    assert (await flow.ended()).end == "cancelled"
    assert [one.target for one in flow.sent] == ["do_a", "go"]


# --- Flows that change ------------------------------------------------------------------------------


async def test_a_flow_that_changed_under_a_run_is_found_out(start: Start) -> None:
    before = start(task("a"), task("b", "a"))
    await before.waits_for()
    await before.answer("do_a", 1)
    await before.waits_for()

    after = start(task("a"), task("c", "a"), past=before.records)

    ended = await after.ended()
    assert ended.failure is not None
    assert ended.failure.code == "non_determinism"
    assert "'~b/task:do_b#0'" in ended.failure.message
    assert "'~c/task:do_c#0'" in ended.failure.message


async def test_a_step_may_be_added_to_a_flow_under_its_runs(start: Start) -> None:
    before = start(task("a"), task("b", "a"))
    await before.waits_for()
    await before.answer("do_a", 1)
    await before.waits_for()

    after = start(task("new"), task("a"), task("b", "a"), past=before.records)

    assert await after.waits_for() == ["do_b", "do_new"]


# --- In a plain script --------------------------------------------------------------------------------


async def test_a_flow_of_calls_runs_in_a_plain_script() -> None:
    @function
    def extract() -> list[int]:
        return [1, 2, 3]

    @function
    def load(ctx: Any, table: str, deps: dict[str, Any]) -> str:
        assert ctx.deps == deps
        return f"{len(deps['extract'])} rows in {table}"

    register_workflow(
        "etl",
        FlowDefinition(
            [
                task_step("extract", service_name="etl", handler_name="extract"),
                wait_timer_step("pause", timer_key="k", delay_ms=1, dependencies=["extract"]),
                task_step(
                    "load",
                    service_name="etl",
                    handler_name="load",
                    dependencies=["extract", "pause"],
                    input_data={"table": "sales"},
                ),
            ]
        ),
    )

    assert await run("etl") == {"extract": [1, 2, 3], "pause": None, "load": "3 rows in sales"}


async def test_what_a_step_raises_names_the_step() -> None:
    @function(retries=1)
    def jam() -> None:
        raise ValueError("paper jam")

    register_workflow("greet", FlowDefinition([task_step("print", service_name="s", handler_name="jam")]))

    with pytest.raises(ComponentError, match="step 'print' failed: paper jam") as caught:
        await run("greet")
    assert isinstance(caught.value.__cause__, StepFailedError)
    assert caught.value.__cause__.step == "print"


def test_a_step_that_waits_in_vain_has_failed() -> None:
    assert issubclass(StepTimeoutError, StepFailedError)
