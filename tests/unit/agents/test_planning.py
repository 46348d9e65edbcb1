"""Plans: what an agent would do, as an object."""

import json
import logging
from typing import Any

import pytest

from towpath import Agent, ContextError, ModelRequest, script, tool_call, workflow
from towpath.agents.planning import Plan, PlannedTool, PlanStep
from towpath.errors import ModelError
from towpath.testing import VirtualPlatform

RAN: list[str] = []


def search(query: str) -> str:
    """Search the web."""
    RAN.append(query)
    return "found"


STEPS = [
    {"description": "Find prices.", "tool": "search"},
    {"description": "Compare them.", "tool": None, "depends_on": [1, 2, 9]},
]


def planner(steps: Any = STEPS, **said: Any) -> tuple[Agent, list[ModelRequest]]:
    """Make an agent that plans `steps`, and the list of what its model is asked."""
    asked: list[ModelRequest] = []

    def reply(request: ModelRequest) -> str:
        asked.append(request)
        return json.dumps({"steps": steps}) if request.answer_schema else "done"

    script("planner", reply)
    return Agent("test/planner", tools=[search], callback_handler=None, **said), asked


def test_a_plan_names_steps_tools_and_what_they_need() -> None:
    agent, asked = planner(instructions="Be thorough.")

    plan = agent.plan("Compare prices")

    assert plan.steps == (
        PlanStep(
            type="tool",
            description="Find prices.",
            tool=PlannedTool(name="search", description="Search the web."),
        ),
        PlanStep(type="reason", description="Compare them.", depends_on=(1,)),
    )
    assert plan.prompt == "Compare prices"
    assert str(plan) == "1. Find prices. (with search)\n2. Compare them. (after 1)"
    assert len(asked) == 1
    assert asked[0].tools == ()
    assert "Be thorough." in str(asked[0].system)
    assert "- search: Search the web." in str(asked[0].system)


def test_nothing_is_done_and_nothing_is_remembered() -> None:
    agent, _ = planner()
    RAN.clear()

    agent.plan("Compare prices")

    assert (agent.messages, RAN) == ([], [])


async def test_it_works_inside_a_running_loop_and_as_async_code() -> None:
    agent, _ = planner()

    assert agent.plan("Compare prices") == await agent.plan_async("Compare prices")


def test_a_tool_that_there_is_not_makes_a_step_of_thought_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent, _ = planner([{"description": "Fly there.", "tool": "teleport"}])

    with caplog.at_level(logging.WARNING):
        plan = agent.plan("Compare prices")

    assert plan.steps == (PlanStep(type="reason", description="Fly there."),)
    assert "a plan names a tool that there is not" in caplog.text


def test_an_answer_that_is_no_plan_is_an_error() -> None:
    script("planner", lambda request: "I would rather not.")

    with pytest.raises(ModelError):
        Agent("test/planner").plan("Compare prices")


async def test_a_run_follows_an_approved_plan() -> None:
    agent, asked = planner()
    plan = await agent.plan_async("Compare prices")

    events = [event async for event in agent.stream("Compare prices", plan=plan)]

    assert asked[-1].messages[-1].content == (
        "Compare prices\nFollow this plan, which has been approved:\n"
        "1. Find prices. (with search)\n2. Compare them. (after 1)"
    )
    assert (events[0].type, events[0].result) == ("plan", plan)


async def test_a_call_that_was_not_planned_is_made_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    script("planner", [tool_call("search", query="boats"), "done"])
    agent = Agent("test/planner", tools=[search], callback_handler=None)

    with caplog.at_level(logging.WARNING):
        await agent.run("Compare prices", plan=Plan(prompt="Compare prices", steps=()))

    assert "a tool is called that the plan does not name" in caplog.text


@pytest.mark.parametrize("always_replay", [False, True], ids=["held", "replayed"])
async def test_on_the_platform_a_plan_is_a_durable_act(always_replay: bool) -> None:  # noqa: FBT001
    agent, asked = planner(name="planner")

    @workflow
    async def planning(ctx: Any) -> Any:
        plan: Plan = await ctx.step("plan", agent.plan_async("Compare prices"))
        await ctx.sleep(1)
        return (await agent.run("Compare prices", plan=plan)).output

    async with VirtualPlatform(always_replay=always_replay) as platform:
        assert await platform.run(planning) == "done"

    assert len(asked) == 2


async def test_async_code_on_the_platform_is_told_what_to_await() -> None:
    agent, _ = planner(name="planner")

    @workflow
    async def planning(ctx: Any) -> Any:
        try:
            return agent.plan("Compare prices")
        except ContextError as error:
            return str(error)

    async with VirtualPlatform() as platform:
        assert "await agent.plan_async(...)" in await platform.run(planning)
