"""The samples about signals, timers and people in the documentation of agnt5, on the engine.

They are as they are written there: only imports are others, and what a sample leaves out is filled in. Each runs in
virtual time, held in memory and, again, dropped and replayed after every record. Where the page has lost a sample, the
calls of the same heading in its repository's `docs/context.md` are made.
"""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# ruff: noqa: FBT001, FBT003

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from towpath import function, workflow
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform, crash_everywhere
from towpath_schemas.journal import CallSettled

# --- Coordination ---------------------------------------------------------------------------------------


async def test_signals(platform: VirtualPlatform) -> None:
    """Decision 24: without a run, `emit` is heard by all runs of the tenant that wait for a signal of the name."""

    @workflow
    async def waits(ctx):
        # A day, and what counts if nobody answers
        approval = await ctx.signal("manager_approved", timeout_ms=86400000, default={"approved": False})
        ready = await ctx.signal("deployment_ready")
        return [approval, ready]

    @workflow
    async def announces(ctx):
        await ctx.signal.emit("deployment_ready", payload={"version": "1.0.0"})

    answered, ignored = await platform.start(waits), await platform.start(waits)
    await answered.signal("manager_approved", {"approved": True})
    await platform.advance(hours=24)
    await platform.run(announces)

    assert await answered.result() == [{"approved": True}, {"version": "1.0.0"}]
    assert await ignored.result() == [{"approved": False}, {"version": "1.0.0"}]


async def test_timers_and_sleep() -> None:
    """Decision 27: a cron timer waits for the next moment; a job that recurs is a schedule."""

    @workflow
    async def scheduled_job(ctx):
        # Wait 5 seconds
        await ctx.timer(delay_ms=5000)

        # Or use sleep (alternative syntax)
        await ctx.sleep(30)  # 30 seconds

        # Wait until specific time (cron)
        await ctx.timer(cron="0 0 * * *")  # Daily at midnight

        return {"status": "completed"}

    begun = datetime(2025, 3, 1, 20, tzinfo=UTC)
    async with VirtualPlatform(now=begun) as platform:
        job = await platform.start(scheduled_job)
        await platform.advance(seconds=35)
        assert job.waits_for == ["timer 'timer'"]

        assert await job.result() == {"status": "completed"}
        fired = [record.at - begun.timestamp() for record in job.journal if isinstance(record, CallSettled)]
        assert fired == pytest.approx([5, 35, timedelta(hours=4).total_seconds()], abs=0.1)

    assert (await crash_everywhere(scheduled_job)).finished.result == {"status": "completed"}


def _deployment() -> Any:
    @function
    async def run_tests(version: str) -> dict:
        return {"passed": version != "0.0"}

    @function
    async def to_production(version: str) -> str:
        return f"{version} is out"

    @workflow
    async def deployment_workflow(ctx, version: str):
        # Run tests
        test_results = await ctx.task("ci", "run_tests", input={"version": version})

        if test_results["passed"]:
            # Request human approval for production
            approval = await ctx.human.approval(
                "deploy_production",
                payload={"version": version, "tests": test_results},
                timeout=timedelta(minutes=30),
                required_roles=["admin", "devops"],
            )

            if approval.decision == "approved":
                await ctx.task("deploy", "to_production", input={"version": version})
                return {"status": "deployed"}

        return {"status": "cancelled"}

    _ = run_tests, to_production
    return deployment_workflow


async def test_human_in_the_loop_that_is_approved(platform: VirtualPlatform) -> None:
    run = await platform.start(_deployment(), "1.2")
    (asked,) = platform.approvals(run)
    assert asked.asked.payload == {"version": "1.2", "tests": {"passed": True}}
    assert asked.asked.roles == ("admin", "devops")

    await platform.approve(asked, by="ada", role="devops")

    assert await run.result() == {"status": "deployed"}


async def test_human_in_the_loop_that_is_rejected(platform: VirtualPlatform) -> None:
    run = await platform.start(_deployment(), "1.2")

    await platform.approve(run, decision="rejected", by="ada", role="admin")

    assert await run.result() == {"status": "cancelled"}


async def test_human_in_the_loop_that_expires(platform: VirtualPlatform) -> None:
    """Decision 28: an approval never raises; where nobody decides, it is `expired`."""
    run = await platform.start(_deployment(), "1.2")
    began = platform.now

    assert await run.result() == {"status": "cancelled"}
    assert platform.now - began == timedelta(minutes=30)


async def test_human_in_the_loop_that_comes_to_no_approval(platform: VirtualPlatform) -> None:
    assert await platform.run(_deployment(), "0.0") == {"status": "cancelled"}


# --- Common patterns --------------------------------------------------------------------------------------


def _answering(number: int) -> Any:
    async def handler() -> int:
        return number

    return handler


def _robust(second: Any) -> Any:
    function("task1")(_answering(1))
    function("task2", retries=1)(second)

    @workflow
    async def robust_workflow(ctx):
        results = await ctx.gather(task1=ctx.task("svc", "task1"), task2=ctx.task("svc", "task2"))

        if results["task1"] and results["task2"]:
            return {"status": "success", "results": results}
        return {"status": "partial_failure"}

    return robust_workflow


async def test_parallel_with_error_handling(platform: VirtualPlatform) -> None:
    assert await platform.run(_robust(_answering(2))) == {
        "status": "success",
        "results": {"task1": 1, "task2": 2},
    }


async def test_parallel_with_an_empty_result(platform: VirtualPlatform) -> None:
    assert await platform.run(_robust(_answering(0))) == {"status": "partial_failure"}


async def test_parallel_with_an_error(platform: VirtualPlatform) -> None:
    """Decision 19: a task that fails raises; that it comes as a value is said with `return_exceptions=True`."""

    async def fails() -> None:
        raise ValueError("no luck")

    with pytest.raises(ComponentError, match="no luck"):
        await platform.run(_robust(fails))


def _conditional() -> Any:
    function("operation")(_answering(7))

    @workflow
    async def conditional_approval(ctx, needs_approval: bool):
        if needs_approval:
            approval = await ctx.signal("approval_signal", timeout_ms=60000)
            if not approval.get("approved"):
                return {"status": "rejected"}

        # Proceed with operation
        result = await ctx.task("service", "operation")
        return {"status": "completed", "result": result}

    return conditional_approval


@pytest.mark.parametrize(
    ("needed", "approved", "result"),
    [
        (False, None, {"status": "completed", "result": 7}),
        (True, True, {"status": "completed", "result": 7}),
        (True, False, {"status": "rejected"}),
    ],
)
async def test_conditional_signal_waiting(
    platform: VirtualPlatform, needed: bool, approved: bool | None, result: dict
) -> None:
    run = await platform.start(_conditional(), needed)
    if approved is not None:
        await run.signal("approval_signal", {"approved": approved})

    assert await run.result() == result


async def test_conditional_signal_waiting_in_vain(platform: VirtualPlatform) -> None:
    """Decision 25: a wait without a default raises when its time is over; it never returns None."""
    run = await platform.start(_conditional(), True)

    with pytest.raises(ComponentError, match="approval_signal"):
        await run.result()
