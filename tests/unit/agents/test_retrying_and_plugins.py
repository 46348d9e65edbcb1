"""Model calls that are tried again, and plugins."""

from typing import Any

import pytest

from towpath import Agent, LocalContext, RetryPolicy, tool, tool_call
from towpath.agents.hooks import BeforeModelCallEvent, BeforeToolCallEvent
from towpath.agents.plugins import Plugin, hook
from towpath.agents.retrying import ModelRetryStrategy
from towpath.current import running_in
from towpath.errors import ConfigurationError, ModelError, ModelThrottledError, RegistrationError
from towpath.local.surroundings import Surroundings
from towpath.testing import fault, scripted

SLOW_DOWN = fault("model_throttled")
LATER = fault("model_throttled", retry_after_s=90)
GONE = fault("model_error")


def waiting(waits: list[float]) -> LocalContext:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return LocalContext(surroundings=Surroundings(sleep=sleep))


class Failing:
    """A model that fails in so many ways, and then answers."""

    name = "failing"

    def __init__(self, *errors: ModelError) -> None:
        self.errors = [*errors]

    async def generate(self, request: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return await scripted("ok").generate(request)


# --- Trying again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "errors", "waits", "raised"),
    [
        (ModelRetryStrategy(), [SLOW_DOWN] * 5, [4, 8, 16, 32, 64], None),
        (ModelRetryStrategy(), [SLOW_DOWN] * 6, [4, 8, 16, 32, 64], ModelThrottledError),
        (ModelRetryStrategy(max_attempts=3, initial_delay=1, max_delay=1.5), [SLOW_DOWN] * 2, [1, 1.5], None),
        (ModelRetryStrategy(), [LATER], [90], None),
        (ModelRetryStrategy(), [GONE], [], ModelError),
        (RetryPolicy(max_attempts=2, initial_interval_s=3, jitter=0), [GONE], [3], None),
        (None, [SLOW_DOWN], [], ModelThrottledError),
    ],
    ids=[
        "until it answers",
        "too often",
        "own delays",
        "as asked for",
        "other failures",
        "any policy",
        "once",
    ],
)
async def test_a_model_is_tried_again_as_the_strategy_says(
    strategy: Any, errors: list[ModelError], waits: list[float], raised: type[Exception] | None
) -> None:
    waited: list[float] = []
    agent = Agent(Failing(*errors), retry_strategy=strategy)

    with running_in(waiting(waited)):
        if raised is None:
            assert (await agent.run("q")).output == "ok"
        else:
            with pytest.raises(raised):
                await agent.run("q")

    assert waited == waits


async def test_each_wait_is_told() -> None:
    waited: list[float] = []
    agent = Agent(Failing(SLOW_DOWN), retry_strategy=ModelRetryStrategy(), callback_handler=None)

    with running_in(waiting(waited)):
        told = [event async for event in agent.stream_async("q")]

    assert [
        event["event_loop_throttled_delay"] for event in told if "event_loop_throttled_delay" in event
    ] == [4]


def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="retry_strategy is 5"):
        Agent(retry_strategy=5)


@pytest.mark.parametrize("name", ["max_attempts", "initial_delay", "max_delay"])
def test_a_number_that_is_too_small_is_named(name: str) -> None:
    given: Any = {name: -1}

    with pytest.raises(ConfigurationError, match=name):
        ModelRetryStrategy(**given)


# --- Plugins ---------------------------------------------------------------------------------------------


class Counting(Plugin):
    """Counts what happens, and lets the model ask how often."""

    name = "counting"

    def __init__(self) -> None:
        self.models, self.tools_called, self.begun = 0, 0, ""

    async def init_agent(self, agent: Agent) -> None:
        self.begun = agent.label

    @hook
    def _model(self, event: BeforeModelCallEvent) -> None:
        self.models += 1

    @hook(event_type=BeforeToolCallEvent)
    async def _tool(self, event: Any) -> None:
        self.tools_called += 1

    @tool
    def how_often(self, times: int) -> int:
        """Say how often models were asked.

        Args:
            times: By what it is multiplied.
        """
        return self.models * times


async def test_a_plugin_brings_hooks_and_tools_of_its_own() -> None:
    model = scripted(tool_call("how_often", times=10), lambda request: request.messages[-1].content)
    plugin = Counting()
    agent = Agent(model, plugins=[plugin], name="desk")

    result = await agent.run("q")

    assert (result.output, plugin.models, plugin.tools_called, plugin.begun) == ("10", 2, 1, "desk")
    assert agent.tool_names == ["how_often"]
    assert [*agent.toolbox["how_often"].input_schema["properties"]] == ["times"]


@pytest.mark.parametrize(
    ("plugins", "said"),
    [
        ([Counting(), Counting()], "two plugins are named 'counting'"),
        ([Plugin()], "Plugin has no name"),
    ],
    ids=["one name twice", "no name"],
)
def test_plugins_that_cannot_be_are_refused(plugins: Any, said: str) -> None:
    with pytest.raises(RegistrationError, match=said):
        Agent(plugins=plugins)
