"""The public API as a user's type checker sees it."""

from typing import Any, assert_type

from towpath import (
    Agent,
    AgentTool,
    Client,
    Event,
    FlowDefinition,
    LanguageModel,
    Memory,
    MemoryItem,
    Plan,
    RetryPolicy,
    Session,
    SessionMessage,
    Snapshot,
    VectorMemoryService,
    function,
    task_step,
    workflow,
)
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


async def memories_are_typed(ctx: Context, client: Client) -> None:
    memory = Memory(service=VectorMemoryService())
    assert_type(await memory.recall(["a", "b"]), list[MemoryItem])
    assert_type((await memory.search("what?"))[0].score, float)
    assert_type(await memory.forget("a"), int)
    assert_type(await memory.ingest_from_session(Session("chat"), strategy="all"), list[str])
    assert_type((await client.memory(user_id="ann").erase()).items, int)
    assert_type((await ctx.memory.search("what?")).as_of, int)
    assert_type((await LanguageModel().generate(prompt="hello")).text, str)


async def sessions_are_typed(session: Session, client: Client, agent: Agent) -> None:
    assert_type(await session.send_message("hello"), SessionMessage)
    assert_type(await session.history(limit=3), list[SessionMessage])
    assert_type(await session.export(), str)
    assert_type(await session.prune("sliding_window", window_size=10), int)
    assert_type(await client.session("chat").history(), list[SessionMessage])
    assert_type(await agent.run("hello", session=session), AgentResult)


async def what_an_agent_offers_beside_talking_is_typed(agent: Agent) -> None:
    assert_type(agent.plan("hello"), Plan)
    assert_type(await agent.plan_async("hello"), Plan)
    assert_type(agent.as_tool(), AgentTool)
    assert_type(agent.take_snapshot(preset="session"), Snapshot)
    assert_type(agent.tool.search(query="boats"), dict[str, Any])
    async with agent as entered:
        assert_type(entered, Agent)


async def a_run_of_an_agent_gives_its_result(agent: Agent) -> None:
    assert_type(agent.run("hello"), AgentRun)
    assert_type(await agent.run("hello"), AgentResult)


async def a_client_tells_what_is_there(client: Client) -> None:
    assert_type(await client.start("add", {"a": 1, "b": 2}), str)
    assert_type(await client.status("run"), RunView | None)


async def what_an_agent_tells_is_typed(agent: Agent) -> None:
    assert_type(agent("hello"), AgentResult)
    assert_type(await agent.invoke_async("hello"), AgentResult)
    async for event in agent.stream("hello"):
        assert_type(event, Event)
    async for event in agent.run("hello"):
        assert_type(event, Event)
    async for told in agent.stream_async("hello"):
        assert_type(told, dict[str, Any])
