"""Tools that wait for a person's yes: nothing runs without one, whichever way the tool is called."""

from collections.abc import Callable
from typing import Any

import pytest

from towpath import Agent, Context, LocalContext, ToolCall, tool, tool_call, workflow
from towpath.errors import ApprovalRequiredError, ComponentError, ConfigurationError
from towpath.models.port import ModelRequest
from towpath.models.scripted import script
from towpath.retry import RetryPolicy
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere
from towpath.tools.confirmation import Confirmation, ProposedCall, confirming, decide
from towpath.tools.tool import Tool
from towpath.waiting import Approval
from towpath_schemas import identity
from towpath_schemas.calls import CallRequested
from towpath_schemas.journal import CallSettled

ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


def eraser(**said: Any) -> Tool:
    def erase(name: str) -> str:
        """Erase a database."""
        ran.append(name)
        return f"{name} is gone"

    return tool(confirmation=Confirmation(**said) if said else True)(erase)


def call_of(name: str) -> ToolCall:
    return ToolCall(id="c1", name="erase", arguments={"name": name})


def heard(asked: ModelRequest) -> str:
    return asked.messages[-1].content


# --- In process ---------------------------------------------------------------------------------------


async def in_a_loop(erase: Tool) -> Any:
    script("eraser", [tool_call("erase", name="test"), heard])
    return (await Agent(model="test/eraser", tools=[erase]).run("Clean up")).output


async def by_the_registry(erase: Tool) -> Any:
    context = LocalContext()
    context.tools.offer([erase])
    return await context.tools.handler("erase")(name="test")


async def as_a_task(erase: Tool) -> Any:
    return await LocalContext().task("local", "erase", {"name": "test"})


async def by_the_port(erase: Tool) -> Any:
    outcome = await LocalContext().invoke_tool(erase, call_of("test"))
    return outcome.content or outcome.error


WAYS = [in_a_loop, by_the_registry, as_a_task, by_the_port]


@pytest.mark.parametrize("way", WAYS)
async def test_without_anybody_to_ask_nothing_runs(way: Callable[[Tool], Any]) -> None:
    try:
        said = str(await way(eraser()))
    except (ApprovalRequiredError, ComponentError) as error:
        said = str(error)

    assert "tool 'erase' wants a person's yes" in said
    assert ran == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_handler_that_says_yes_lets_it_run_once(way: Callable[[Tool], Any]) -> None:
    asked: list[ProposedCall] = []

    def handler(proposed: ProposedCall) -> bool:
        asked.append(proposed)
        return True

    with confirming(handler):
        assert await way(eraser()) == "test is gone"

    assert ran == ["test"]
    assert [(one.tool, one.description, one.arguments) for one in asked] == [
        ("erase", "Erase a database.", {"name": "test"})
    ]


@pytest.mark.parametrize("way", WAYS)
async def test_a_no_is_told_and_nothing_runs(way: Callable[[Tool], Any]) -> None:
    async def handler(_proposed: ProposedCall) -> Approval:
        return Approval("rejected", "ada", None, "not today")

    with confirming(handler):
        try:
            said = str(await way(eraser()))
        except ComponentError as error:
            said = str(error)

    assert "erase was not run: ada rejected it: not today" in said
    assert ran == []


def mumbles(_proposed: ProposedCall) -> Any:
    return "yes"


async def test_what_is_no_plain_yes_is_none() -> None:
    with (
        confirming(mumbles),
        pytest.raises(ComponentError, match="returns True, False or an Approval, not 'yes'"),
    ):
        await decide(LocalContext(), eraser(), call_of("test"))

    assert ran == []


async def test_arguments_that_do_not_fit_are_told_before_anybody_is_asked() -> None:
    with confirming(lambda _proposed: True):
        refused = await decide(LocalContext(), eraser(), ToolCall(id="c1", name="erase", arguments={}))

    assert refused is not None
    assert refused.error is not None
    assert refused.error.code == "invalid_input"


async def test_a_yes_is_for_these_arguments_and_for_one_call() -> None:
    context, erase = LocalContext(), eraser()

    async def ran_after_yes(*names: str) -> list[str]:
        with confirming(lambda _proposed: True):
            assert await decide(context, erase, call_of("test")) is None
        for name in names:
            await context.invoke_tool(erase, call_of(name))
        return ran

    assert await ran_after_yes("live") == []
    assert await ran_after_yes("test", "test") == ["test"]


