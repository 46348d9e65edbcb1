"""The samples about workflows in the documentation of agnt5, as they are written there: only imports are others.

What a sample leaves out (`...`) is filled in.
"""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# ruff: noqa: T201

import asyncio
from datetime import UTC, datetime

import pytest

from towpath import (
    FlowDefinition,
    SignalConfig,
    StepType,
    TimerConfig,
    WorkflowStep,
    function,
    get_registered_workflows,
    register_workflow,
    task_step,
    wait_signal_step,
    wait_timer_step,
    workflow,
)
from towpath.local import run
from towpath.testing import VirtualPlatform

# --- Basic workflow ---------------------------------------------------------------------------------


async def test_simple_sequential_workflow() -> None:
    @workflow()
    def data_pipeline() -> FlowDefinition:
        return FlowDefinition(
            [
                task_step(name="extract", service_name="etl-service", handler_name="extract_data"),
                task_step(
                    name="transform",
                    service_name="etl-service",
                    handler_name="transform_data",
                    dependencies=["extract"],
                ),
                task_step(
                    name="load",
                    service_name="etl-service",
                    handler_name="load_data",
                    dependencies=["transform"],
                ),
            ]
        )

    @function
    async def extract_data(ctx, request: dict) -> list:
        return [request["input"]["source"], "row"]

    @function
    async def transform_data(ctx, deps: dict) -> list:
        return [row.upper() for row in deps["extract"]]

    @function
    async def load_data(ctx) -> int:
        return len(ctx.deps["transform"])

    result = await run("data_pipeline", {"source": "test_data"})

    assert result == {"extract": ["test_data", "row"], "transform": ["TEST_DATA", "ROW"], "load": 2}
    _ = data_pipeline, extract_data, transform_data, load_data


async def test_parallel_execution() -> None:
    @workflow()
    def parallel_processing() -> FlowDefinition:
        return FlowDefinition(
            [
                # These three steps run in parallel
                task_step(name="process_a", service_name="service", handler_name="process_type_a"),
                task_step(name="process_b", service_name="service", handler_name="process_type_b"),
                task_step(name="process_c", service_name="service", handler_name="process_type_c"),
                # This step waits for all three to complete
                task_step(
                    name="merge_results",
                    service_name="service",
                    handler_name="merge_results",
                    dependencies=["process_a", "process_b", "process_c"],
                ),
            ]
        )

    all_at_work = asyncio.Barrier(3)

    async def process() -> int:
        return await asyncio.wait_for(all_at_work.wait(), 5)

    for kind in "abc":
        function(f"process_type_{kind}")(process)

    @function
    async def merge_results(deps: dict) -> list:
        return sorted(deps.values())

    assert (await run(parallel_processing))["merge_results"] == [0, 1, 2]
    _ = merge_results


# --- Step types -------------------------------------------------------------------------------------


def test_task_steps() -> None:
    # Basic task step
    step = task_step(name="unique_step_name", service_name="my-service", handler_name="my_handler")
    assert step == WorkflowStep("unique_step_name", service_name="my-service", handler_name="my_handler")

    # Task with dependencies and input data
    step = task_step(
        name="dependent_step",
        service_name="my-service",
        handler_name="process_data",
        dependencies=["previous_step"],
        input_data={"config": "production", "batch_size": 100},
    )
    assert step == WorkflowStep(
        "dependent_step",
        service_name="my-service",
        handler_name="process_data",
        dependencies=["previous_step"],
        input_data={"config": "production", "batch_size": 100},
    )

    # Task with object keys (Phase 2)
    step = task_step(
        name="object_step",
        service_name="object-service",
        handler_name="update_state",
        dependencies=["init_step"],
        object_keys=["user:123", "cart:456"],
    )
    assert step == WorkflowStep(
        "object_step",
        service_name="object-service",
        handler_name="update_state",
        dependencies=["init_step"],
        object_keys=["user:123", "cart:456"],
    )


