"""Tools that another service does."""

from typing import Any

import pytest

from towpath import Agent, Context, HostedTool, LocalContext, ToolCall, function, tool, tool_call, workflow
from towpath.errors import ConfigurationError
from towpath.models.port import ModelRequest
from towpath.models.scripted import script
from towpath.testing import VirtualPlatform
from towpath_schemas.journal import CallIntended


def heard(asked: ModelRequest) -> str:
    return asked.messages[-1].content


def analysis(**said: Any) -> HostedTool:
    return HostedTool("analyze", "Analyze data", "towpath://data/analyze_data", **said)


async def outcome_of(made: HostedTool, **arguments: Any) -> Any:
    outcome = await LocalContext().invoke_tool(made, ToolCall(id="c1", name=made.name, arguments=arguments))
    return outcome.content if outcome.error is None else outcome.error.message


@pytest.mark.parametrize("scheme", ["towpath", "agnt5"])
async def test_in_process_it_is_the_function_of_that_name(scheme: str) -> None:
    @function
    def analyze_data(data: list[int]) -> int:
        return sum(data)

    made = HostedTool("analyze", "Analyze data", endpoint=f"{scheme}://data-service/analyze_data")

    assert await outcome_of(made, data=[1, 2]) == 3
    assert "data: Input should be a valid array" in await outcome_of(made, data=1)


async def test_without_such_a_function_here_the_model_is_told() -> None:
    said = await outcome_of(analysis())

    assert "service 'data' on the platform" in said
    assert "import the module that defines 'analyze_data'" in said


@pytest.mark.parametrize("endpoint", ["http://x/y", "towpath://x", "towpath://x/y/z", "x"])
def test_an_endpoint_that_names_no_service_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="write towpath://<service>/<handler>"):
        HostedTool("x", "", endpoint)


async def test_on_the_platform_it_is_one_act_for_the_other_service() -> None:
    @tool
    def analyze_data(data: list[int]) -> int:
        return sum(data)

    script("analyst", [tool_call("analyze", data=[1, 2]), heard])
    agent = Agent(name="analyst", model="test/analyst", tools=[analysis()])

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(agent, "Analyze")
        result = await run.result()
        (asked,) = [one for one in run.journal if isinstance(one, CallIntended) and one.act == "tool"]

    assert result["output"] == "3"
    assert (asked.service, asked.target, asked.input) == ("data", "analyze_data", {"data": [1, 2]})


async def test_a_hosted_tool_that_wants_a_yes_runs_only_with_one() -> None:
    ran: list[int] = []

    @tool(confirmation=True)
    def analyze_data(x: int) -> str:
        ran.append(x)
        return "done"

    script("careful", [tool_call("analyze", x=2), heard])
    careful = Agent(model="test/careful", tools=[analysis(confirmation=True)])

    @workflow
    async def both(ctx: Context) -> list[Any]:
        call = ToolCall(id="c1", name="analyze", arguments={"x": 1})
        careless = await ctx.invoke_tool(analysis(), call)
        return [careless.error is not None, (await careful.run("Go")).output]

    async with VirtualPlatform() as platform:
        run = await platform.start(both)
        await platform.approve(run, by="ada")

        assert await run.result() == [True, "done"]
    assert ran == [2]