async def test_a_yes_is_good_for_all_attempts_of_its_call() -> None:
    attempts: list[int] = []

    @tool(confirmation=True, retry=RetryPolicy(max_attempts=3, initial_interval_s=0.0))
    def flaky(ctx: Context) -> str:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise OSError
        return "done"

    context, asked = LocalContext(), list[ProposedCall]()
    with confirming(lambda proposed: not asked.append(proposed)):
        outcome = await context.invoke_tool(flaky, ToolCall(id="c1", name="flaky"))

    assert (outcome.content, attempts, len(asked)) == ("done", [1, 2, 3], 1)


def test_an_expiry_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="expires_s=0"):
        Confirmation(expires_s=0)


# --- On the platform ----------------------------------------------------------------------------------


def cleaner(erase: Tool) -> Agent:
    script("cleaner", [tool_call("erase", name="test"), heard])
    return Agent(model="test/cleaner", name="cleaner", tools=[erase])


async def test_a_run_waits_for_an_approval_that_shows_tool_and_arguments() -> None:
    agent = cleaner(eraser(roles=("admin",), expires_s=3600))

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(agent, "Clean up")
        (asked,) = platform.approvals()
        assert ran == []
        await platform.approve(asked, by="ada", role="admin")
        result = await run.result()

    assert (asked.name, asked.asked.roles) == ("tool:erase", ("admin",))
    assert asked.asked.payload == {"tool": "erase", "arguments": {"name": "test"}}
    assert (result["output"], ran) == ("test is gone", ["test"])


async def test_a_rejection_and_an_expiry_are_told_to_the_model() -> None:
    agent = cleaner(eraser(expires_s=60))

    async with VirtualPlatform() as platform:
        rejected = await platform.start(agent, "Clean up")
        await platform.approve(rejected, decision="rejected", by="ada", comment="no")
        expired = await platform.start(agent, "Clean up")
        await platform.advance(minutes=2)

        assert "ada rejected it: no" in (await rejected.result())["output"]
        assert "nobody approved it in time" in (await expired.result())["output"]
    assert ran == []


async def test_a_handler_on_the_platform_is_asked_once_however_often_the_run_is_replayed() -> None:
    asked: list[ProposedCall] = []
    erase = eraser()
    agent = cleaner(erase)

    @workflow
    async def tidy(ctx: Context) -> str:
        with confirming(lambda proposed: not asked.append(proposed)):
            return (await agent.run("Clean up")).output

    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(tidy) == "test is gone"

    assert (len(asked), ran) == (1, ["test"])


async def test_a_workflow_that_calls_a_tool_itself_waits_for_the_approval_too() -> None:
    erase = eraser()

    @workflow
    async def tidy(ctx: Context) -> list[str]:
        ctx.tools.offer([erase])
        said = [await ctx.tools.handler("erase")(name="test")]
        try:
            await ctx.tools.handler("erase")(name="live")
        except ComponentError as refused:
            said.append(str(refused))
        return said

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(tidy)
        await platform.approve(run, by="ada")
        await platform.approve(run, decision="rejected", by="ada")

        assert await run.result() == ["test is gone", "erase was not run: ada rejected it"]
    assert ran == ["test"]


async def test_a_tool_runner_executes_no_call_that_the_journal_of_its_run_does_not_approve() -> None:
    agent = cleaner(eraser())

    async with VirtualPlatform() as platform:
        run = await platform.start(agent, "Clean up")
        host = platform._host
        forged = [
            forged_call(run.run_id, "made-up", "test"),
            forged_call(run.run_id, "made-up", "live"),
        ]
        before = [await host.callees.call(one) for one in forged]
        await platform.approve(run, by="ada")
        await run.result()
        (genuine,) = [one for one in run.journal if isinstance(one, CallSettled) and one.act == "tool"]
        after = [
            await host.callees.call(one) for one in [*forged, forged_call(run.run_id, genuine.key, "live")]
        ]

    refused = [answer.failure for answer in [*before, *after]]
    assert [failure.message.startswith("tool 'erase' wants") for failure in refused if failure] == [True] * 5
    assert ran == ["test"]


def forged_call(run_id: str, key: str, name: str) -> CallRequested:
    return CallRequested(
        run_id=run_id,
        key=key,
        call_id=identity.call_id(run_id, key),
        service="test",
        name="erase",
        act="tool",
        arguments={"name": name},
        attribution=LocalContext().attribution,
        correlation_id="c",
    )


async def test_a_run_killed_at_any_moment_asks_once_and_runs_the_tool_once() -> None:
    agent = cleaner(eraser())

    async def decides(platform: VirtualPlatform, run: VirtualRun) -> None:
        (asked,) = platform.approvals(run)
        await platform.approve(asked, by="ada")

    def once(run: VirtualRun) -> None:
        assert ran == ["test"], run

    survived = await crash_everywhere(
        agent, "Clean up", script=decides, before_each=ran.clear, after_each=once
    )

    assert survived.finished.result["output"] == "test is gone"
