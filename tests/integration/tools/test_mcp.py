"""Tools of real MCP servers, and our tools as one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from towpath import Agent, LocalContext, tool, tool_call
from towpath.errors import ComponentError, ConfigurationError
from towpath.models.port import ModelRequest
from towpath.models.scripted import script
from towpath.serving.mcp_server import http_app
from towpath.testing import VirtualPlatform
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath.tools.confirmation import confirming
from towpath.tools.mcp.connections import connection_to
from towpath.tools.mcp.mcp_tool import MCPTool
from towpath.tools.results import tool_result
from towpath_testkit.mcp_server import PIXEL, Calls, sample_server
from towpath_testkit.settled import until_so
from towpath_testkit.web import serving

STDIO = (sys.executable, "-m", "towpath_testkit.mcp_server")


async def outcome_of(source: MCPTool, name: str, /, **arguments: Any) -> ToolOutcome:
    context = LocalContext()
    found = next(one for one in await source.tools(context) if one.name == name)
    return await context.invoke_tool(found, ToolCall(id="c1", name=name, arguments=arguments))


async def content_of(source: MCPTool, name: str, /, **arguments: Any) -> Any:
    outcome = await outcome_of(source, name, **arguments)
    assert outcome.error is None, outcome.error
    return outcome.content


@pytest.fixture
async def over_http() -> AsyncGenerator[MCPTool]:
    async with serving(sample_server(Calls()).streamable_http_app()) as url:
        source = MCPTool("sample", f"{url}/mcp", headers={"x-key": "k"})
        yield source
        await source.close()


async def test_a_servers_tools_are_named_described_and_typed(over_http: MCPTool) -> None:
    tools = {one.name: one for one in await over_http.tools(LocalContext())}

    assert {"sample_add", "sample_fail", "sample_draw"} <= tools.keys()
    assert tools["sample_add"].description == "Add two numbers."
    assert tools["sample_add"].input_schema["required"] == ["a", "b"]


async def test_numbers_objects_and_pictures_come_back(over_http: MCPTool) -> None:
    drawn = await outcome_of(over_http, "sample_draw")

    assert await content_of(over_http, "sample_add", a=1, b=2) == "3"
    assert await content_of(over_http, "sample_locate", city="Utrecht") == {
        "city": "Utrecht",
        "country": "NL",
    }
    assert drawn.content["content"] == [
        {"text": "a pixel"},
        {"image": {"format": "png", "source": {"bytes": PIXEL}}},
    ]
    assert tool_result(drawn)["content"][1]["image"]["source"]["bytes"].startswith(b"\x89PNG")


async def test_what_fails_is_told_to_the_model(over_http: MCPTool) -> None:
    failed = await outcome_of(over_http, "sample_fail", why="too early")
    misfit = await outcome_of(over_http, "sample_add", a="one", b=2)

    assert failed.error is not None
    assert "too early" in failed.error.message
    assert misfit.error is not None
    assert "a" in misfit.error.message


async def test_only_the_capabilities_asked_for_are_there() -> None:
    async with serving(sample_server(Calls()).streamable_http_app()) as url:
        some = MCPTool("some", f"{url}/mcp", capabilities=["add"])
        unknown = MCPTool("none", f"{url}/mcp", capabilities=["add", "fly"])

        assert [one.name for one in await some.tools(LocalContext())] == ["some_add"]
        with pytest.raises(ComponentError, match="has no fly; there is: add, fail"):
            await unknown.tools(LocalContext())
        await some.close()
        await unknown.close()


async def test_an_agent_has_the_tools_of_a_server(over_http: MCPTool) -> None:
    def heard(asked: ModelRequest) -> str:
        return asked.messages[-1].content

    script("adder", [tool_call("sample_add", a=2, b=3), heard])
    agent = Agent(model="test/adder", tools=[over_http])

    result = await agent.run("What is 2 + 3?")

    assert result.output == "5"
    assert "sample_add" in agent.tool_names


async def test_a_model_is_offered_the_tools_of_a_server_without_an_agent(over_http: MCPTool) -> None:
    script("adder", [tool_call("sample_add", a=2, b=3)])
    context = LocalContext()

    with pytest.raises(TypeError, match=r"await source\.tools\(ctx\)"):
        await context.llm.generate("What is 2 + 3?", model="test/adder", tools=[over_http])
    answer = await context.llm.generate(
        "What is 2 + 3?", model="test/adder", tools=await over_http.tools(context)
    )
    call = answer.tool_calls[0]

    assert await context.tools.handler(call.name)(**call.arguments) == "5"


async def test_an_agent_that_was_called_from_sync_code_gives_its_connections_up_in_async_code() -> None:
    def heard(asked: ModelRequest) -> str:
        return asked.messages[-1].content

    script("asking", [tool_call("own_process_id"), heard])
    agent = Agent(model="test/asking", tools=[MCPTool("own", command=STDIO)], callback_handler=None)

    async with agent:
        process_id = int(agent("Which process are you?").output)
        os.kill(process_id, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


async def test_a_connection_is_shared_and_outlives_a_restart_of_the_server() -> None:
    calls = Calls()
    async with serving(sample_server(calls).streamable_http_app()) as url:
        source, other = MCPTool("a", f"{url}/mcp"), MCPTool("b", f"{url}/mcp")
        assert await content_of(source, "a_add", a=1, b=1) == "2"
        await other.tools(LocalContext())
        assert connection_to(source.server, source) is connection_to(other.server, other)
    async with serving(sample_server(calls).streamable_http_app(), int(url.rpartition(":")[2])):
        assert await content_of(source, "a_add", a=2, b=2) == "4"
        await source.close()
        assert await content_of(other, "b_add", a=3, b=3) == "6"
        await other.close()
    assert calls.added == 3


async def test_a_server_of_ones_own_is_started_spoken_to_and_started_again_when_it_was_killed(
    tmp_path: Path,
) -> None:
    source = MCPTool("own", command=STDIO, env={"GREETING": "hello"})
    first = int(await content_of(source, "own_process_id"))
    under_way = asyncio.create_task(outcome_of(source, "own_wait", sign=str(tmp_path / "begun")))
    await until_so((tmp_path / "begun").exists)

    os.kill(first, signal.SIGKILL)
    lost = await under_way
    second = int(await content_of(source, "own_process_id"))

    assert lost.error is not None
    assert "whether 'wait' was done is unknown" in lost.error.message
    assert second != first
    assert await content_of(source, "own_variable", name="GREETING") == "hello"
    await source.close()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


async def test_a_server_that_is_not_there_is_named() -> None:
    source = MCPTool("gone", "http://127.0.0.1:9/mcp", connect_timeout_s=0.1)

    with pytest.raises(ComponentError, match=r"http://127\.0\.0\.1:9/mcp cannot be reached"):
        await source.tools(LocalContext())


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    async with serving(sample_server(Calls()).streamable_http_app()) as url:
        source = MCPTool("slow", f"{url}/mcp", timeout_s=0.3)
        outcome = await outcome_of(source, "slow_wait")
        await source.close()

    assert outcome.error is not None
    assert outcome.error.code == "timeout"


async def test_a_server_speaks_over_sse_as_well() -> None:
    async with serving(sample_server(Calls()).sse_app()) as url:
        source = MCPTool("old", f"{url}/sse")
        said = await content_of(source, "old_add", a=1, b=2)
        await source.close()

    assert said == "3"


def test_a_server_is_named_by_its_address_or_its_command() -> None:
    with pytest.raises(ConfigurationError, match="give mcp_server_url, or the command"):
        MCPTool("neither")


@tool
def shout(text: str) -> str:
    """Say it loudly."""
    return text.upper()


@tool(confirmation=True)
def erase(name: str) -> str:
    """Erase something."""
    raise AssertionError(name)


async def test_our_tools_are_an_mcp_server() -> None:
    async with serving(http_app([shout, erase])) as url:
        source = MCPTool("ours", f"{url}/mcp")
        tools = {one.name: one for one in await source.tools(LocalContext())}
        said = await content_of(source, "ours_shout", text="hello")
        misfit = await outcome_of(source, "ours_shout")
        unapproved = await outcome_of(source, "ours_erase", name="x")
        await source.close()

    assert tools["ours_shout"].input_schema == shout.input_schema
    assert said == "HELLO"
    assert misfit.error is not None
    assert "text: Field required" in misfit.error.message
    assert unapproved.error is not None
    assert "wants a person's yes" in unapproved.error.message


async def test_the_command_serves_the_tools_of_an_app(tmp_path: Path) -> None:
    app = tmp_path / "shouting.py"
    app.write_text(
        "from towpath import tool\n\nprint('loading')\n\n"
        "@tool\ndef shout(text: str) -> str:\n    print('shouting')\n    return text.upper()\n"
    )
    source = MCPTool("app", command=[sys.executable, "-m", "towpath_cli", "mcp", str(app)])

    assert await content_of(source, "app_shout", text="hello") == "HELLO"
    await source.close()


async def test_a_servers_tools_may_want_a_persons_yes_in_process_and_on_the_platform() -> None:
    def heard(asked: ModelRequest) -> str:
        return asked.messages[-1].content

    calls = Calls()
    async with serving(sample_server(calls).streamable_http_app()) as url:
        source = MCPTool("sample", f"{url}/mcp", capabilities=["add"], confirmation=True)
        script("adder", [tool_call("sample_add", a=2, b=3), heard])
        agent = Agent(name="adder", model="test/adder", tools=[source])
        with confirming(lambda proposed: proposed.arguments["arguments"] == {"a": 2, "b": 3}):
            approved = await agent.run("What is 2 + 3?")
        async with VirtualPlatform() as platform:
            run = await platform.start(agent, "What is 2 + 3?")
            await until_so(platform.approvals)
            before = calls.added
            await platform.approve(run, by="ada")
            result = await run.result()
        await source.close()

    assert approved.output == "5"
    assert (before, calls.added, result["output"]) == (1, 2, "5")
