"""The samples about memory in the documentation of agnt5, as they are written there: only imports are others.

Where the page leaves out what a sample needs (tools, a model, a session), it stands above the sample. They run with the
embedding model that is used where none is named. Each is played in a plain script and in a journaled run.
"""
# ruff: noqa: DTZ005, ERA001, F841, RET504, TID251, UP006
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnusedVariable=false
# pyright: reportMissingTypeArgument=false, reportDeprecated=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any, Dict, List  # noqa: UP035

import pytest

from towpath import (
    Agent,
    Context,
    LanguageModel,
    Memory,
    ModelRequest,
    Session,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.local.entity_store import ENTITIES
from towpath.memory import VectorMemoryService
from towpath.testing import VirtualPlatform
from towpath_schemas.attribution import AttributionClaim

Sample = Callable[[], Awaitable[Any]]
Play = Callable[[Sample], Awaitable[Any]]

ASKED: list[ModelRequest] = []
"""What the model was asked in this test."""


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/assistant")
    script("assistant", _reply)
    ASKED.clear()
    yield
    ENTITIES.__init__()


FACTS = [
    "User building recommendation system for e-commerce",
    "System requirements: 10M users, <100ms latency",
    "Team expertise: Python, Go",
]


def _reply(request: ModelRequest) -> Any:
    """Find the facts in a conversation, where asked for them; else answer in few words."""
    ASKED.append(request)
    if request.answer_schema is not None:
        return json.dumps([{"fact": fact} for fact in FACTS])
    if request.messages[0].content.startswith("Summarize"):
        return "They talked about boats."
    return "Let us see."


async def _in_a_script(sample: Sample) -> Any:
    return await sample()


async def _in_a_run(sample: Sample) -> Any:
    @workflow
    async def played(ctx: Any) -> Any:
        return await sample()

    async with VirtualPlatform() as platform:
        return await platform.run(played)


@pytest.fixture(params=[_in_a_script, _in_a_run])
def play(request: pytest.FixtureRequest) -> Play:
    """Play a sample in both ways in which it may run."""
    return request.param


def told() -> list[str]:
    """What the model was told first in each turn."""
    return [request.system or "" for request in ASKED]


# --- Tool with context access -----------------------------------------------------------------------


async def test_tool_with_context_access() -> None:
    @tool(auto_schema=True)
    async def store_memory(ctx: Context, key: str, value: str) -> Dict[str, str]:
        """Store information in long-term memory.

        Args:
            ctx: Execution context (automatically provided)
            key: Memory key
            value: Content to store

        Returns:
            Confirmation of storage
        """
        # Access context for durable storage
        await ctx.memory.set(key, value)

        return {
            "status": "stored",
            "key": key,
            "timestamp": ctx.now(),
        }

    # Context is automatically injected when tool is called
    agent = Agent(name="memory_agent", tools=[store_memory])

    script("assistant", [tool_call("store_memory", key="boat", value="Sails a small boat"), "Noted."])

    @workflow
    async def knows(ctx: Context) -> Any:
        return await ctx.memory.get("boat")

    async with VirtualPlatform() as platform:
        ada, bob = AttributionClaim(user_id="ada"), AttributionClaim(user_id="bob")
        assert (await platform.run(agent, "I have a boat", attribution=ada))["output"] == "Noted."
        assert await platform.run(knows, attribution=ada) == "Sails a small boat"
        assert await platform.run(knows, attribution=bob) is None

    await agent.run("I have a boat")
    assert (await Memory().recall("boat"))[0].content == "Sails a small boat"


# --- Basic usage ------------------------------------------------------------------------------------


async def test_storing_and_retrieving_memories(play: Play) -> None:
    async def sample() -> Any:
        memory = Memory(service=VectorMemoryService())
        printed: list[str] = []
        print = printed.append  # noqa: A001

        # Store individual memories
        await memory.store(
            key="user_role",
            content="Senior Software Engineer specializing in distributed systems",
            type="user_info",
            confidence=0.95,
        )

        await memory.store(
            key="project_context",
            content="Building a real-time analytics platform for financial data",
            type="project_info",
        )

        # Retrieve specific memories
        memories = await memory.recall(["user_role", "project_context"])
        for mem in memories:
            print(f"{mem.key}: {mem.content}")

        # Search using natural language
        results = await memory.search(
            query="What does the user know about databases?",
            limit=5,
        )

        for result in results:
            print(f"Score: {result.score:.2f}")
            print(f"Content: {result.content}")
            print(f"Source: {result.metadata.get('source_session')}")

        return printed

    printed = await play(sample)

    assert printed[:2] == [
        "user_role: Senior Software Engineer specializing in distributed systems",
        "project_context: Building a real-time analytics platform for financial data",
    ]
    assert [line.partition(":")[0] for line in printed[2:]] == ["Score", "Content", "Source"] * 2


async def test_integration_with_agents(play: Play) -> None:
    async def sample() -> None:
        # Create memory
        memory = Memory(service=VectorMemoryService())

        # Store long-term knowledge
        await memory.store("user_expertise", "PhD in Machine Learning, specializes in NLP")
        await memory.store("preferred_tools", "Prefers PyTorch over TensorFlow")

        # First conversation
        session1 = Session(id="conv-001", user_id="researcher-123")
        lm = LanguageModel()
        agent = Agent(name="assistant", model=lm, memory=memory, session=session1)
        await agent.run("Help me implement attention mechanisms")
        # Agent recalls user's ML expertise and PyTorch preference

        # Later conversation (different session)
        session2 = Session(id="conv-042", user_id="researcher-123")
        agent2 = Agent(name="assistant2", model=lm, memory=memory, session=session2)
        await agent2.run("Review my transformer code")
        # Agent still remembers user's background and preferences

    await play(sample)

    assert len(told()) == 2
    for system in told():
        assert "PhD in Machine Learning" in system
        assert "Prefers PyTorch" in system


# --- Smart ingestion --------------------------------------------------------------------------------


async def test_smart_ingestion(play: Play) -> None:
    async def sample() -> Any:
        memory = Memory(service=VectorMemoryService())

        # Agent conversation
        session = Session(id="consultation-123", user_id="user-456")
        agent = Agent(name="advisor", memory=memory, session=session)

        await agent.run("I'm building a recommendation system for e-commerce")
        await agent.run("We have 10 million users and need sub-100ms latency")
        await agent.run("Our team is experienced with Python and Go")

        # Extract and store important facts
        memory_keys = await memory.ingest_from_session(
            session,
            strategy="smart",  # Uses LLM to identify important facts
        )

        # Memory now contains:
        # - "User building recommendation system for e-commerce"
        # - "System requirements: 10M users, <100ms latency"
        # - "Team expertise: Python, Go"

        # Future conversations automatically recall these facts
        await agent.run("Which languages would suit our recommendation system?")
        return [one.content for one in await memory.recall(memory_keys, user_id="user-456")]

    assert await play(sample) == FACTS
    assert "- Team expertise: Python, Go" in told()[-1]
    assert "- User building recommendation system" in told()[-1]


# --- Common patterns --------------------------------------------------------------------------------


class UserProfileMemory:
    def __init__(self, user_id: str, memory: Memory):
        self.user_id = user_id
        self.memory = memory
        self.prefix = f"user_{user_id}_"

    async def store_preference(self, category: str, value: str):
        """Store user preference."""
        await self.memory.store(
            key=f"{self.prefix}pref_{category}",
            content=value,
            type="preference",
            user_id=self.user_id,
        )

    async def store_expertise(self, domain: str, level: str, details: str):
        """Store user expertise."""
        await self.memory.store(
            key=f"{self.prefix}expertise_{domain}",
            content=f"{level} expertise in {domain}: {details}",
            type="expertise",
            user_id=self.user_id,
        )

    async def get_profile(self) -> Dict[str, Any]:
        """Retrieve complete user profile."""
        results = await self.memory.search(
            query=f"user {self.user_id} profile preferences expertise",
            limit=50,
        )

        profile = {
            "preferences": {},
            "expertise": {},
            "context": [],
        }

        for result in results:
            if result.metadata.get("type") == "preference":
                category = result.key.replace(f"{self.prefix}pref_", "")
                profile["preferences"][category] = result.content
            elif result.metadata.get("type") == "expertise":
                domain = result.key.replace(f"{self.prefix}expertise_", "")
                profile["expertise"][domain] = result.content

        return profile


async def _user_profile() -> Any:
    memory = Memory(service=VectorMemoryService())

    # Usage
    user_memory = UserProfileMemory("user-123", memory)
    await user_memory.store_preference("language", "Python")
    await user_memory.store_expertise("ml", "advanced", "10+ years in NLP")

    profile = await user_memory.get_profile()
    return profile


PROFILE = {
    "preferences": {"language": "Python"},
    "expertise": {"ml": "advanced expertise in ml: 10+ years in NLP"},
    "context": [],
}


async def test_user_profile_memory() -> None:
    assert await _user_profile() == PROFILE


async def test_user_profile_memory_in_a_run_of_this_user() -> None:
    @workflow
    async def played(ctx: Any) -> Any:
        return await _user_profile()

    async with VirtualPlatform() as platform:
        assert await platform.run(played, attribution=AttributionClaim(user_id="user-123")) == PROFILE


async def archive_session_to_memory(
    session: Session,
    memory: Memory,
    summary_threshold: int = 50,
):
    """Archive long sessions as summaries in memory."""

    history = await session.history()

    if len(history) > summary_threshold:
        # Generate comprehensive summary
        from towpath import LanguageModel  # noqa: PLC0415

        lm = LanguageModel()
        conversation = "\n".join([f"{msg.role}: {msg.content}" for msg in history])

        summary = await lm.generate(
            prompt=f"""Summarize this conversation in 2-3 paragraphs.
            Focus on key decisions, important facts, and outcomes.

            Conversation:
            {conversation}

            Summary:""",
            max_tokens=300,
        )

        # Store summary in memory
        await memory.store(
            key=f"session_summary_{session.id}",
            content=summary.text,
            type="session_summary",
            session_id=session.id,
            user_id=session.user_id,
            message_count=len(history),
        )

        # Optionally prune session to save space
        await session.prune(strategy="keep_summary")


async def test_conversation_summarization(play: Play) -> None:
    async def sample() -> Any:
        memory = Memory(service=VectorMemoryService())
        session = Session(id="long-talk", user_id="user-9")
        for number in range(101):
            await session.send_message(f"message {number} about boats")

        # Usage
        await archive_session_to_memory(session, memory, summary_threshold=100)

        (summary,) = await memory.recall("session_summary_long-talk", user_id="user-9")
        return [summary.content, summary.metadata["message_count"], len(await session.history())]

    assert await play(sample) == ["They talked about boats.", 101, 1]


class LearningAgent:
    def __init__(self, name: str, model, tools, memory: Memory):
        self.agent = Agent(name=name, model=model, tools=tools, memory=memory)
        self.memory = memory

    async def run_and_learn(self, prompt: str, session: Session):
        """Execute task and learn from interaction."""

        # Run agent
        result = await self.agent.run(prompt, session=session)

        # Extract and store learnings
        memory_keys = await self.memory.ingest_from_session(
            session,
            strategy="smart",
        )

        # Store outcome for future reference
        await self.memory.store(
            key=f"interaction_{session.id}",
            content=f"Task: {prompt}\nOutcome: {result.output}",
            type="interaction_history",
            success=result.status == "completed",
        )

        return result

    async def recall_similar_tasks(self, prompt: str) -> List[Dict]:
        """Find similar past interactions."""
        return await self.memory.search(
            query=f"Similar to: {prompt}",
            limit=5,
        )


async def test_learning_agent(play: Play) -> None:
    async def sample() -> Any:
        lm, tools, memory = LanguageModel(), [], Memory(service=VectorMemoryService())
        session = Session(id="debugging")

        # Usage
        learning_agent = LearningAgent("assistant", lm, tools, memory)

        # Agent learns from each interaction
        result = await learning_agent.run_and_learn(
            "Debug this performance issue",
            session,
        )

        # Later: Recall similar past work
        similar = await learning_agent.recall_similar_tasks(
            "Another performance problem",
        )

        return [result.output, similar[0].key, similar[0].metadata["success"]]

    assert await play(sample) == ["Let us see.", "interaction_debugging", True]


# --- Best practices ---------------------------------------------------------------------------------


async def test_add_metadata_for_better_retrieval(play: Play) -> None:
    async def sample() -> Any:
        memory = Memory(service=VectorMemoryService())
        await memory.store("other", "Chose tabs over spaces", type="decision", category="style")

        await memory.store(
            key="technical_decision_001",
            content="Chose PostgreSQL for transactional data, Redis for caching",
            type="decision",
            category="architecture",
            confidence=0.9,
            source_session="planning-session-789",
            timestamp=datetime.now(),
            decision_maker="tech-lead-123",
            rationale="Need ACID guarantees and high read performance",
        )

        # Later: Search by metadata
        postgres_decisions = await memory.search(
            query="database decisions",
            filter={"type": "decision", "category": "architecture"},
        )

        return [(one.key, one.metadata["rationale"]) for one in postgres_decisions]

    (found,) = await play(sample)
    assert tuple(found) == ("technical_decision_001", "Need ACID guarantees and high read performance")


def is_outdated(key: str) -> bool:
    return key.startswith("old")


def calculate_days_since(moment: str) -> int:
    return (datetime(2025, 1, 11) - datetime.fromisoformat(moment)).days  # noqa: DTZ001


def calculate_confidence_decay(confidence: float, days: int) -> float:
    return round(confidence * 0.99**days, 2)


async def maintain_memory(memory: Memory, user_id: str):
    """Prune old or low-confidence memories."""

    # Remove outdated information
    await memory.forget([
        key for key in await memory.list_keys(user_id=user_id)
        if is_outdated(key)
    ])  # fmt: skip

    # Update confidence scores based on usage
    for key in await memory.list_keys(user_id=user_id):
        mem = await memory.recall([key])
        if mem[0].metadata.get("last_accessed"):
            days_since_access = calculate_days_since(mem[0].metadata["last_accessed"])
            new_confidence = calculate_confidence_decay(
                mem[0].metadata.get("confidence", 1.0),
                days_since_access,
            )
            await memory.update(key, confidence=new_confidence)


async def _maintained() -> Any:
    memory = Memory(service=VectorMemoryService())
    await memory.store("old_address", "Lived in Delft", user_id="user-7")
    await memory.store("address", "Lives in Gouda", user_id="user-7", last_accessed="2025-01-01T00:00:00")

    await maintain_memory(memory, "user-7")

    return [(one.key, one.metadata["confidence"]) for one in await memory.recall(["old_address", "address"])]


async def test_implement_memory_maintenance() -> None:
    assert await _maintained() == [("address", 0.9)]


async def test_implement_memory_maintenance_in_a_run_of_this_user() -> None:
    @workflow
    async def played(ctx: Any) -> Any:
        return await _maintained()

    async with VirtualPlatform() as platform:
        found = await platform.run(played, attribution=AttributionClaim(user_id="user-7"))
    assert found == [["address", 0.9]]


# --- What the pages about agents say of memory ------------------------------------------------------


async def test_agent_with_session_and_memory(play: Play) -> None:
    async def sample() -> None:
        # Create session
        session = Session(
            id="tutoring-session-789",
            user_id="student-123",
            metadata={"subject": "mathematics"},
        )

        # Create memory
        memory = Memory(service=VectorMemoryService())
        await memory.store("student_level", "Advanced calculus")

        # Create agent
        lm = LanguageModel()
        agent = Agent(
            name="math_tutor",
            model=lm,
            instructions="You are a patient math tutor. Adapt to student's level.",
            session=session,
            memory=memory,
        )

        result = await agent.run("Help me understand limits")

    await play(sample)

    (system,) = told()
    assert system.startswith("You are a patient math tutor.")
    assert "- Advanced calculus" in system


async def test_leverage_memory(play: Play) -> None:
    async def sample() -> None:
        lm, memory = LanguageModel(), Memory(service=VectorMemoryService())

        # Store user preferences
        await memory.store("user_expertise", "Expert in React and TypeScript")
        await memory.store("coding_style", "Prefers functional programming")

        # Agent recalls automatically
        agent = Agent(
            name="assistant",
            model=lm,
            memory=memory,
        )

        result = await agent.run("Help me build a component")
        # Agent uses stored preferences

    await play(sample)

    (system,) = told()
    assert "- Expert in React and TypeScript" in system
    assert "- Prefers functional programming" in system
