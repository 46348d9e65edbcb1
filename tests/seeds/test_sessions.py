"""The samples about sessions in the documentation of agnt5, as they are written there: only imports are others.

Where the page leaves out what a sample needs (tools, a model), it stands above the sample. `...` is filled in.
"""
# ruff: noqa: F841
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnusedVariable=false

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from towpath import (
    Agent,
    LanguageModel,
    ModelRequest,
    Session,
    SessionError,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.local.entity_store import ENTITIES
from towpath.testing import VirtualPlatform

Sample = Callable[[], Awaitable[Any]]
Play = Callable[[Sample], Awaitable[Any]]


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/assistant")
    script("assistant", _reply)
    yield
    ENTITIES.__init__()


def _reply(request: ModelRequest) -> Any:
    """Use the first tool there is once in a turn, then tell how much was said before."""
    if request.tools and request.messages[-1].role == "user":
        return tool_call(request.tools[0].name, query=request.messages[-1].content)
    return f"answer to {len(request.messages)} messages"


async def _in_a_script(sample: Sample) -> Any:
    return await sample()


async def _in_a_run(sample: Sample) -> Any:
    @workflow
    async def played(ctx: Any) -> Any:
        return await sample()

    async with VirtualPlatform(always_replay=True) as platform:
        return await platform.run(played)


@pytest.fixture(params=[_in_a_script, _in_a_run])
def play(request: pytest.FixtureRequest) -> Play:
    """Play a sample as a plain script, and in a run that goes on from its journal after every act."""
    return request.param


def tool_named(name: str) -> Any:
    def search(query: str) -> str:
        """Search."""
        return f"{name} found 3"

    search.__name__ = name
    return tool(search)


# --- Basic usage ----------------------------------------------------------------------------------


async def test_creating_a_session(play: Play) -> None:
    async def sample() -> Any:
        # Create session with user context
        session = Session(
            id="conv-2024-001",
            app_name="research_assistant",
            user_id="user-123",
            metadata={"project": "ai-safety-research"},
        )

        # Managing messages: the page has lost its sample; its table names send_message and history
        await session.send_message("What is AI safety?")
        await session.send_message("A field of research.", role="assistant")
        return [[msg.role, msg.content] for msg in await session.history()]

    assert await play(sample) == [["user", "What is AI safety?"], ["assistant", "A field of research."]]


async def test_scoped_state_management(play: Play) -> None:
    async def sample() -> Any:
        session = Session(id="conv-2024-001", app_name="research_assistant", user_id="user-123")

        # Session scope - conversation-specific (default)
        session.set_state("shopping_cart", ["item1", "item2"])
        session.set_state("current_step", "checkout")

        # User scope - persists across all user sessions
        session.set_state("language", "English", scope="user")
        session.set_state("timezone", "America/Los_Angeles", scope="user")

        # App scope - application-wide global state
        session.set_state("api_version", "v2", scope="app")
        session.set_state("feature_flags", {"new_ui": True}, scope="app")

        # Temp scope - temporary invocation-specific
        session.set_state("processing_step", "validation", scope="temp")

        await session.flush()
        other = Session(id="conv-2024-002", app_name="research_assistant", user_id="user-123")
        await other.load()
        return [
            session.get_state("shopping_cart"),
            session.get_state("processing_step", scope="temp"),
            other.get_state("shopping_cart"),
            other.get_state("timezone", scope="user"),
            other.get_state("feature_flags", scope="app"),
        ]

    found = await play(sample)

    assert found == [["item1", "item2"], "validation", None, "America/Los_Angeles", {"new_ui": True}]


async def test_integration_with_agents() -> None:
    search_kb_tool, create_ticket_tool = tool_named("search_kb"), tool_named("create_ticket")

    # Create session
    session = Session(
        id="support-ticket-456",
        user_id="customer-789",
        metadata={"ticket_type": "billing"},
    )

    # Create agent with session
    lm = LanguageModel()
    agent = Agent(
        name="support_agent",
        model=lm,
        instructions="You are a helpful customer support agent.",
        tools=[search_kb_tool, create_ticket_tool],
        session=session,
    )

    # Agent automatically uses session for context
    result = await agent.run("I need help with my recent charge")

    # Session maintains full conversation history
    history = await session.history()

    assert [msg.role for msg in history] == ["user", "assistant", "tool", "assistant"]
    assert (history[0].content, history[-1].content) == ("I need help with my recent charge", result.output)


# --- Common patterns ------------------------------------------------------------------------------


async def test_multi_agent_coordination() -> None:
    paper_search, github_search = tool_named("paper_search"), tool_named("github_search")
    document_tool = tool_named("document")

    # Create shared session
    session = Session(
        id="research-workflow-001",
        user_id="researcher-123",
        metadata={"project": "quantum-computing-review"},
    )

    # Set shared context
    session.set_state("research_topic", "quantum error correction")
    session.set_state("target_depth", "comprehensive")

    # Multiple specialized agents work together
    literature_agent = Agent(name="literature_reviewer", session=session, tools=[paper_search])

    code_agent = Agent(name="code_analyzer", session=session, tools=[github_search])

    synthesis_agent = Agent(name="synthesizer", session=session, tools=[document_tool])

    # Execute research pipeline
    papers = await literature_agent.run("Find recent papers")
    implementations = await code_agent.run("Find implementations")
    report = await synthesis_agent.run("Synthesize findings")

    # All agents see shared context and each other's work
    full_history = await session.history()

    assert len(full_history) == 12
    assert [one.output for one in (papers, implementations, report)] == [
        "answer to 3 messages",
        "answer to 7 messages",
        "answer to 11 messages",
    ]
    assert session.get_state("research_topic") == "quantum error correction"


@pytest.mark.parametrize(
    ("category", "specialist"), [("billing", "billing_specialist"), ("technical", "tech_support")]
)
async def test_agent_handoff_pattern(category: str, specialist: str) -> None:
    script("assistant", lambda request: json.dumps({"category": category}))
    classification_tool = tool_named("classification")
    billing_tools = [tool_named("refund")]
    result = None

    session = Session(id="customer-inquiry-789", user_id="customer-456")

    # Coordinator routes to appropriate specialist
    coordinator = Agent(
        name="router",
        session=session,
        tools=[classification_tool],
    )
    routing = await coordinator.run("How do I upgrade my subscription?")

    if routing.category == "billing":
        # Billing agent gets full conversation context
        billing_agent = Agent(
            name="billing_specialist",
            session=session,
            tools=[billing_tools],
        )
        result = await billing_agent.run("Continue from coordinator's analysis")
        # billing_agent sees all previous messages

    elif routing.category == "technical":
        tech_agent = Agent(
            name="tech_support",
            session=session,
        )
        result = await tech_agent.run("Handle technical inquiry")

    assert result is not None
    assert result.agent == specialist
    assert [msg.metadata["agent"] for msg in await session.history()] == [*["router"] * 2, *[specialist] * 2]


async def test_session_export_and_audit() -> None:
    # Create session with audit metadata
    session = Session(
        id="compliance-audit-001",
        user_id="analyst-789",
        metadata={
            "regulation": "SOC2",
            "audit_period": "Q4-2024",
            "auditor": "external-firm",
        },
        retention={"ttl_days": 730},  # 2 years
    )

    # Conduct conversation with full tracking
    agent = Agent(name="data_analyst", session=session)
    await agent.run("Analyze user access patterns")

    # Export session for compliance review
    jsonl_export = await session.export(format="jsonl")
    # Each line contains: timestamp, role, message, metadata, tool_calls

    # Query specific events
    recent_events = await session.events(since="2024-01-01", limit=100)

    # Prune old messages while keeping metadata
    await session.prune(strategy="keep_last_50")

    lines = [json.loads(line) for line in jsonl_export.splitlines()]
    assert [line.keys() for line in lines] == [{"timestamp", "role", "message", "metadata", "tool_calls"}] * 2
    assert len(recent_events) == 2


async def test_long_running_sessions_with_pruning(play: Play) -> None:
    important = script("important", lambda request: "[0, 1]" if "numbers" in str(request.system) else "short")

    async def sample() -> Any:
        # Create session with automatic pruning
        session = Session(
            id="long-conversation-456",
            user_id="user-123",
            metadata={"type": "ongoing_project"},
        )
        for number in range(8):
            await session.send_message(f"message {number}")

        # After many interactions, prune intelligently
        await session.prune(strategy="keep_important")  # Uses LLM
        after = len(await session.history())
        await session.prune(strategy="sliding_window", window_size=100)
        await session.prune(strategy="summarize_old", threshold=50)
        return [after, len(await session.history())]

    script("assistant", lambda request: "[0, 1]")

    # Session remains performant even with thousands of messages
    assert await play(sample) == [3, 3]


# --- Best practices -------------------------------------------------------------------------------


async def test_use_appropriate_state_scopes(play: Play) -> None:
    async def sample() -> Any:
        session = Session(id="conv-1", app_name="shop", user_id="user-123")
        document_content, flags = "text", {"new_ui": True}

        # ✓ Session scope - conversation-specific
        session.set_state("current_page", 3)
        session.set_state("draft_document", document_content)

        # ✓ User scope - user preferences
        session.set_state("theme", "dark", scope="user")
        session.set_state("notification_preference", "email", scope="user")

        # ✓ App scope - global configuration
        session.set_state("rate_limit", 1000, scope="app")
        session.set_state("feature_flags", flags, scope="app")

        # ✓ Temp scope - transient data
        session.set_state("validation_step", "in_progress", scope="temp")
        return [session.get_state("current_page"), session.get_state("rate_limit", scope="app")]

    assert await play(sample) == [3, 1000]


async def test_design_for_multi_agent_coordination(play: Play) -> None:
    async def sample() -> Any:
        session = Session(id="conv-1")

        # Good - Clear coordination structure
        session.set_state("workflow_stage", "research")
        session.set_state(
            "agent_outputs",
            {
                "researcher": {"status": "completed", "findings": ["a", "b"]},
                "analyzer": {"status": "in_progress"},
                "writer": {"status": "pending"},
            },
        )

        # Agents can check dependencies
        current_stage = session.get_state("workflow_stage")
        researcher_output = session.get_state("agent_outputs")["researcher"]
        return [current_stage, researcher_output["findings"]]

    assert await play(sample) == ["research", ["a", "b"]]


async def test_implement_retention_strategies() -> None:
    # For regulated industries
    session = Session(
        id="medical-consultation",
        retention={
            "ttl_days": 2555,  # Legal requirement
            "immutable": True,
        },
    )

    # For ephemeral conversations
    ephemeral = Session(
        id="temp-chat",
        retention={
            "ttl_days": 1,  # Delete after 1 day
            "auto_prune": True,
        },
    )

    await session.send_message("My head aches")
    with pytest.raises(SessionError, match="immutable"):
        await session.prune(strategy="keep_last_50")
    for number in range(105):
        await ephemeral.send_message(str(number))
    assert len(await ephemeral.history()) == 100


# --- Sessions on the page about agents ------------------------------------------------------------


async def test_multi_agent_workflow() -> None:
    lm = LanguageModel()
    market_data_tool, competitor_analysis_tool = tool_named("market_data"), tool_named("competitor_analysis")
    design_tool, user_research_tool = tool_named("design"), tool_named("user_research")

    # Shared session for coordination
    session = Session(id="product-launch-001", user_id="pm-456")

    # Specialized agents
    market_researcher = Agent(
        name="market_analyst",
        model=lm,
        tools=[market_data_tool, competitor_analysis_tool],
        session=session,
        instructions="Analyze market opportunities and competitive landscape.",
    )

    product_designer = Agent(
        name="designer",
        model=lm,
        tools=[design_tool, user_research_tool],
        session=session,
        instructions="Design products based on market research and user needs.",
    )

    # Sequential execution with shared context
    market_analysis = await market_researcher.run("Analyze market for AI-powered code review tools")

    product_specs = await product_designer.run("Design product based on market analysis")

    assert market_analysis.output == "answer to 3 messages"
    assert product_specs.output == "answer to 7 messages"


async def test_a_session_that_is_given_to_the_run() -> None:
    coordinator = Agent(name="coordinator", model=LanguageModel())

    session = Session(id="support-ticket-789", user_id="customer-123")
    result = await coordinator.run("I was charged twice for my subscription", session=session)

    assert [msg.content for msg in await session.history()][-1] == result.output


async def test_use_sessions_for_coordination() -> None:
    # Create shared session
    session = Session(id="project-workflow-123", user_id="user-456")

    # Set shared context
    session.set_state("project_name", "ai-safety-research")
    session.set_state("deadline", "2024-12-31")

    # All agents access shared context
    agent1 = Agent(name="agent1", session=session)
    agent2 = Agent(name="agent2", session=session)

    await agent1.run("Begin")
    await agent2.run("Go on")

    elsewhere = Session(id="project-workflow-123", user_id="user-456")
    await elsewhere.load()
    assert elsewhere.get_state("deadline") == "2024-12-31"
    assert len(await elsewhere.history()) == 4
