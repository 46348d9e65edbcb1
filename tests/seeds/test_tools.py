"""The samples about tools in the documentation of agnt5, as they are written there: only imports are others.

Where the page leaves out what a sample needs (what a tool does, a model, who approves), it stands above the sample.
Addresses are those of servers of the test. The sample of a tool that uses the context is with those about memory.
"""
# ruff: noqa: B904, F841, PIE790, TRY300, UP006, UP035, UP045
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnusedVariable=false
# pyright: reportReturnType=false, reportDeprecated=false, reportMissingTypeArgument=false

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List, Optional

import pytest
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from towpath import Agent, LanguageModel, ModelRequest, Tool, script, tool, tool_call, worker
from towpath.testing import VirtualPlatform
from towpath.tools import HostedTool, MCPTool, OpenAPITool
from towpath.tools.confirmation import ProposedCall, confirming
from towpath.tools.openapi.requests import close_client
from towpath_testkit.web import serving

ASKED: list[ModelRequest] = []
"""What the model was asked in this test."""


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/assistant")
    says("Done.")


def says(*turns: Any) -> None:
    """Have the model say these turns."""
    ASKED.clear()

    def turn(number: int) -> Any:
        def said(request: ModelRequest) -> Any:
            ASKED.append(request)
            return turns[number]

        return said

    script("assistant", [turn(number) for number in range(len(turns))])


def told() -> list[str]:
    """What tools have told the model."""
    return [message.content for message in ASKED[-1].messages if message.role == "tool"]


def tool_named(name: str) -> Any:
    def use(query: str = "") -> str:
        """Use it."""
        return f"{name}: done"

    use.__name__ = name
    return tool(use)


# --- Basic usage ------------------------------------------------------------------------------------


def test_function_tools_with_auto_schema() -> None:
    search_results = [{"title": "Boats", "url": "https://boats.example", "snippet": "..."}]

    @tool(auto_schema=True)
    def search_web(query: str, max_results: int = 10) -> List[Dict[str, str]]:
        """Search the web for information.

        Args:
            query: The search query string
            max_results: Maximum number of results to return

        Returns:
            List of search results with title, url, and snippet
        """
        # Implementation
        return search_results

    # Schema automatically extracted
    extracted = {
        "name": "search_web",
        "description": "Search the web for information.",
        "input_schema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "The search query string"},
                "max_results": {"type": "integer", "default": 10},
            },
            "required": ["query"],
        },
    }

    properties = dict(search_web.input_schema["properties"])
    assert properties["max_results"].pop("description") == "Maximum number of results to return"
    assert search_web.name == extracted["name"]
    assert search_web.description == extracted["description"]
    assert {**search_web.input_schema, "properties": properties} == extracted["input_schema"]
    assert search_web("boats") == search_results


async def test_using_tools_with_agents() -> None:
    @tool(auto_schema=True)
    def calculate_area(length: float, width: float) -> float:
        """Calculate the area of a rectangle.

        Args:
            length: Length in meters
            width: Width in meters

        Returns:
            Area in square meters
        """
        return length * width

    lm = LanguageModel()
    agent = Agent(
        name="math_assistant",
        model=lm,
        tools=[calculate_area],
        instructions="Help users with geometry calculations.",
    )

    says(tool_call("calculate_area", length=5.0, width=3.0), "15 square meters.")
    result = await agent.run("What's the area of a 5m by 3m room?")
    # Agent automatically calls calculate_area(5.0, 3.0)

    assert (result.output, told()) == ("15 square meters.", ["15.0"])


# --- Tool types -------------------------------------------------------------------------------------


async def test_hosted_tools() -> None:
    analysis_result = {"mean": 2}

    # Define worker function
    @worker.handler
    def analyze_data(data: Dict) -> Dict:
        """Worker function for complex data analysis."""
        # Heavy computation here
        return analysis_result

    # Create hosted tool
    analysis_tool = HostedTool(
        name="analyze_data",
        description="Perform complex data analysis",
        endpoint="agnt5://data-analysis-service/analyze_data",
    )

    # Use with agent
    agent = Agent(name="analyst", tools=[analysis_tool])

    says(tool_call("analyze_data", data={"values": [1, 3]}), "2 on average.")
    await agent.run("What is the mean?")
    assert told() == ['{"mean":2}']


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[str]:
    """The address of an MCP server for files."""
    server = MCPServer("files")

    @server.tool()
    def read_file(path: str) -> str:
        return (tmp_path / path).read_text()

    @server.tool()
    def write_file(path: str, content: str) -> str:
        return f"{(tmp_path / path).write_text(content)} characters"

    @server.tool()
    def list_directory() -> str:
        return ", ".join(sorted(file.name for file in tmp_path.iterdir()))

    @server.tool()
    def format_disk() -> str:
        raise AssertionError

    async with serving(server.streamable_http_app()) as url:
        yield url