async def test_a_task_step_with_input_data_and_object_keys_runs() -> None:
    step = task_step(
        name="dependent_step",
        service_name="my-service",
        handler_name="process_data",
        input_data={"config": "production", "batch_size": 100},
        object_keys=["user:123", "cart:456"],
    )

    @function
    def process_data(config: str, batch_size: int) -> str:
        return f"{config} {batch_size}"

    register_workflow("inputs", FlowDefinition([step]))

    assert await run("inputs") == {"dependent_step": "production 100"}
    _ = process_data


def test_wait_signal_steps() -> None:
    # Basic signal wait
    step = wait_signal_step(
        name="wait_for_approval", signal_name="approval_granted", dependencies=["review_step"]
    )
    assert step == WorkflowStep(
        "wait_for_approval",
        StepType.WAIT_SIGNAL,
        signal=SignalConfig("approval_granted"),
        dependencies=["review_step"],
    )

    # Signal wait with timeout
    step = wait_signal_step(
        name="wait_with_timeout",
        signal_name="user_action",
        dependencies=["prompt_user"],
        timeout_ms=300000,  # 5 minutes
        on_timeout="timeout_handler_step",
    )
    assert step == WorkflowStep(
        "wait_with_timeout",
        StepType.WAIT_SIGNAL,
        signal=SignalConfig("user_action", 300000, "timeout_handler_step"),
        dependencies=["prompt_user"],
    )


def test_wait_timer_steps() -> None:
    # Fixed delay
    step = wait_timer_step(
        name="delay_before_retry",
        timer_key="retry_delay",
        delay_ms=30000,  # 30 seconds
        dependencies=["failed_step"],
    )
    assert step == WorkflowStep(
        "delay_before_retry",
        StepType.WAIT_TIMER,
        timer=TimerConfig("retry_delay", delay_ms=30000),
        dependencies=["failed_step"],
    )

    # Cron schedule
    step = wait_timer_step(
        name="nightly_batch",
        timer_key="nightly",
        cron_expr="0 2 * * *",  # 2 AM daily
        dependencies=["prep_step"],
    )
    assert step == WorkflowStep(
        "nightly_batch",
        StepType.WAIT_TIMER,
        timer=TimerConfig("nightly", cron_expr="0 2 * * *"),
        dependencies=["prep_step"],
    )

    # Timer with retries
    step = wait_timer_step(
        name="retry_with_backoff",
        timer_key="exponential_backoff",
        delay_ms=5000,
        max_retries=3,
        dependencies=["error_step"],
    )
    assert step == WorkflowStep(
        "retry_with_backoff",
        StepType.WAIT_TIMER,
        timer=TimerConfig("exponential_backoff", delay_ms=5000, max_retries=3),
        dependencies=["error_step"],
    )


# --- Workflow registration --------------------------------------------------------------------------


def test_using_the_decorator(capsys: pytest.CaptureFixture[str]) -> None:
    @workflow()
    def my_workflow() -> FlowDefinition:
        return FlowDefinition([task_step("step", service_name="svc", handler_name="h")])

    @workflow("custom_name")
    def workflow_with_custom_name() -> FlowDefinition:
        return FlowDefinition([task_step("step", service_name="svc", handler_name="h")])

    # Inspect registered workflows
    workflows = get_registered_workflows()
    print(f"Registered workflows: {list(workflows.keys())}")

    assert capsys.readouterr().out == "Registered workflows: ['my_workflow', 'custom_name']\n"
    assert workflows["custom_name"] == workflow_with_custom_name() == my_workflow()


def test_manual_registration() -> None:
    def create_workflow_definition() -> FlowDefinition:
        return FlowDefinition(
            [
                task_step("step1", service_name="service", handler_name="handler1"),
                task_step("step2", service_name="service", handler_name="handler2", dependencies=["step1"]),
            ]
        )

    # Manual registration
    register_workflow("manual_workflow", create_workflow_definition())

    assert get_registered_workflows() == {"manual_workflow": create_workflow_definition()}


# --- Workflow data classes --------------------------------------------------------------------------


