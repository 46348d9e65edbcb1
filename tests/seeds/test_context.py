"""The samples about the context in the documentation of agnt5, as they are written there: only imports are others.

Where the page has lost a sample, it is the one of the same heading in its repository's `docs/context.md`.
"""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnusedVariable=false
# ruff: noqa: F841, G004, G201, RET504, TRY300

import json
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from towpath import LocalContext, ModelReply, ModelRequest, function, script, tool_call
from towpath.components import REGISTRY
from towpath.definitions import component_of
from towpath.engine.execution import execute
from towpath.errors import ComponentError
from towpath.local import run
from towpath.testing import VirtualPlatform
from towpath_testkit.held import held
from towpath_testkit.journals import run_started
from towpath_testkit.recorded import Recorded, recorded_telemetry

Play = Callable[..., Awaitable[Any]]


async def _in_this_process(sample: Any, payload: Any, headers: Mapping[str, str]) -> Any:
    context = LocalContext()
    context.request_headers = headers
    return await run(sample, payload, context=context)


async def _on_a_journaled_run(sample: Any, payload: Any, headers: Mapping[str, str]) -> Any:
    component = component_of(sample)
    assert component is not None
    begun = run_started(component.name, component_kind="function", input=payload, headers=dict(headers))
    finished = await execute(held(history=[(0, begun)]), REGISTRY)
    assert finished.failure is None, finished.failure
    return finished.result


