"""The samples that people know from the documentation of agnt5 and elsai, as they are written there."""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# ruff: noqa: DTZ001, G004, G201, TID251, TRY301, UP006, UP007, UP035, UP045

import asyncio
import logging
from datetime import datetime
from typing import Any, Dict, List, Optional, Union
from unittest.mock import Mock

import pytest
from pydantic import BaseModel, Field

from towpath import (
    Agent,
    ComponentType,
    Context,
    ExecutionContext,
    LanguageModel,
    LocalContext,
    ModelRequest,
    Tool,
    WorkflowContext,
    entity,
    function,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.local import EntityStore, run
from towpath.local.surroundings import Surroundings


async def test_the_quick_example() -> None:
    script("assistant", [tool_call("search_docs", query="recursion"), "See the documentation."])
    saved: list[str] = []

    @tool(auto_schema=True)
    async def search_docs(ctx: Context, query: str) -> str:
        """Search documentation for answers."""
        return f"Found documentation about: {query}"

    agent = Agent(
        name="assistant",
        model="test/assistant",
        instructions="You are a helpful assistant. Search docs when needed.",
        tools=[search_docs],
    )

    async def save_answer(question, answer) -> None:
        saved.append(answer.output)

    @workflow
    async def process_question(ctx: WorkflowContext, question: str) -> dict:
        """Durable workflow for processing questions."""
        answer = await ctx.step("get_answer", agent.run(question))
        await ctx.step("store", save_answer(question, answer))
        return {"question": question, "answer": answer}

    result = await run("process_question", "What is recursion?")

    assert result["answer"]["output"] == saved[0] == "See the documentation."


async def test_the_first_worker_and_its_calls() -> None:
    @function()
    def greet(name: str) -> str:
        """Greet a user by name."""
        return f"Hello, {name}!"

    @function("math_add")
    def add_numbers(a: int, b: int) -> int:
        """Add two numbers together."""
        return a + b

    @function()
    def api_handler(request: dict) -> dict:
        return {"message": "Hello!", "received": request}

    assert await run("greet", "Alice") == await run("greet", {"name": "Alice"}) == "Hello, Alice!"
    assert await run("math_add", {"a": 5, "b": 3}) == 8
    assert await run("api_handler", {"test": "data"}) == {"message": "Hello!", "received": {"test": "data"}}
    assert (greet("Bob"), add_numbers(1, 2), api_handler({})["message"]) == ("Hello, Bob!", 3, "Hello!")


async def test_functions_with_and_without_context() -> None:
    @function()
    def context_aware(ctx: ExecutionContext, data: dict) -> dict:
        """Process data with execution context."""
        return {
            "invocation_id": ctx.invocation_id,
            "service_name": ctx.metadata.get("service_name"),
            "processed_data": data,
            "component_type": ctx.component_type.value,
        }

    @function()
    def format_message(template: str, **kwargs) -> str:
        return template.format(**kwargs)

    @function()
    async def async_processor(data: dict) -> dict:
        await asyncio.sleep(0)
        return {"original": data}

    @function
    async def introspective(ctx, data: dict) -> dict:
        return {
            "run_id": ctx.run_id,
            "step_id": ctx.step_id,
            "attempt": ctx.attempt,
            "component_type": ctx.component_type,
            "object_id": ctx.object_id,
            "method_name": ctx.method_name,
            "processed": data,
        }

    context = LocalContext(run_id="run-7")
    assert await run("context_aware", {"test": "data"}, context=context) == {
        "invocation_id": "run-7",
        "service_name": "local",
        "processed_data": {"test": "data"},
        "component_type": "function",
    }
    assert await run("format_message", {"template": "{a} and {b}", "a": 1, "b": 2}) == "1 and 2"
    assert await run("async_processor", {"test": 1}) == {"original": {"test": 1}}
    assert (await run("introspective", {"x": 1}, context=context))["component_type"] == "function"
    _ = context_aware, format_message, async_processor, introspective


def test_a_function_is_tested_directly_with_a_mock_context() -> None:
    @function()
    def context_aware(ctx: ExecutionContext, data: dict) -> dict:
        return {"invocation_id": ctx.invocation_id, "service_name": ctx.metadata.get("service_name")}

    mock_ctx = Mock(spec=ExecutionContext)
    mock_ctx.invocation_id = "mock-123"
    mock_ctx.component_type = ComponentType.FUNCTION
    mock_ctx.metadata = {"service_name": "test-service"}

    assert context_aware(mock_ctx, {"test": "data"}) == {
        "invocation_id": "mock-123",
        "service_name": "test-service",
    }


async def test_error_handling_and_logging() -> None:
    @function()
    def robust_handler(ctx: ExecutionContext, data: dict) -> dict:
        """Handler with comprehensive error handling."""
        logger = logging.getLogger(__name__)
        try:
            logger.info(f"Processing invocation {ctx.invocation_id}")
            missing_fields = [field for field in ["id", "name"] if field not in data]
            if missing_fields:
                raise ValueError(f"Missing required fields: {missing_fields}")
            return {"processed": True, "name": data["name"].upper()}
        except ValueError as e:
            return {"error": f"Validation error: {e}", "result": None}

    @function
    async def tracked_operation(ctx, data: dict):
        logger = ctx.log()
        logger.info("Processing started", extra={"data_size": len(data)})
        try:
            raise RuntimeError("no")
        except Exception:
            logger.error("Processing failed", exc_info=True)
        return len(data)

    assert await run(robust_handler, {"data": {"id": 1}}) == {
        "error": "Validation error: Missing required fields: ['name']",
        "result": None,
    }
    assert await run(robust_handler, {"id": 1, "name": "x"}) == {"processed": True, "name": "X"}
    assert await run(tracked_operation, {"a": 1}) == 1


async def test_type_annotations_and_pydantic_models() -> None:
    @function()
    def typed_handler(
        name: str,
        age: int,
        tags: List[str],
        metadata: Optional[Dict[str, any]] = None,  # type: ignore[valid-type]
    ) -> Dict[str, Union[str, int, List[str]]]:
        """Handler with comprehensive type annotations."""
        return {"name": name, "age": age, "tags": tags, "has_metadata": metadata is not None}

    class UserRequest(BaseModel):
        name: str = Field(..., min_length=1, max_length=100)
        email: str = Field(..., pattern=r"^[\w\.-]+@[\w\.-]+\.\w+$")
        age: Optional[int] = Field(None, ge=0, le=150)

    class UserResponse(BaseModel):
        id: str
        name: str
        created_at: str

    @function()
    def create_user(request: UserRequest) -> UserResponse:
        """Create a user with validation."""
        return UserResponse(id="u1", name=request.name, created_at=datetime(2025, 3, 1).isoformat())

    user = await run("create_user", {"name": "Ada", "email": "ada@example.org"})

    assert user == UserResponse(id="u1", name="Ada", created_at="2025-03-01T00:00:00")
    assert (await run("typed_handler", {"name": "a", "age": 3, "tags": ["x"]}))["tags"] == ["x"]
    _ = typed_handler, create_user


async def test_checkpoints_in_a_function() -> None:
    def extract_data(data_id: str) -> list[int]:
        return [3, 1, 2]

    @function
    async def process_pipeline(ctx, data_id: str):
        raw = await ctx.step("extract", lambda: extract_data(data_id))
        cleaned = await ctx.step("clean", sorted, raw)
        return await ctx.step("analyze", lambda: sum(cleaned))

    assert await run(process_pipeline, "d1") == 6


async def test_tasks_by_names() -> None:
    @function
    async def process_data(dataset: str) -> dict:
        return {"dataset": dataset}

    @function("run_tests")
    async def tests(version: str) -> dict:
        return {"passed": True, "version": version}

    @workflow
    async def process_workflow(ctx):
        result = await ctx.task(service_name_of(ctx), "process_data", input={"dataset": "users"})
        tested = await ctx.task("ci", "run_tests", input={"version": "1.2"})
        return [result, tested]

    def service_name_of(ctx: Context) -> str:
        return ctx.metadata["service_name"]

    assert await run(process_workflow) == [{"dataset": "users"}, {"passed": True, "version": "1.2"}]
    _ = process_data, tests


async def test_a_conversation_as_an_entity() -> None:
    agent = entity("ConversationAgent")

    async def call_llm(history: list[dict[str, str]]) -> str:
        return f"answer {len(history)}"

    @agent.write
    async def send_message(ctx, message: str) -> dict:
        history = await ctx.get("history", [])
        history.append({"role": "user", "content": message})
        response = await call_llm(history)
        history.append({"role": "assistant", "content": response})
        ctx.set("history", history)
        return {"response": response}

    @agent.shared
    async def get_history(ctx) -> list:
        return await ctx.get("history", [])

    @function
    async def chat(ctx, conv_id: str, msg: str):
        return await ctx.entity("ConversationAgent", conv_id).send_message(msg)

    context = LocalContext(surroundings=Surroundings(entities=EntityStore()))
    assert await run(chat, {"conv_id": "conv-1", "msg": "hi"}, context=context) == {"response": "answer 1"}
    assert await run(chat, ["conv-1", "again"], context=context) == {"response": "answer 3"}
    assert len(await context.entity("ConversationAgent", "conv-1").get_history()) == 4
    assert await context.entity("ConversationAgent", "conv-2").get_history() == []
    _ = get_history


async def test_a_research_entity_and_a_workflow_entity() -> None:
    research_agent = entity("ResearchAgent")

    @research_agent.write
    async def start_research(ctx, topic: str) -> dict:
        """Initialize research task."""
        ctx.set("topic", topic)
        ctx.set("findings", [])
        ctx.set("temp_cache", 1)
        ctx.delete("temp_cache")
        return {"status": "started", "topic": topic}

    @research_agent.write
    async def add_finding(ctx, finding: str, source: str) -> dict:
        """Add research finding."""
        findings = await ctx.get("findings", [])
        findings.append({"content": finding, "source": source})
        ctx.set("findings", findings)
        return {"count": len(findings)}

    @research_agent.shared
    async def get_progress(ctx) -> dict:
        """Check research progress."""
        return {"topic": await ctx.get("topic"), "findings_count": len(await ctx.get("findings", []))}

    context = LocalContext(surroundings=Surroundings(entities=EntityStore()))
    research = context.entity("ResearchAgent", "r-1")
    await research.start_research("boats")
    assert await research.add_finding(finding="slow", source="s") == {"count": 1}
    assert await research.get_progress() == {"topic": "boats", "findings_count": 1}
    _ = start_research, add_finding, get_progress


async def test_agents_with_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/coder")
    script("coder", [tool_call("run_code", code="1 + 1"), "It prints 2."])

    @tool.function(auto_schema=True)
    def search_docs(query: str, language: str = "python") -> List[Dict]:
        """Search programming language documentation."""
        return []

    @tool.function(auto_schema=True)
    def run_code(code: str, language: str = "python") -> Dict[str, str]:
        """Execute code and return output."""
        return {"output": "2"}

    lm = LanguageModel()
    agent = Agent(
        name="coding_assistant",
        model=lm,
        instructions="""You are a coding assistant.
        Use run_code to test code examples.""",
        tools=[search_docs, run_code],
    )

    result = await agent.run("How do I add in Python? Show me an example.")

    assert result.output == "It prints 2."


async def test_a_tool_with_a_schema_of_its_own() -> None:
    async def search_function(query: str, filters: Any = None) -> list[str]:
        return [query]

    search_tool = Tool(
        name="search",
        description="Search for information",
        input_schema={
            "type": "object",
            "properties": {"query": {"type": "string", "minLength": 1}, "filters": {"type": "object"}},
            "required": ["query"],
        },
        handler=search_function,
    )
    script("searcher", [tool_call("search", query="boats"), "Found."])

    assert (await Agent(model="test/searcher", tools=[search_tool]).run("q")).output == "Found."


def test_the_schema_that_a_tool_shows() -> None:
    @tool(auto_schema=True)
    def calculate_area(length: float, width: float) -> float:
        """Calculate the area of a rectangle.

        Args:
            length: Length of the rectangle in meters
            width: Width of the rectangle in meters

        Returns:
            Area in square meters
        """
        return length * width

    assert calculate_area(5.0, 3.0) == 15.0
    assert calculate_area.description == "Calculate the area of a rectangle."
    assert calculate_area.input_schema["properties"] == {
        "length": {"type": "number", "description": "Length of the rectangle in meters"},
        "width": {"type": "number", "description": "Width of the rectangle in meters"},
    }
    assert calculate_area.input_schema["required"] == ["length", "width"]


def last_message(asked: ModelRequest) -> str:
    return asked.messages[-1].content


async def test_an_agent_handles_tool_errors_gracefully() -> None:
    @tool(auto_schema=True)
    def fetch_stock_price(symbol: str) -> Dict[str, Any]:
        """Fetch current stock price.

        Args:
            symbol: Stock ticker symbol (e.g., 'AAPL', 'GOOGL')

        Raises:
            ValueError: If symbol is invalid
        """
        raise ValueError(f"Invalid stock symbol: {symbol}")

    script("advisor", [tool_call("fetch_stock_price", symbol="X"), last_message])

    result = await Agent(name="stock_advisor", model="test/advisor", tools=[fetch_stock_price]).run("q")

    assert result.output == '{"error":"Invalid stock symbol: X"}'


async def test_an_elsai_agent() -> None:
    script("elsai", [tool_call("my_tool", param="x"), "ok"])

    @tool
    def my_tool(param: str) -> str:
        """Tool description.

        Args:
            param: Parameter description.
        """
        return param

    agent = Agent(
        "test/elsai", None, [my_tool], "Be brief.", None, None, name="Elsai Agents", description="d"
    )

    result = await agent.run("Hello")

    assert (agent.tool_names, agent.system_prompt) == (["my_tool"], "Be brief.")
    assert (result.message.role, result.stop_reason) == ("assistant", "end_turn")
