"""The workflow examples of seed A, with all of their outcomes; only imports are changed."""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from towpath import (
    FlowDefinition,
    NonRetryableError,
    function,
    register_workflow,
    task_step,
    wait_signal_step,
    wait_timer_step,
    workflow,
)
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform, crash_everywhere
from towpath_testkit.by_hand import RunByHand

EVENING = datetime(2025, 3, 1, 20, tzinfo=UTC)


# --- Workflow examples ------------------------------------------------------------------------------


async def worked(started: RunByHand) -> list[str]:
    """Do all the work there is, and return what is waited for then: signals and timers."""
    while todo := [one for one in await started.waits_for() if "_" in one and one not in SIGNALS]:
        for handler in todo:
            await started.answer(handler, f"{handler} done")
    return await started.waits_for()


SIGNALS = ("document_approved", "escalated_approval")


@workflow()
def nightly_etl() -> FlowDefinition:
    return FlowDefinition(
        [
            # Start with data validation
            task_step(
                name="validate_sources", service_name="etl-service", handler_name="validate_data_sources"
            ),
            # Extract from multiple sources in parallel
            task_step(
                name="extract_database",
                service_name="etl-service",
                handler_name="extract_from_database",
                dependencies=["validate_sources"],
            ),
            task_step(
                name="extract_api",
                service_name="etl-service",
                handler_name="extract_from_api",
                dependencies=["validate_sources"],
            ),
            task_step(
                name="extract_files",
                service_name="etl-service",
                handler_name="extract_from_files",
                dependencies=["validate_sources"],
            ),
            # Wait for all extractions to complete
            task_step(
                name="merge_extracted_data",
                service_name="etl-service",
                handler_name="merge_data",
                dependencies=["extract_database", "extract_api", "extract_files"],
            ),
            # Transform data
            task_step(
                name="clean_data",
                service_name="etl-service",
                handler_name="clean_and_normalize",
                dependencies=["merge_extracted_data"],
            ),
            task_step(
                name="enrich_data",
                service_name="etl-service",
                handler_name="enrich_with_metadata",
                dependencies=["clean_data"],
            ),
            # Wait for maintenance window
            wait_timer_step(
                name="wait_for_maintenance_window",
                timer_key="maintenance",
                cron_expr="0 3 * * *",  # 3 AM
                dependencies=["enrich_data"],
            ),
            # Load data
            task_step(
                name="load_to_warehouse",
                service_name="etl-service",
                handler_name="load_data_warehouse",
                dependencies=["wait_for_maintenance_window"],
            ),
            # Generate reports
            task_step(
                name="generate_reports",
                service_name="reporting-service",
                handler_name="generate_daily_reports",
                dependencies=["load_to_warehouse"],
            ),
        ]
    )


async def test_etl_pipeline() -> None:
    register_workflow("nightly_etl", nightly_etl)
    started = RunByHand("nightly_etl", now=EVENING)

    assert await started.waits_for() == ["validate_data_sources"]
    await started.answer("validate_data_sources")
    assert await started.waits_for() == ["extract_from_database", "extract_from_api", "extract_from_files"]
    assert await worked(started) == ["timer"]
    assert "load_data_warehouse" not in [one.target for one in started.sent]

    await started.wait_out("timer")

    assert started.now == datetime(2025, 3, 2, 3, tzinfo=UTC)
    assert await worked(started) == []
    result = (await started.ended()).result
    assert list(result) == [step.name for step in nightly_etl().steps]
    assert result["generate_reports"] == "generate_daily_reports done"


def offer(flow: FlowDefinition, **instead: Any) -> list[str]:
    """Offer the handlers of a flow's steps; return the list in which they note that they were called."""
    called: list[str] = []

    def handler(name: str) -> Any:
        async def handle(input: Any = None, deps: Any = None, priority: str = "") -> str:  # noqa: A002
            called.append(name)
            return f"{name} done"

        return handle

    for step in flow.steps:
        if step.handler_name:
            function(step.handler_name)(instead.get(step.handler_name) or handler(step.handler_name))
    return called


async def test_etl_pipeline_in_virtual_time() -> None:
    register_workflow("nightly_etl", nightly_etl)
    called = offer(nightly_etl())

    async with VirtualPlatform(now=EVENING) as platform:
        etl = await platform.start("nightly_etl")
        assert called[-1] == "enrich_with_metadata"
        assert (etl.status, etl.in_memory) == ("suspended", False)
        await platform.advance(hours=6, minutes=59)
        assert called[-1] == "enrich_with_metadata"

        await platform.advance(minutes=1)

        assert platform.now == datetime(2025, 3, 2, 3, tzinfo=UTC)
        assert called[-2:] == ["load_data_warehouse", "generate_daily_reports"]
        assert list(await etl.result()) == [step.name for step in nightly_etl().steps]


async def test_etl_pipeline_whose_source_fails() -> None:
    register_workflow("nightly_etl", nightly_etl)

    async def extract_from_api(input: Any, deps: Any) -> None:  # noqa: A002
        raise NonRetryableError("the API is gone")

    called = offer(nightly_etl(), extract_from_api=extract_from_api)

    async with VirtualPlatform(now=EVENING) as platform:
        with pytest.raises(ComponentError, match="step 'extract_api' failed: the API is gone"):
            await platform.run("nightly_etl")

    assert "merge_data" not in called