async def test_mcp_tools(files: str) -> None:
    # Connect to MCP server
    filesystem_tool = MCPTool(
        name="filesystem",
        mcp_server_url=f"{files}/mcp",
        capabilities=["read_file", "write_file", "list_directory"],
    )

    agent = Agent(name="file_assistant", tools=[filesystem_tool])

    says(
        tool_call("filesystem_write_file", path="boats.txt", content="three"),
        tool_call("filesystem_list_directory"),
        "There is one file.",
    )
    async with agent:
        await agent.run("Write down that there are three boats")
    assert told() == ["5 characters", "boats.txt"]
    assert [spec.name for spec in ASKED[0].tools] == [
        *("filesystem_read_file", "filesystem_write_file", "filesystem_list_directory")
    ]


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[Path]:
    """The document of a service like GitHub, which is running."""

    async def repository(request: Request) -> JSONResponse:
        return JSONResponse({"full_name": f"{request.path_params['owner']}/{request.path_params['repo']}"})

    async with serving(Starlette(routes=[Route("/repos/{owner}/{repo}", repository)]), lifespan="off") as url:
        named = {"in": "path", "required": True, "schema": {"type": "string"}}
        parameters = [{"name": "owner", **named}, {"name": "repo", **named}]

        def operation(name: str) -> dict[str, Any]:
            return {"operationId": name, "parameters": parameters, "responses": {}}

        issues = {"get": operation("list_issues"), "post": operation("create_issue")}
        repo = "/repos/{owner}/{repo}"
        paths = {
            repo: {"get": operation("get_repo"), "delete": operation("delete_repo")},
            f"{repo}/issues": issues,
        }
        spec = {
            "openapi": "3.1.0",
            "info": {"title": "x", "version": "1"},
            "servers": [{"url": url}],
            "paths": paths,
        }
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(spec))
        yield file
        await close_client()


async def test_openapi_tools(github: Path) -> None:
    # Create tools from OpenAPI spec
    github_tools = OpenAPITool.from_spec(
        spec_url=github, operations=["get_repo", "list_issues", "create_issue"]
    )

    agent = Agent(name="github_bot", tools=github_tools)

    says(tool_call("get_repo", owner="towpath", repo="towpath"), "It is there.")
    await agent.run("Is there a repository?")
    assert agent.tool_names == ["get_repo", "list_issues", "create_issue"]
    assert "towpath/towpath" in told()[0]


# --- Tool configuration -----------------------------------------------------------------------------


async def test_manual_schema_definition() -> None:
    def search_function(query: str, filters: Optional[Dict] = None) -> str:
        return f"found {query}"

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

    says(tool_call("search", query=""), tool_call("search", query="boats"), "Three.")
    await Agent(tools=[search_tool]).run("Search for boats")
    assert told()[0].startswith("Error: Validation failed for input parameters:")
    assert told()[1] == "found boats"


async def test_confirmation_for_dangerous_operations() -> None:
    deleted: list[str] = []
    asked: list[ProposedCall] = []

    def asks_the_user(proposed: ProposedCall) -> bool:
        asked.append(proposed)
        return True

    @tool(auto_schema=True, confirmation=True)
    def delete_database(database_name: str) -> Dict[str, str]:
        """Delete a database permanently.

        Args:
            database_name: Name of the database to delete

        Returns:
            Status of deletion operation

        Warning:
            This operation is irreversible and will delete all data.
        """
        # Requires human approval before execution
        deleted.append(database_name)
        pass

    # Agent proposes deletion but waits for approval
    agent = Agent(name="admin", tools=[delete_database])
    says(tool_call("delete_database", database_name="test"), "It is gone.")
    with confirming(asks_the_user):
        result = await agent.run("Clean up the test database")
    # User receives confirmation prompt before tool executes

    assert [(one.tool, one.arguments) for one in asked] == [("delete_database", {"database_name": "test"})]
    assert deleted == ["test"]


# --- Common patterns --------------------------------------------------------------------------------


async def test_tool_composition() -> None:
    @tool(auto_schema=True)
    def search_papers(query: str, year_from: int = 2020) -> List[Dict]:
        """Search academic papers."""
        return [{"url": f"https://papers.example/{query}"}]

    @tool(auto_schema=True)
    def download_pdf(url: str) -> bytes:
        """Download PDF document."""
        return b"%PDF-1.7"

    @tool(auto_schema=True)
    def extract_text(pdf_data: bytes) -> str:
        """Extract text from PDF."""
        return f"{len(pdf_data)} bytes of text"

    # Agent orchestrates multiple tools
    research_agent = Agent(
        name="researcher",
        tools=[search_papers, download_pdf, extract_text],
        instructions="Search papers, download them, and extract key findings.",
    )

    def next_step(request: ModelRequest) -> Any:
        ASKED.append(request)
        match [message.content for message in request.messages if message.role == "tool"]:
            case []:
                return tool_call("search_papers", query="transformers")
            case [papers]:
                return tool_call("download_pdf", url=json.loads(papers)[0]["url"])
            case [_, pdf]:
                return tool_call("extract_text", pdf_data=pdf)
            case _:
                return "They transform."

    script("assistant", next_step)
    result = await research_agent.run("Survey recent work on transformers")
    # Agent chains: search_papers → download_pdf → extract_text

    assert [call.name for call in result.tool_calls] == ["search_papers", "download_pdf", "extract_text"]
    assert told()[2] == "8 bytes of text"