@pytest.fixture(params=[_in_this_process, _on_a_journaled_run])
def play(request: pytest.FixtureRequest) -> Play:
    """Run a sample in both ways in which a component may run."""

    async def played(sample: Any, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        return await request.param(sample, payload, headers or {})

    return played


@pytest.fixture(autouse=True)
def default_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/gpt-4o")


@pytest.fixture
def recorded() -> Generator[Recorded]:
    with recorded_telemetry() as telemetry:
        yield telemetry


# --- AI integration ---------------------------------------------------------------------------------


async def test_llm_generation(play: Play) -> None:
    asked: list[ModelRequest] = []

    def gpt(request: ModelRequest) -> str:
        asked.append(request)
        return '{"name": "Ada", "age": 36}' if request.answer_schema is not None else "It is a machine."

    script("gpt-4o-mini", gpt)
    script("gpt-4", gpt)

    @function
    async def generate(ctx) -> list:
        # Simple text generation
        response = await ctx.llm.generate(
            prompt="Explain quantum computing in simple terms",
            model="gpt-4o-mini",
        )
        text = response.text

        # Chat-style conversation
        response = await ctx.llm.generate(
            prompt=[
                {"role": "system", "content": "You are a helpful assistant"},
                {"role": "user", "content": "Explain quantum computing"},
            ],
            model="gpt-4",
        )
        chat = response.text

        # Structured JSON output
        response = await ctx.llm.generate(
            prompt="Extract key information from this text: ...",
            response_format="json",
            model="gpt-4o-mini",
        )
        extracted = response.object  # Parsed JSON object

        # JSON Schema-constrained responses
        response = await ctx.llm.generate(
            prompt="Create a user profile",
            schema={
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name", "age"],
            },
            model="gpt-4o-mini",
        )
        return [text, chat, extracted, response.object]

    ada = {"name": "Ada", "age": 36}
    assert await play(generate, {}) == ["It is a machine.", "It is a machine.", ada, ada]
    assert [one.role for one in asked[1].messages] == ["system", "user"]
    assert (asked[3].answer_schema or {})["required"] == ["name", "age"]


async def test_streaming(play: Play) -> None:
    script("gpt-4o", lambda request: "Once upon a time.")

    @function
    async def stream_story(ctx, topic: str):
        # Stream text generation
        async for chunk in await ctx.llm.stream(
            prompt=f"Write a story about {topic}",
            model="gpt-4o",
        ):
            if chunk.text:
                yield chunk.text  # Stream to client

    assert await play(stream_story, {"topic": "rivers"}) == ["Once ", "upon ", "a ", "time."]


async def test_tool_registration(play: Play) -> None:
    asked: list[ModelRequest] = []

    def gpt(request: ModelRequest) -> str:
        asked.append(request)
        return "Searched."

    script("gpt-4o", gpt)

    async def perform_search(query: str, max_results: int = 5) -> list:
        return []

    @function
    async def agent_with_tools(ctx, query: str):
        # Register search tool
        search_tool = ctx.tools.register(
            "web_search",
            handler=perform_search,
            description="Search the web for information",
            schema={
                "type": "object",
                "properties": {
                    "query": {"type": "string"},
                    "max_results": {"type": "integer"},
                },
            },
        )

        # Generate with tool
        response = await ctx.llm.generate(
            prompt=query,
            tools=[search_tool],
            model="gpt-4o",
        )

        return response

    response = await play(agent_with_tools, {"query": "What is new?"})

    assert _plain(response)["text"] == "Searched."
    (told,) = asked[0].tools
    assert (told.name, told.description) == ("web_search", "Search the web for information")
    assert told.input_schema["properties"]["max_results"] == {"type": "integer"}


async def test_llm_with_tool_execution(play: Play) -> None:
    done: list[str] = []
    asks = ModelReply(
        tool_calls=(
            tool_call("search", query="AI").model_copy(update={"id": "1"}),
            tool_call("calculator", expression="25 * 4").model_copy(update={"id": "2"}),
        )
    )
    script("gpt-4o", [asks])

    async def search_web(query: str) -> list:
        done.append(f"searched {query}")
        return []

    def calculate(expression: str) -> int:
        done.append(f"calculated {expression}")
        return 100

    @function
    async def agent_handler(ctx, query: str):
        # Register tools
        search = ctx.tools.register("search", handler=search_web, description="Search.")
        calc = ctx.tools.register("calculator", handler=calculate, description="Calculate.")

        # Generate with tools
        response = await ctx.llm.generate(
            prompt=query,
            tools=[search, calc],
            model="gpt-4o",
        )

        # Execute tool calls if needed
        if response.tool_calls:
            for tool_call in response.tool_calls:
                handler = ctx.tools.handler(tool_call.name)
                await handler(**tool_call.arguments)

        return response

    response = await play(agent_handler, {"query": "What is 25 * 4, and what is new about AI?"})

    assert done == ["searched AI", "calculated 25 * 4"]
    assert [call["name"] for call in _plain(response)["tool_calls"]] == ["search", "calculator"]


def _plain(response: Any) -> Any:
    """Read a response as a caller in another process does."""
    return response if isinstance(response, dict) else json.loads(response.model_dump_json())


# --- Observability ----------------------------------------------------------------------------------


async def test_logging(platform: VirtualPlatform) -> None:
    def process(data: dict) -> list:
        return [1 / len(data)]

    @function
    async def tracked_operation(ctx, data: dict):
        logger = ctx.log()

        logger.info("Processing started", extra={"data_size": len(data)})

        try:
            result = process(data)
            logger.info("Processing completed", extra={"result_size": len(result)})
            return result
        except Exception as e:
            logger.error("Processing failed", exc_info=True)
            raise

    with capture_logs() as lines:
        await platform.run(tracked_operation, {"data": {"a": 1}})
        with pytest.raises(ComponentError, match="division by zero"):
            await platform.run(tracked_operation, {"data": {}})

    said = [line for line in lines if line["event"].startswith("Processing")]
    tried = [("Processing started", 0, None), ("Processing failed", None, None)]
    assert [(line["event"], line.get("data_size"), line.get("result_size")) for line in said] == [
        ("Processing started", 1, None),
        ("Processing completed", None, 1),
        *tried * 3,  # which is how often a function is tried
    ]
    assert [line.get("exc_info") for line in said if line["log_level"] == "error"] == [True] * 3


async def test_metrics(play: Play, recorded: Recorded) -> None:
    async def process_request(request: dict) -> dict:
        return request

    @function
    async def monitored_function(ctx, request: dict):
        metrics = ctx.metrics()

        # Increment counter
        metrics.increment("requests.count", service="api")

        # Record timing
        start = time.time()
        result = await process_request(request)
        duration = (time.time() - start) * 1000

        metrics.observe("latency.ms", duration, endpoint="/api/process")

        return result

    assert await play(monitored_function, {"request": {"a": 1}}) == {"a": 1}
    (count, of_count), (latency, of_latency) = recorded.measured("requests.count", "latency.ms")
    assert (count, of_count["service"], of_count["towpath.component"]) == (1, "api", "monitored_function")
    assert 0 <= latency < 1000
    assert (of_latency["endpoint"], of_latency["towpath.component"]) == ("/api/process", "monitored_function")


async def test_distributed_tracing(play: Play, recorded: Recorded) -> None:
    saved: list[Any] = []

    async def call_payment_api(data: dict) -> dict:
        return {"paid": data["amount"]}

    async def save_to_db(result: dict) -> None:
        saved.append(result)

    @function
    async def traced_operation(ctx, data: dict):
        # Create span for external API call
        with ctx.trace_span().start("external_api_call", service="payments"):
            result = await call_payment_api(data)

        # Create span for database operation
        with ctx.trace_span().start("database_query", service="postgres"):
            await save_to_db(result)

        return result

    assert await play(traced_operation, {"data": {"amount": 5}}) == {"paid": 5}
    assert [(span.name, dict(span.attributes or {})) for span in recorded.spans] == [
        ("external_api_call", {"service": "payments"}),
        ("database_query", {"service": "postgres"}),
    ]
    assert saved == [{"paid": 5}]


# --- Configuration and secrets ----------------------------------------------------------------------


async def test_secrets(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_OPENAI_API_KEY", "sk-of-the-test")
    monkeypatch.setenv("TOWPATH_SECRET_DATABASE_PASSWORD", "rosebud-of-the-test")
    used: list[str] = []

    async def make_request(endpoint: str, api_key: str) -> str:
        used.append(f"Bearer {api_key}")
        return "ok"

    @function
    async def api_call(ctx, endpoint: str):
        # Get API key from secrets
        api_key = ctx.secrets().get("openai_api_key")
        db_password = ctx.secrets().get("database_password")

        # Use secrets in API calls
        response = await make_request(endpoint, api_key=api_key)
        return response

    assert await play(api_call, {"endpoint": "/v1/models"}) == "ok"
    assert used == ["Bearer sk-of-the-test"]
    monkeypatch.delenv("TOWPATH_SECRET_DATABASE_PASSWORD")
    with pytest.raises((ComponentError, AssertionError), match="database_password"):
        await play(api_call, {"endpoint": "/v1/models"})


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({}, "legacy"),
        ({"TOWPATH_CONFIG_NEW_FEATURE_ENABLED": "true"}, "new"),
        ({"TOWPATH_CONFIG_EXPERIMENT_GROUP": "treatment"}, "experimental"),
        ({"TOWPATH_CONFIG_EXPERIMENT_GROUP": '{"treatment": 1, "control": 0}'}, "experimental"),
    ],
    ids=["nothing", "flag", "variant", "split"],
)
async def test_configuration(
    play: Play, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], path: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    async def new_implementation(data: dict) -> str:
        return "new"

    async def experimental_flow(data: dict) -> str:
        return "experimental"

    async def legacy_implementation(data: dict) -> str:
        return "legacy"

    @function
    async def feature_gated_handler(ctx, data: dict):
        config = ctx.config()

        # Check feature flag
        if config.get("new_feature_enabled", default=False):
            return await new_implementation(data)

        # A/B testing variant
        variant = config.variant("experiment_group", default="control")
        if variant == "treatment":
            return await experimental_flow(data)
        # the sample returns here before it asks for the variant, which could not be reached then
        return await legacy_implementation(data)

    assert await play(feature_gated_handler, {"data": {}}) == path