def test_flow_definition() -> None:
    # Create definition
    flow = FlowDefinition(
        [
            task_step("step1", service_name="svc", handler_name="h1"),
            task_step("step2", service_name="svc", handler_name="h2", dependencies=["step1"]),
        ]
    )

    # Serialize to dictionary
    flow_dict = flow.to_dict()

    # Serialize to JSON string
    flow_json = flow.to_json()

    assert FlowDefinition.from_dict(flow_dict) == FlowDefinition.from_json(flow_json) == flow


async def test_workflow_step(platform: VirtualPlatform) -> None:
    # Manual step creation (usually use helper functions instead)
    step = WorkflowStep(
        name="custom_step",
        step_type=StepType.TASK,
        service_name="my-service",
        handler_name="my_handler",
        dependencies=["previous_step"],
        input_data={"key": "value"},
    )

    @function
    async def first() -> str:
        return "from"

    @function
    async def my_handler(key: str, deps: dict) -> str:
        return f"{deps['previous_step']} {key}"

    previous = WorkflowStep(name="previous_step", service_name="my-service", handler_name="first")
    register_workflow("by_hand", FlowDefinition([previous, step]))

    assert await platform.run("by_hand") == {"previous_step": "from", "custom_step": "from value"}
    _ = first, my_handler


async def test_configuration_classes() -> None:
    # Signal configuration
    signal_config = SignalConfig(
        name="approval_signal",
        timeout_ms=3600000,  # 1 hour
        on_timeout="timeout_step",
    )

    # Timer configuration
    timer_config = TimerConfig(
        key="batch_timer",
        delay_ms=60000,  # 1 minute
        max_retries=5,
    )

    # Cron timer configuration
    cron_timer = TimerConfig(
        key="daily_job",
        cron_expr="0 0 * * *",  # Daily at midnight
        max_retries=3,
    )

    flow = FlowDefinition(
        [
            WorkflowStep("a", StepType.WAIT_SIGNAL, signal=signal_config),
            WorkflowStep("b", StepType.WAIT_TIMER, timer=timer_config),
            WorkflowStep("c", StepType.WAIT_TIMER, timer=cron_timer),
            task_step("timeout_step", service_name="svc", handler_name="h"),
        ]
    )
    register_workflow("configured", flow)
    assert FlowDefinition.from_json(flow.to_json()) == flow

    @function
    async def h() -> str:
        return "nobody approved"

    async with VirtualPlatform(now=datetime(2025, 3, 1, 20, tzinfo=UTC)) as platform:
        result = await platform.run("configured")
        # the cron timer is the last of the three to end: at midnight
        assert platform.now == datetime(2025, 3, 2, tzinfo=UTC)
    assert result["timeout_step"] == "nobody approved"
    _ = h


# --- Validation and error handling ------------------------------------------------------------------


def test_workflow_validation(capsys: pytest.CaptureFixture[str]) -> None:
    # This will raise ValueError: Missing dependencies
    try:
        invalid_flow = FlowDefinition(
            [
                task_step(
                    "step2", service_name="svc", handler_name="h2", dependencies=["step1"]
                ),  # step1 doesn't exist
                task_step("step3", service_name="svc", handler_name="h3", dependencies=["step2"]),
            ]
        )
        register_workflow("invalid", invalid_flow)
    except ValueError as e:
        print(f"Validation error: {e}")

    assert "Validation error: workflow 'invalid' cannot run: step 'step2'" in capsys.readouterr().out
    assert "invalid" not in get_registered_workflows()


# --- Testing workflows ------------------------------------------------------------------------------


def test_workflow_definition() -> None:
    # Test workflow structure
    flow = FlowDefinition(
        [
            task_step("extract", service_name="etl", handler_name="extract"),
            task_step("transform", service_name="etl", handler_name="transform", dependencies=["extract"]),
        ]
    )

    # Verify serialization
    flow_dict = flow.to_dict()
    assert len(flow_dict["steps"]) == 2
    assert flow_dict["steps"][1]["dependencies"] == ["extract"]


def test_workflow_registration() -> None:
    @workflow()
    def test_workflow() -> FlowDefinition:
        return FlowDefinition([task_step("test_step", service_name="test", handler_name="test")])

    # Verify registration
    workflows = get_registered_workflows()
    assert "test_workflow" in workflows
    _ = test_workflow
