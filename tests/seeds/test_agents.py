"""The samples about agents in the documentation of agnt5, as they are written there: only imports are others.

Where the page leaves out what a sample needs (tools, a model that answers, who approves), it stands above the sample.
`...` is filled in.
"""
# ruff: noqa: F841, RET504, T201, UP006, UP035
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnusedVariable=false
# pyright: reportReturnType=false, reportDeprecated=false, reportMissingTypeArgument=false
# pyright: reportMatchNotExhaustive=false

import json
from collections.abc import Iterator
from typing import Any, Dict, List

import pytest

from towpath import (
    Agent,
    LanguageModel,
    Memory,
    ModelRequest,
    Session,
    ToolCall,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.agents.planning import Plan
from towpath.local.entity_store import ENTITIES
from towpath.memory import VectorMemoryService
from towpath.testing import VirtualPlatform
from towpath.tools import AgentTool

ASKED: list[ModelRequest] = []
"""What the model was asked in this test."""


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/assistant")
    says()
    yield
    ENTITIES.__init__()


def says(*turns: Any) -> None:
    """Have the model use each tool it has once and then answer, or say these turns."""
    ASKED.clear()

    def reply(request: ModelRequest) -> Any:
        ASKED.append(request)
        said = _said_in_turn(request)
        if turns:
            return turns[len(said)]
        left = [spec.name for spec in request.tools if spec.name not in said]
        return tool_call(left[0], **_arguments(request, left[0])) if left else "That is the answer."

    script("assistant", reply)


def _said_in_turn(request: ModelRequest) -> list[str]:
    """Tell which tools were asked for since the prompt, one name for each answer of the model."""
    last = max(number for number, message in enumerate(request.messages) if message.role == "user")
    answers = [message for message in request.messages[last:] if message.role == "assistant"]
    return [answer.tool_calls[0].name for answer in answers if answer.tool_calls]


def _arguments(request: ModelRequest, name: str) -> dict[str, Any]:
    """Give a tool what it needs: the prompt, for each text."""
    (schema,) = (spec.input_schema for spec in request.tools if spec.name == name)
    return dict.fromkeys(schema.get("required", ()), request.messages[-1].content or "it")


def tool_named(name: str) -> Any:
    def use(query: str) -> str:
        """Use it."""
        return f"{name}: done"

    use.__name__ = name
    return tool(use)


def tools_asked_for() -> list[str]:
    return [
        call.name for request in ASKED[-1:] for message in request.messages for call in message.tool_calls
    ]


# --- Basic usage ------------------------------------------------------------------------------------


async def test_simple_agent(capsys: pytest.CaptureFixture[str]) -> None:
    lm = LanguageModel()

    agent = Agent(name="assistant", model=lm, instructions="You are a helpful coding assistant.")

    # Run agent
    result = await agent.run("Explain recursion")
    print(result.output)

    assert capsys.readouterr().out == "That is the answer.\n"
    assert ASKED[0].system == "You are a helpful coding assistant."


async def test_agent_with_tools() -> None:
    search_results = [{"title": "open()"}]
    result = "file contents"

    @tool.function(auto_schema=True)
    def search_docs(query: str, language: str = "python") -> List[Dict]:
        """Search programming language documentation."""
        # Implementation
        return search_results

    @tool.function(auto_schema=True)
    def run_code(code: str, language: str = "python") -> Dict[str, str]:
        """Execute code and return output."""
        # Implementation
        return {"output": result}

    lm = LanguageModel()
    agent = Agent(
        name="coding_assistant",
        model=lm,
        instructions="""You are a coding assistant.
        Use search_docs to find API references.
        Use run_code to test code examples.""",
        tools=[search_docs, run_code],
    )

    result = await agent.run("How do I read a file in Python? Show me an example.")

    assert [call.name for call in result.tool_calls] == ["search_docs", "run_code"]
    assert '[{"title":"open()"}]' in [message.content for message in ASKED[-1].messages]


async def test_agent_with_session_and_memory() -> None:
    solve_equation_tool, plot_function_tool = tool_named("solve_equation"), tool_named("plot_function")

    # Create session
    session = Session(id="tutoring-session-789", user_id="student-123", metadata={"subject": "mathematics"})

    # Create memory
    memory = Memory(service=VectorMemoryService())
    await memory.store("student_level", "Advanced calculus")

    # Create agent
    lm = LanguageModel()
    agent = Agent(
        name="math_tutor",
        model=lm,
        instructions="You are a patient math tutor. Adapt to student's level.",
        tools=[solve_equation_tool, plot_function_tool],
        session=session,
        memory=memory,
    )

    result = await agent.run("Help me understand limits")

    assert result.output == "That is the answer."
    assert "Advanced calculus" in str(ASKED[0].system)
    assert len(await session.history()) == 6


# --- Streaming and planning -------------------------------------------------------------------------


async def test_streaming_agents(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(id="analysis-1")
    agent = Agent(name="analyst", tools=[tool_named("describe")])

    async for event in agent.stream("Analyze this dataset", session=session):
        match event.type:
            case "thinking":
                print(f"🤔 {event.content}")
            case "tool_call":
                print(f"🔧 Calling {event.tool_name}({event.arguments})")
            case "tool_result":
                print(f"✓ Result: {event.result}")
            case "response":
                print(f"💬 {event.content}")
            case "error":
                print(f"❌ Error: {event.error}")

    assert capsys.readouterr().out.splitlines() == [
        "🔧 Calling describe({'query': 'Analyze this dataset'})",
        "✓ Result: describe: done",
        "💬 That is the answer.",
    ]


async def test_agent_planning(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [
        {"description": "Collect prices", "tool": "search"},
        {"description": "Compare", "depends_on": [1]},
    ]
    script(
        "assistant",
        lambda request: json.dumps({"steps": steps}) if request.answer_schema else "They are cheaper.",
    )
    agent = Agent(name="analyst", tools=[tool_named("search")])
    result = None

    def user_approves(plan: Plan) -> bool:
        return len(plan.steps) < 10

    # Get plan without executing
    plan = agent.plan("Analyze competitor pricing strategies")

    print(f"Estimated steps: {len(plan.steps)}")
    for step in plan.steps:
        print(f"- {step.type}: {step.description}")
        if step.tool:
            print(f"  Tool: {step.tool.name}")

    # Review and execute if approved
    if user_approves(plan):
        result = await agent.run("Analyze competitor pricing strategies")

    assert capsys.readouterr().out.splitlines() == [
        "Estimated steps: 2",
        "- tool: Collect prices",
        "  Tool: search",
        "- reason: Compare",
    ]
    assert result is not None
    assert result.output == "They are cheaper."


# --- Common patterns --------------------------------------------------------------------------------


async def test_research_agent() -> None:
    @tool.function(auto_schema=True)
    def search_academic(query: str, year_from: int = 2020) -> List[Dict]:
        """Search academic papers."""
        pass  # noqa: PIE790

    @tool.function(auto_schema=True)
    def extract_insights(paper_text: str) -> Dict[str, List[str]]:
        """Extract key insights from paper."""
        pass  # noqa: PIE790

    # Create research agent
    session = Session(id="research-ai-safety-001", user_id="researcher-123")
    memory = Memory(service=VectorMemoryService())

    lm = LanguageModel()
    research_agent = Agent(
        name="research_agent",
        model=lm,
        instructions="""You are a research assistant specializing in AI safety.

        Research process:
        1. Search for relevant recent papers
        2. Extract key insights from each paper
        3. Identify common themes and gaps
        4. Synthesize findings into comprehensive summary""",
        tools=[search_academic, extract_insights],
        session=session,
        memory=memory,
    )

    result = await research_agent.run("Survey the current state of AI alignment research")

    # Store findings in memory
    script("assistant", lambda request: json.dumps([{"fact": "Alignment is young"}]))
    await memory.ingest_from_session(session, strategy="smart")

    assert [call.name for call in result.tool_calls] == ["search_academic", "extract_insights"]
    assert [found.content for found in await memory.search("alignment")] == ["Alignment is young"]


async def test_multi_agent_workflow() -> None:
    lm = LanguageModel()
    market_data_tool, competitor_analysis_tool = tool_named("market_data"), tool_named("competitor_analysis")
    design_tool, user_research_tool = tool_named("design"), tool_named("user_research")
    architecture_tool, feasibility_tool = tool_named("architecture"), tool_named("feasibility")

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

    technical_lead = Agent(
        name="tech_lead",
        model=lm,
        tools=[architecture_tool, feasibility_tool],
        session=session,
        instructions="Assess technical feasibility and propose architecture.",
    )

    # Sequential execution with shared context
    market_analysis = await market_researcher.run("Analyze market for AI-powered code review tools")

    product_specs = await product_designer.run("Design product based on market analysis")

    tech_assessment = await technical_lead.run("Evaluate technical feasibility of proposed product")

    assert tech_assessment.agent == "tech_lead"
    assert tools_asked_for() == [
        *("market_data", "competitor_analysis", "design", "user_research", "architecture", "feasibility")
    ]


async def test_agent_handoff() -> None:
    lm = LanguageModel()
    payment_tool, invoice_tool, refund_tool = (
        tool_named("payment"),
        tool_named("invoice"),
        tool_named("refund"),
    )
    diagnostic_tool, fix_tool = tool_named("diagnostic"), tool_named("fix")
    classify_request_tool = tool_named("classify_request")

    def reply(request: ModelRequest) -> Any:
        ASKED.append(request)
        said = _said_in_turn(request)
        if "specialist" not in str(request.system):
            return "You will be refunded." if "payments" in str(request.system) else "unclear"
        match said:
            case []:
                return tool_call("classify_request", query="charged twice")
            case ["classify_request"]:
                return tool_call("billing_specialist", input="The customer was charged twice")
            case _:
                return "Our billing specialist refunds you."

    script("assistant", reply)

    # Create specialized agents
    billing_agent = Agent(
        name="billing_specialist",
        model=lm,
        tools=[payment_tool, invoice_tool, refund_tool],
        instructions="Handle billing, payments, and refunds.",
    )

    technical_agent = Agent(
        name="tech_support",
        model=lm,
        tools=[diagnostic_tool, fix_tool],
        instructions="Diagnose and fix technical issues.",
    )

    # Coordinator with handoff capability
    coordinator = Agent(
        name="coordinator",
        model=lm,
        tools=[
            classify_request_tool,
            AgentTool(target_agent=billing_agent),
            AgentTool(target_agent=technical_agent),
        ],
        instructions="""You are a support coordinator.
        Classify requests and hand off to appropriate specialist.

        Hand off to:
        - billing_specialist: payment, invoice, refund questions
        - tech_support: technical issues, bugs, troubleshooting""",
    )

    session = Session(id="support-ticket-789", user_id="customer-123")
    result = await coordinator.run("I was charged twice for my subscription", session=session)

    assert result.output == "Our billing specialist refunds you."
    assert [message.content for message in ASKED[-1].messages][-1] == "You will be refunded.\n"
    assert [message.metadata["agent"] for message in await session.history()] == [
        *["billing_specialist"] * 2,
        *["coordinator"] * 6,
    ]


async def test_human_in_the_loop_agent() -> None:
    lm = LanguageModel()
    run_tests_tool = tool_named("run_tests")
    deployed: list[str] = []

    @tool.function(auto_schema=True, confirmation=True)
    def deploy_to_production(version: str) -> Dict[str, str]:
        """Deploy application to production.

        Warning: Requires human approval.
        """
        deployed.append(version)
        pass  # noqa: PIE790

    deployment_agent = Agent(
        name="deployer",
        model=lm,
        tools=[run_tests_tool, deploy_to_production],
        instructions="""Run all tests before deploying.
        Always request human approval for production deployments.""",
    )

    @workflow
    async def sample(ctx: Any) -> Any:
        result = await deployment_agent.run("Deploy version 2.0 to production")
        # Agent runs tests, then waits for human approval before deploying
        return result

    says(tool_call("run_tests", query="all"), tool_call("deploy_to_production", version="2.0"), "It is live.")
    async with VirtualPlatform() as platform:
        run = await platform.start(sample)
        (approval,), before = platform.approvals(run), [*deployed]
        await platform.approve(approval, by="ada")
        result = await run.result()

    assert tools_asked_for() == ["run_tests", "deploy_to_production"]
    assert (before, deployed, result["output"]) == ([], ["2.0"], "It is live.")


async def test_iterative_problem_solving() -> None:
    lm = LanguageModel()
    analyze_logs_tool, run_diagnostic_tool = tool_named("analyze_logs"), tool_named("run_diagnostic")
    apply_fix_tool, verify_fix_tool = tool_named("apply_fix"), tool_named("verify_fix")

    debugging_agent = Agent(
        name="debugger",
        model=lm,
        tools=[analyze_logs_tool, run_diagnostic_tool, apply_fix_tool, verify_fix_tool],
        instructions="""You are a debugging assistant.

        Process:
        1. Analyze error logs to identify root cause
        2. Run diagnostics to confirm hypothesis
        3. Apply potential fix
        4. Verify fix works
        5. If not fixed, iterate (max 3 attempts)

        Always verify fixes before considering issue resolved.""",
    )

    result = await debugging_agent.run("Users are experiencing 500 errors on the checkout page")

    assert [call.name for call in result.tool_calls] == [
        "analyze_logs",
        "run_diagnostic",
        "apply_fix",
        "verify_fix",
    ]


# --- Best practices ---------------------------------------------------------------------------------


async def test_write_clear_instructions() -> None:
    # ✓ Good - Specific process
    agent = Agent(
        name="analyst",
        instructions="""Analyze data systematically:
        1. Identify data patterns and anomalies
        2. Calculate key statistics
        3. Generate visualizations
        4. Provide actionable insights""",
    )

    # ✗ Bad - Too vague
    vague = Agent(name="helper", instructions="Help with analysis")

    await agent.run("Go")
    assert "Identify data patterns" in str(ASKED[0].system)


async def test_use_sessions_for_coordination() -> None:
    # Create shared session
    session = Session(id="project-workflow-123", user_id="user-456")

    # Set shared context
    session.set_state("project_name", "ai-safety-research")
    session.set_state("deadline", "2024-12-31")

    # All agents access shared context
    agent1 = Agent(name="agent1", session=session, instructions="Begin.")
    agent2 = Agent(name="agent2", session=session, instructions="Go on.")

    await agent1.run("Begin")
    await agent2.run("Go on")
    assert len(ASKED[-1].messages) == 3


async def test_leverage_memory() -> None:
    lm = LanguageModel()
    code_gen_tool = tool_named("code_gen")
    memory = Memory(service=VectorMemoryService())

    # Store user preferences
    await memory.store("user_expertise", "Expert in React and TypeScript")
    await memory.store("coding_style", "Prefers functional programming")

    # Agent recalls automatically
    agent = Agent(name="assistant", model=lm, tools=[code_gen_tool], memory=memory)

    result = await agent.run("Help me build a component")
    # Agent uses stored preferences

    assert "Prefers functional programming" in str(ASKED[0].system)


async def test_limit_iterations() -> None:
    lm = LanguageModel()
    script("assistant", lambda request: ToolCall(id=f"c{len(request.messages)}", name="again"))

    def again() -> str:
        """Do it again."""
        return "done"

    agent = Agent(
        name="bounded_agent",
        model=lm,
        max_iterations=5,  # Stop after 5 reasoning loops
        instructions="Solve problems efficiently.",
        tools=[again],
    )

    result = await agent.run("Go")

    assert (result.status, result.iterations) == ("max_iterations", 5)
