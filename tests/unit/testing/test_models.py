"""Models in a test say what they are told to, remember what they were asked, and none of them is real."""

import pytest

from towpath import Agent, Context, LanguageModel, tool, workflow
from towpath.errors import ComponentError, ConfigurationError
from towpath.models import resolve
from towpath.testing import VirtualPlatform, crash_everywhere, no_real_models, scripted, tool_call


async def test_an_agent_says_what_its_script_says_and_its_tools_are_called() -> None:
    model = scripted(tool_call("look_up", city="Oslo"), "It rains.")
    asked: list[str] = []

    @tool
    async def look_up(city: str) -> str:
        """Look up the weather."""
        asked.append(city)
        return "rain"

    agent = Agent(name="forecaster", model=model, tools=[look_up])

    async with VirtualPlatform() as platform:
        result = await platform.run(agent, "How is Oslo?")

    assert result["output"] == "It rains."
    assert asked == ["Oslo"]
    assert [len(request.messages) for request in model.requests] == [1, 3]


async def test_a_model_call_is_paid_for_once_after_it_was_journaled() -> None:
    model = scripted("Hello", "Goodbye")
    agent = Agent(name="greeter", model=model)

    @workflow
    async def greets(ctx: Context) -> str:
        return (await agent.run("Hi")).output

    survived = await crash_everywhere(greets)

    assert survived.finished.result == "Hello"
    settled = [crash for crash in survived.crashes if crash.record == "call.settled model#0"]
    assert {crash.moment for crash in settled} == {"before write", "after write"} or not settled


async def test_a_real_model_is_an_error_that_names_it() -> None:
    agent = Agent(name="real", model="openai/gpt-4o-mini")

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="openai/gpt-4o-mini is a real model"):
            await platform.run(agent, "Hi")


def test_real_models_are_allowed_again_after_the_block() -> None:
    with no_real_models(), pytest.raises(ConfigurationError, match="a real model"):
        resolve("openai/gpt-4o")


async def test_a_script_stands_in_for_a_real_model_by_its_name() -> None:
    double = scripted("Hello from nobody")

    with no_real_models({"openai/gpt-4o-mini": double}):
        assert resolve("openai/gpt-4o-mini") is double
        agent = Agent(name="real", model=LanguageModel("openai/gpt-4o-mini"))
        async with VirtualPlatform() as platform:
            assert (await platform.run(agent, "Hi"))["output"] == "Hello from nobody"

    assert len(double.requests) == 1


def test_scripts_by_name_are_not_real() -> None:
    assert resolve("test/echo").name == "test/echo"
