"""The samples about entities in the documentation of agnt5, called by functions, as runs on the engine.

They are as they are written there: only imports are others, and what a sample leaves out (its callers, `call_llm`) is
filled in. Each runs in virtual time, held in memory and, again, dropped and replayed after every record.
"""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnusedFunction=false
# ruff: noqa: DTZ005, TID251

import asyncio
from datetime import datetime
from typing import Any

import pytest

from towpath import entity, function, script
from towpath.models.port import ModelRequest
from towpath.testing import VirtualPlatform


@pytest.fixture(autouse=True)
def default_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/gpt-4")


# --- Basic usage --------------------------------------------------------------------------------------


async def test_creating_and_calling_an_entity(platform: VirtualPlatform) -> None:
    async def call_llm(history: list[dict[str, str]]) -> str:
        return f"answer to {history[-1]['content']}"

    # Create entity type
    agent = entity("ConversationAgent")

    # Write method (exclusive access per key)
    @agent.write
    async def send_message(ctx, message: str) -> dict:
        history = await ctx.get("history", [])
        history.append({"role": "user", "content": message})

        response = await call_llm(history)
        history.append({"role": "assistant", "content": response})

        ctx.set("history", history)
        return {"response": response}

    # Shared method (read-only, concurrent)
    @agent.shared
    async def get_history(ctx) -> list:
        return await ctx.get("history", [])

    @function
    async def chat(ctx, conv_id: str, msg: str):
        # Call entity method with unique key
        return await ctx.entity("ConversationAgent", conv_id).send_message(msg)

    @function
    async def told(ctx, conv_id: str):
        return await ctx.entity("ConversationAgent", conv_id).get_history()

    assert await platform.run(chat, {"conv_id": "a", "msg": "hello"}) == {"response": "answer to hello"}
    await platform.run(chat, ["a", "again"])
    assert [one["content"] for one in await platform.run(told, "a")] == [
        "hello",
        "answer to hello",
        "again",
        "answer to again",
    ]
    assert await platform.run(told, "b") == []


# --- Common patterns ----------------------------------------------------------------------------------


async def test_conversational_ai_agent(platform: VirtualPlatform) -> None:
    seen: list[int] = []

    def gpt(request: ModelRequest) -> str:
        seen.append(len(request.messages))
        return f"reply {len(seen)}"

    script("gpt-4", gpt)

    agent = entity("ChatAgent")

    @agent.write
    async def send_message(ctx, message: str) -> dict:
        """Handle conversational turns with LLM."""
        history = await ctx.get("history", [])
        history.append({"role": "user", "content": message})

        # Generate response
        response = await ctx.llm.generate(prompt=history, model="gpt-4")
        history.append({"role": "assistant", "content": response.text})

        # Keep last 20 messages
        if len(history) > 20:
            history = history[-20:]

        ctx.set("history", history)
        return {"response": response.text}

    @agent.shared
    async def get_history(ctx) -> list:
        """Get conversation history (read-only)."""
        return await ctx.get("history", [])

    @agent.shared
    async def get_message_count(ctx) -> int:
        """Get total message count."""
        history = await ctx.get("history", [])
        return len(history)

    @function
    async def chat_endpoint(ctx, conversation_id: str, message: str):
        # Call entity with unique conversation ID
        return await ctx.entity("ChatAgent", conversation_id).send_message(message)

    @function
    async def counted(ctx, conversation_id: str) -> list:
        conversation = ctx.entity("ChatAgent", conversation_id)
        return [await conversation.get_message_count(), await conversation.get_history()]

    for number in range(12):
        sent = {"conversation_id": "c-1", "message": f"message {number}"}
        assert await platform.run(chat_endpoint, sent) == {"response": f"reply {number + 1}"}
    count, history = await platform.run(counted, "c-1")

    assert count == 20
    assert (history[0]["content"], history[-1]["content"]) == ("message 2", "reply 12")
    assert seen == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 21]