async def test_request_headers(platform: VirtualPlatform) -> None:
    @function
    async def header_aware(ctx, data: dict):
        headers = ctx.headers()

        user_agent = headers.get("user-agent", "unknown")
        correlation_id = headers.get("x-correlation-id")

        logger = ctx.log()
        logger.info(f"Request from {user_agent}", extra={"correlation_id": correlation_id})

        return {"processed": True}

    headers = {"User-Agent": "curl/8", "X-Correlation-Id": "c-7"}
    with capture_logs() as lines:
        told = await platform.start(header_aware, {"data": {}}, headers=headers)
        assert await told.result() == await platform.run(header_aware, {"data": {}}) == {"processed": True}

    assert [(line["event"], line["correlation_id"]) for line in lines] == [
        ("Request from curl/8", "c-7"),
        ("Request from unknown", None),
    ]


async def test_context_properties(play: Play) -> None:
    @function
    async def introspective(ctx, data: dict):
        return {
            "run_id": ctx.run_id,  # Workflow/run identifier
            "step_id": ctx.step_id,  # Current step identifier
            "attempt": ctx.attempt,  # Retry attempt number
            "component_type": ctx.component_type,  # "function", "entity", "workflow"
            "object_id": ctx.object_id,  # Entity key (for entities)
            "method_name": ctx.method_name,  # Entity method name (for entities)
            "processed": data,
        }

    said = await play(introspective, {"data": {"a": 1}})

    assert said.pop("run_id")
    assert said == {
        "step_id": None,
        "attempt": 1,
        "component_type": "function",
        "object_id": None,
        "method_name": None,
        "processed": {"a": 1},
    }