async def test_etl_pipeline_wherever_its_process_dies() -> None:
    register_workflow("nightly_etl", nightly_etl)
    offer(nightly_etl())

    survived = await crash_everywhere("nightly_etl")

    assert survived.finished.result["generate_reports"] == "generate_daily_reports done"


@workflow()
def document_approval() -> FlowDefinition:
    return FlowDefinition(
        [
            # Submit document for review
            task_step(
                name="submit_document",
                service_name="doc-service",
                handler_name="submit_for_review",
                input_data={"priority": "normal"},
            ),
            # Notify reviewers
            task_step(
                name="notify_reviewers",
                service_name="notification-service",
                handler_name="send_review_notifications",
                dependencies=["submit_document"],
            ),
            # Wait for approval (with timeout)
            wait_signal_step(
                name="wait_for_approval",
                signal_name="document_approved",
                dependencies=["notify_reviewers"],
                timeout_ms=172800000,  # 48 hours
                on_timeout="escalate_approval",
            ),
            # Escalation path
            task_step(
                name="escalate_approval",
                service_name="doc-service",
                handler_name="escalate_to_manager",
                # No dependencies - triggered by timeout
            ),
            # Wait for escalated approval
            wait_signal_step(
                name="wait_escalated_approval",
                signal_name="escalated_approval",
                dependencies=["escalate_approval"],
                timeout_ms=86400000,  # 24 hours
            ),
            # Publish approved document
            task_step(
                name="publish_document",
                service_name="doc-service",
                handler_name="publish_approved_document",
                dependencies=["wait_for_approval", "wait_escalated_approval"],
            ),
        ]
    )


@pytest.fixture
async def approval() -> AsyncIterator[RunByHand]:
    register_workflow("document_approval", document_approval)
    started = RunByHand("document_approval", now=EVENING)
    yield started
    started.stop()


async def test_approval_workflow_that_is_approved_in_time(approval: RunByHand) -> None:
    assert await worked(approval) == ["document_approved"]
    await approval.signal("document_approved", {"by": "ada"})
    assert await worked(approval) == []

    assert (await approval.ended()).result == {
        "submit_document": "submit_for_review done",
        "notify_reviewers": "send_review_notifications done",
        "wait_for_approval": {"by": "ada"},
        "publish_document": "publish_approved_document done",
    }
    assert "escalate_to_manager" not in [one.target for one in approval.sent]
    assert approval.asked("submit_for_review").input["priority"] == "normal"


async def test_approval_workflow_that_is_escalated(approval: RunByHand) -> None:
    assert await worked(approval) == ["document_approved"]
    await approval.wait_out("document_approved")
    assert approval.now - EVENING == timedelta(hours=48)
    assert await worked(approval) == ["escalated_approval"]
    assert approval.sent[-1].target != "publish_approved_document"
    await approval.signal("escalated_approval", {"by": "the manager"})
    assert await worked(approval) == []

    result = (await approval.ended()).result
    assert [*result][2:] == ["escalate_approval", "wait_escalated_approval", "publish_document"]
    assert approval.asked("publish_approved_document").input["deps"] == {
        "wait_escalated_approval": {"by": "the manager"}
    }


async def test_approval_workflow_that_nobody_answers(approval: RunByHand) -> None:
    for wait in SIGNALS:
        assert await worked(approval) == [wait]
        await approval.wait_out(wait)

    failure = (await approval.ended()).failure
    assert failure is not None
    assert "step 'wait_escalated_approval' failed" in failure.message
    assert approval.now - EVENING == timedelta(hours=72)


async def test_approval_workflow_that_is_approved_in_virtual_time(platform: VirtualPlatform) -> None:
    register_workflow("document_approval", document_approval)
    called = offer(document_approval())
    document = await platform.start("document_approval", {"document": "d-1"})
    await platform.advance(hours=47)

    await document.signal("document_approved", {"by": "ada"})

    result = await document.result()
    assert result["wait_for_approval"] == {"by": "ada"}
    assert called == ["submit_for_review", "send_review_notifications", "publish_approved_document"]


async def test_approval_workflow_that_is_escalated_in_virtual_time(platform: VirtualPlatform) -> None:
    register_workflow("document_approval", document_approval)
    called = offer(document_approval())
    document = await platform.start("document_approval", {"document": "d-1"})
    await platform.advance(hours=48)
    assert called[-1] == "escalate_to_manager"

    await document.signal("escalated_approval", {"by": "the manager"})

    result = await document.result()
    assert (result["wait_escalated_approval"], called[-1]) == (
        {"by": "the manager"},
        "publish_approved_document",
    )


async def test_approval_workflow_that_nobody_answers_in_virtual_time(platform: VirtualPlatform) -> None:
    """Decision 39: a wait whose time is over and that has no `on_timeout` fails, and the run with it."""
    register_workflow("document_approval", document_approval)
    called = offer(document_approval())

    with pytest.raises(ComponentError, match="step 'wait_escalated_approval' failed"):
        await platform.run("document_approval", {"document": "d-1"})

    assert "publish_approved_document" not in called