async def test_research_agent(platform: VirtualPlatform) -> None:
    prompts: list[str] = []

    def gpt(request: ModelRequest) -> str:
        prompts.append(str(request.messages[-1].content))
        return "Boats are slow."

    script("gpt-4", gpt)

    research_agent = entity("ResearchAgent")

    @research_agent.write
    async def start_research(ctx, topic: str) -> dict:
        """Initialize research task."""
        ctx.set("topic", topic)
        ctx.set("findings", [])
        ctx.set("status", "in_progress")
        return {"status": "started", "topic": topic}

    @research_agent.write
    async def add_finding(ctx, finding: str, source: str) -> dict:
        """Add research finding."""
        findings = await ctx.get("findings", [])
        findings.append({"content": finding, "source": source, "timestamp": datetime.now().isoformat()})
        ctx.set("findings", findings)
        return {"count": len(findings)}

    @research_agent.write
    async def synthesize(ctx) -> dict:
        """Generate summary from findings."""
        findings = await ctx.get("findings", [])
        topic = await ctx.get("topic")

        # Use LLM to synthesize
        summary = await ctx.llm.generate(
            prompt=f"Synthesize these findings about {topic}: {findings}", model="gpt-4"
        )

        ctx.set("summary", summary.text)
        ctx.set("status", "completed")
        return {"summary": summary.text}

    @research_agent.shared
    async def get_progress(ctx) -> dict:
        """Check research progress."""
        return {
            "status": await ctx.get("status"),
            "topic": await ctx.get("topic"),
            "findings_count": len(await ctx.get("findings", [])),
        }

    @function
    async def research(ctx, topic: str) -> list:
        task = ctx.entity("ResearchAgent", f"research-{topic}")
        return [
            await task.get_progress(),
            await task.start_research(topic),
            await task.add_finding("They float", source="a book"),
            await task.add_finding(finding="They wait at locks", source="a lock keeper"),
            await task.get_progress(),
            await task.synthesize(),
            await task.get_progress(),
        ]

    nothing, started, *counts, under_way, summary, progress = await platform.run(research, "boats")

    assert nothing == {"status": None, "topic": None, "findings_count": 0}
    assert started == {"status": "started", "topic": "boats"}
    assert counts == [{"count": 1}, {"count": 2}]
    assert under_way == {"status": "in_progress", "topic": "boats", "findings_count": 2}
    assert summary == {"summary": "Boats are slow."}
    assert progress["status"] == "completed"
    assert len(prompts) == 1
    assert "They wait at locks" in prompts[0]


async def test_workflow_orchestrator(platform: VirtualPlatform) -> None:
    workflow = entity("WorkflowOrchestrator")

    @workflow.write
    async def start(ctx, steps: list) -> dict:
        """Start workflow execution."""
        ctx.set("steps", steps)
        ctx.set("current_step", 0)
        ctx.set("results", [])
        ctx.set("status", "running")
        return {"status": "started", "total_steps": len(steps)}

    @workflow.write
    async def complete_step(ctx, result: dict) -> dict:
        """Mark step as complete and store result."""
        results = await ctx.get("results", [])
        results.append(result)
        ctx.set("results", results)

        current = len(results)
        ctx.set("current_step", current)

        # Check if workflow is done
        steps = await ctx.get("steps", [])
        if current >= len(steps):
            ctx.set("status", "completed")

        return {"completed": current, "total": len(steps)}

    @workflow.shared
    async def get_progress(ctx) -> dict:
        """Get workflow progress."""
        return {
            "current_step": await ctx.get("current_step", 0),
            "total_steps": len(await ctx.get("steps", [])),
            "status": await ctx.get("status", "unknown"),
        }

    @function
    async def orchestrate(ctx, run_id: str) -> list:
        steps = ctx.entity("WorkflowOrchestrator", f"workflow-{run_id}")
        before = await steps.get_progress()
        await steps.start(["load", "sail"])
        first = await steps.complete_step({"loaded": 12})
        await steps.complete_step({"sailed": True})
        return [before, first, await steps.get_progress()]

    assert await platform.run(orchestrate, "7") == [
        {"current_step": 0, "total_steps": 0, "status": "unknown"},
        {"completed": 1, "total": 2},
        {"current_step": 2, "total_steps": 2, "status": "completed"},
    ]


# --- Consistency and concurrency ----------------------------------------------------------------------


