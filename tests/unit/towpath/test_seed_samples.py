"""The samples about agents and tools that people know from the documentation of agnt5 and elsai, as they are written there."""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# ruff: noqa: UP006, UP035

from typing import Any, Dict, List

import pytest

from towpath import (
    Agent,
    LanguageModel,
    ModelRequest,
    Tool,
    script,
    tool,
    tool_call,
)


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

    assert result.output == "Error: Invalid stock symbol: X"


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
    assert (result.message["role"], result.stop_reason) == ("assistant", "end_turn")
