"""The public API as a user's type checker sees it."""

from typing import assert_type

from towpath import Agent, Client, FlowDefinition, RetryPolicy, function, task_step, workflow
from towpath.agents.result import AgentResult
from towpath.agents.run import AgentRun
from towpath.context import Context
from towpath.context_services.llm import LLMResponse
from towpath.secrecy import SecretValue
from towpath_schemas.runs import RunView


@function
def add(a: int, b: int) -> int:
    return a + b


@function("greet", retries=3)
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow
async def sums(ctx: Context, numbers: list[int]) -> int:
    await ctx.step("check", add, 1, 2, retry=RetryPolicy(max_attempts=2))
    return sum(numbers)


@workflow("pipeline")
def flow() -> FlowDefinition:
    return FlowDefinition([task_step("extract", service_name="etl", handler_name="extract")])


def factories_of_flows_keep_their_types() -> None:
    assert_type(flow(), FlowDefinition)
    assert_type(FlowDefinition.from_json(flow().to_json()), FlowDefinition)


async def decorated_functions_keep_their_types(ctx: Context) -> None:
    assert_type(add(1, 2), int)
    assert_type(await greet("ada"), str)
    assert_type(await sums(ctx, [1, 2]), int)


async def the_services_of_a_context_are_typed(ctx: Context) -> None:
    assert_type(await ctx.llm.generate("hello"), LLMResponse)
    async for chunk in await ctx.llm.stream("hello"):
        assert_type(chunk.response, LLMResponse | None)
    async for chunk in ctx.llm.stream("hello"):
        assert_type(chunk.text, str)
    assert_type(ctx.secrets().get("key"), SecretValue)
    assert_type(ctx.secrets().get("key", None), SecretValue | None)
    assert_type(ctx.headers()["user-agent"], str)


async def a_run_of_an_agent_gives_its_result(agent: Agent) -> None:
    assert_type(agent.run("hello"), AgentRun)
    assert_type(await agent.run("hello"), AgentResult)


async def a_client_tells_what_is_there(client: Client) -> None:
    assert_type(await client.start("add", {"a": 1, "b": 2}), str)
    assert_type(await client.status("run"), RunView | None)