def listening_agent() -> list[str]:
    """Make the type `agent`; return what happens in its methods, as it happens."""
    happened: list[str] = []
    agent = entity("agent")

    @agent.write
    async def send_message(ctx, message: str) -> int:
        happened.append(f"{message} begins")
        history = await ctx.get("history", [])
        await asyncio.sleep(0)
        ctx.set("history", [*history, message])
        happened.append(f"{message} ends")
        return len(history) + 1

    @agent.shared
    async def get_history(ctx) -> list:
        return await ctx.get("history", [])

    return happened


async def test_single_writer_per_key(platform: VirtualPlatform) -> None:
    happened = listening_agent()

    @function
    async def talk(ctx) -> list:
        # Same key = serial execution (consistency guaranteed)
        await ctx.entity("agent", "conv-1").send_message("msg1")  # Runs first
        await ctx.entity("agent", "conv-1").send_message("msg2")  # Runs second

        # No race conditions, no lost updates
        return await ctx.entity("agent", "conv-1").get_history()

    @function
    async def shout(ctx) -> list:
        return await ctx.gather(*(ctx.entity("agent", "conv-2").send_message(f"msg{n}") for n in range(10)))

    assert await platform.run(talk) == ["msg1", "msg2"]
    assert sorted(await platform.run(shout)) == list(range(1, 11))
    begun = [said.removesuffix(" begins") for said in happened if said.endswith("begins")]
    assert happened == [f"{message} {what}" for message in begun for what in ("begins", "ends")]


async def test_parallel_execution_across_keys(platform: VirtualPlatform) -> None:
    listening_agent()

    @function
    async def talk(ctx, msg: str) -> list:
        # Different keys = parallel execution (scales horizontally)
        await ctx.entity("agent", "conv-1").send_message(msg)  # Parallel
        await ctx.entity("agent", "conv-2").send_message(msg)  # Parallel
        await ctx.entity("agent", "conv-3").send_message(msg)  # Parallel
        return await ctx.gather(*(ctx.entity("agent", f"conv-{n}").get_history() for n in (1, 2, 3)))

    assert await platform.run(talk, "hello") == [["hello"], ["hello"], ["hello"]]


async def test_shared_methods_for_reads(platform: VirtualPlatform) -> None:
    listening_agent()

    @function
    async def look(ctx) -> list:
        await ctx.entity("agent", "conv-1").send_message("hello")
        # These execute concurrently
        await ctx.entity("agent", "conv-1").get_history()  # Concurrent
        await ctx.entity("agent", "conv-1").get_history()  # Concurrent
        handle = ctx.entity("agent", "conv-1")
        return await ctx.gather(handle.get_history(), handle.get_history())

    assert await platform.run(look) == [["hello"], ["hello"]]


# --- Best practices -----------------------------------------------------------------------------------


async def test_design_for_concurrency_and_use_shared_for_reads(platform: VirtualPlatform) -> None:
    agent = entity("ChatAgent")

    # Write methods - exclusive access
    @agent.write
    async def update_state(ctx, data: dict):
        ctx.set("state", data)

    # Read methods - concurrent access
    @agent.shared
    async def get_state(ctx) -> dict:
        return await ctx.get("state", {})

    @agent.write
    async def send_message(ctx, msg: str):
        recent_messages = [*await ctx.get("history", []), msg]
        summary_text = f"{len(recent_messages)} messages"
        # Good - Essential state only
        ctx.set("history", recent_messages[-20:])
        ctx.set("summary", summary_text)

    @function
    async def use(ctx, conv_id: str, msg: str) -> Any:
        # Good - One entity per conversation
        await ctx.entity("ChatAgent", f"conv-{conv_id}").send_message(msg)

        # Bad - Single global entity (serializes everything)
        await ctx.entity("ChatAgent", "global").send_message(msg)

        await ctx.entity("ChatAgent", f"conv-{conv_id}").update_state({"mood": "calm"})
        return await ctx.entity("ChatAgent", f"conv-{conv_id}").get_state()

    assert await platform.run(use, ["1", "hello"]) == {"mood": "calm"}
    assert platform.entity_state("ChatAgent", "conv-1")["summary"] == "1 messages"
    assert platform.entity_state("ChatAgent", "global")["history"] == ["hello"]