async def test_tool_error_handling() -> None:
    class InvalidSymbolError(Exception): ...

    class MarketAPIError(Exception): ...

    class MarketApi:
        def get_price(self, symbol: str) -> Any:
            if symbol == "NOPE":
                raise InvalidSymbolError
            if symbol == "DOWN":
                raise MarketAPIError("maintenance")
            return SimpleNamespace(current=3.0, change=0.5)

    market_api = MarketApi()

    @tool(auto_schema=True)
    def fetch_stock_price(symbol: str) -> Dict[str, Any]:
        """Fetch current stock price.

        Args:
            symbol: Stock ticker symbol (e.g., 'AAPL', 'GOOGL')

        Returns:
            Stock price data

        Raises:
            ValueError: If symbol is invalid
            ConnectionError: If market data service is unavailable
        """
        try:
            price_data = market_api.get_price(symbol)
            return {"symbol": symbol, "price": price_data.current, "change": price_data.change}
        except InvalidSymbolError:
            raise ValueError(f"Invalid stock symbol: {symbol}")
        except MarketAPIError as e:
            raise ConnectionError(f"Market data unavailable: {e}")

    # Agent handles tool errors gracefully
    agent = Agent(name="stock_advisor", tools=[fetch_stock_price])

    says(*[tool_call("fetch_stock_price", symbol=one) for one in ("NOPE", "DOWN", "AAPL")], "3 dollars.")
    await agent.run("What does it cost?")
    assert told() == [
        "Error: Invalid stock symbol: NOPE",
        "Error: ConnectionError - Market data unavailable: maintenance",
        '{"symbol":"AAPL","price":3.0,"change":0.5}',
    ]


@pytest.mark.parametrize(("role", "tools"), [("admin", 4), ("guest", 2)])
async def test_dynamic_tool_registration(role: str, tools: int) -> None:
    user = SimpleNamespace(role=role)
    search_tool, calculate_tool = tool_named("search"), tool_named("calculate")
    delete_user_tool, modify_permissions_tool = tool_named("delete_user"), tool_named("modify_permissions")

    # Base toolset
    base_tools = [search_tool, calculate_tool]

    # Add specialized tools based on user role
    if user.role == "admin":
        admin_tools = [delete_user_tool, modify_permissions_tool]
        all_tools = base_tools + admin_tools
    else:
        all_tools = base_tools

    agent = Agent(name="assistant", tools=all_tools, instructions=f"You are assisting a {user.role}.")

    await agent.run("Hello")
    assert len(ASKED[0].tools) == tools
    assert ASKED[0].system == f"You are assisting a {role}."


# --- Best practices ---------------------------------------------------------------------------------


def test_use_type_hints_and_docstrings() -> None:
    @tool(auto_schema=True)
    def analyze_sentiment(text: str, language: str = "en", return_scores: bool = False) -> Dict[str, Any]:  # noqa: FBT001, FBT002
        """Analyze sentiment of text.

        Args:
            text: Text to analyze (minimum 10 characters)
            language: ISO language code (en, es, fr, de)
            return_scores: Include detailed confidence scores

        Returns:
            Sentiment analysis with label (positive/negative/neutral)
            and optional confidence scores
        """
        # Type hints + docstring = complete schema
        pass

    properties = analyze_sentiment.input_schema["properties"]
    assert properties["language"] == {
        "type": "string",
        "default": "en",
        "description": "ISO language code (en, es, fr, de)",
    }
    assert analyze_sentiment.input_schema["required"] == ["text"]


async def test_implement_confirmation_for_dangerous_operations() -> None:
    # Dangerous operations should require confirmation
    @tool(auto_schema=True, confirmation=True)
    def execute_code(code: str, language: str = "python") -> Dict[str, str]:
        """Execute arbitrary code in a sandboxed environment.

        Warning:
            Code execution can be dangerous. Requires explicit user approval.
        """
        pass

    @tool(auto_schema=True, confirmation=True)
    def send_email_blast(recipients: List[str], subject: str, body: str) -> Dict:
        """Send email to multiple recipients.

        Warning:
            Bulk email requires confirmation to prevent spam.
        """
        raise AssertionError("nobody has approved this")

    mailer = Agent(name="mailer", tools=[execute_code, send_email_blast])
    says(tool_call("send_email_blast", recipients=["all"], subject="Hi", body="!"), "It was refused.")
    async with VirtualPlatform() as platform:
        run = await platform.start(mailer, "Tell everybody")
        (asked,) = platform.approvals(run)
        await platform.approve(asked, decision="rejected", by="ada")
        assert (await run.result())["output"] == "It was refused."
    assert "rejected" in told()[0]
