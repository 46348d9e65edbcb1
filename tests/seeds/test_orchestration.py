"""The samples about orchestration and state in the documentation of agnt5, on the engine.

They are as they are written there: only imports and models (no provider can be reached) are others, and what a sample
leaves out is filled in. Each runs in virtual time, held in memory and, again, dropped and replayed after every record; or
its process is killed at every moment. Where the page has lost a sample, the calls of the same heading in its repository's
`docs/context.md` are made.
"""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnknownLambdaType=false
# ruff: noqa: DTZ005, TID251

import asyncio
from datetime import datetime
from typing import Any

import pytest

from towpath import Agent, Context, WorkflowContext, entity, function, script, tool, tool_call, workflow
from towpath.errors import RegistrationError
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere

# --- The quick example --------------------------------------------------------------------------------


async def test_quick_example() -> None:
    script(
        "gpt-4o-mini", [tool_call("search_docs", query="recursion"), "It is a function that calls itself."]
    )
    saved: list[tuple[str, Any]] = []

    # Define a tool for the agent
    @tool(auto_schema=True)
    async def search_docs(ctx: Context, query: str) -> str:
        """Search documentation for answers."""
        # Your search logic here
        return f"Found documentation about: {query}"

    # Create an AI agent with tools
    agent = Agent(
        name="assistant",
        model="test/gpt-4o-mini",
        instructions="You are a helpful assistant. Search docs when needed.",
        tools=[search_docs],
    )

    async def save_answer(question, answer):
        saved.append((question, answer))

    # Create a durable workflow that orchestrates the agent
    @workflow
    async def process_question(ctx: WorkflowContext, question: str) -> dict:
        """Durable workflow for processing questions."""

        # Step 1: Get answer from agent (checkpointed)
        answer = await ctx.step("get_answer", agent.run(question))

        # Step 2: Store result (checkpointed)
        await ctx.step("store", save_answer(question, answer))

        return {"question": question, "answer": answer}

    def is_stored(_: VirtualRun) -> None:
        assert {(question, answer.output) for question, answer in saved} == {
            ("What is recursion?", "It is a function that calls itself.")
        }

    # If this crashes after step 1, it resumes from step 2 on restart
    survived = await crash_everywhere(
        process_question, "What is recursion?", before_each=saved.clear, after_each=is_stored
    )

    assert survived.finished.result["answer"]["output"] == "It is a function that calls itself."
    assert any(crash.record == "step.settled get_answer#0" for crash in survived.crashes)


# --- Orchestration ------------------------------------------------------------------------------------


async def test_task_execution(platform: VirtualPlatform) -> None:
    @function
    async def process_data(dataset: str) -> str:
        return f"{dataset} processed"

    @workflow
    async def process_workflow(ctx):
        # Execute a task
        result = await ctx.task(
            service_name="analytics", handler_name="process_data", input={"dataset": "users"}
        )

        return result  # noqa: RET504 - as it is written there

    assert await platform.run(process_workflow) == "users processed"
    _ = process_data


async def test_parallel_execution(platform: VirtualPlatform) -> None:
    all_at_work = asyncio.Barrier(3)

    def answering(number: int) -> Any:
        async def handler() -> int:
            await all_at_work.wait()
            return number

        return handler

    for number in (1, 2, 3):
        function(f"handler{number}")(answering(number))

    @workflow
    async def at_once(ctx):
        # A list of results, in order
        listed = await ctx.parallel(
            ctx.task("service1", "handler1"),
            ctx.task("service2", "handler2"),
            ctx.task("service3", "handler3"),
        )
        # The same by name
        named = await ctx.gather(
            db=ctx.task("analytics", "handler1"),
            api=ctx.task("analytics", "handler2"),
            web=ctx.task("analytics", "handler3"),
        )
        return [listed, named["db"], named["api"], named["web"]]

    assert await platform.run(at_once) == [[1, 2, 3], 1, 2, 3]


async def test_async_invocation(platform: VirtualPlatform) -> None:
    """Decision 20: `key` names the child, so that the same one is meant when the code is run again."""

    @function
    async def process_item(item: dict) -> str:
        return f"{item['id']} done"

    @function
    async def batch_processor(ctx, items: list):
        # Spawn child invocations
        handles = []
        for item in items:
            handle = ctx.spawn(process_item, item, key=f"item-{item['id']}")
            handles.append(handle)

        # Continue other work...

        # Wait for results later if needed
        results = [await h.result() for h in handles]
        return {"processed": len(results)}

    assert await platform.run(batch_processor, [{"id": 1}, {"id": 2}]) == {"processed": 2}
    assert [await run.result() for run in platform.runs[1:]] == ["1 done", "2 done"]


async def test_checkpointing() -> None:
    extracted: list[str] = []

    def extract_data(data_id):
        extracted.append(data_id)
        return [3, 1, 2]

    clean_data, analyze = sorted, sum

    @function
    async def process_pipeline(ctx, data_id: str):
        # Each step is checkpointed
        raw = await ctx.step("extract", lambda: extract_data(data_id))
        cleaned = await ctx.step("clean", lambda: clean_data(raw))
        result = await ctx.step("analyze", lambda: analyze(cleaned))

        # If crash occurs, resumes from last completed step
        return result  # noqa: RET504 - as it is written there

    survived = await crash_everywhere(process_pipeline, "d1", before_each=extracted.clear)

    assert survived.finished.result == 6
    assert {crash.record for crash in survived.crashes} >= {"step.settled extract#0", "step.settled clean#0"}


# --- State ----------------------------------------------------------------------------------------------


async def test_get_set_delete(platform: VirtualPlatform) -> None:
    """Decision 6: `@entity.write` stands for the write method of a type of entity that was made by `entity(name)`."""
    profiles = entity("Profile")

    @profiles.write
    async def update_profile(ctx, name: str, age: int):
        # Get with default
        profile = await ctx.get("profile", {})

        # Update profile
        profile.update({"name": name, "age": age})

        # Set state
        ctx.set("profile", profile)
        ctx.set("last_updated", datetime.now().isoformat())

        # Delete temporary data
        ctx.delete("temp_cache")

        return {"status": "updated"}

    @profiles.write
    async def remember(ctx, thing: str):
        ctx.set("temp_cache", thing)

    @workflow
    async def updates(ctx):
        await ctx.entity("Profile", "ada").remember("tea")
        return await ctx.entity("Profile", "ada").update_profile(name="Ada", age=36)

    assert await platform.run(updates) == {"status": "updated"}
    assert platform.entity_state("Profile", "ada")["profile"] == {"name": "Ada", "age": 36}
    assert set(platform.entity_state("Profile", "ada")) == {"profile", "last_updated"}
    _ = remember
    with pytest.raises(RegistrationError, match=r'counter = entity\("Counter"\)'):
        entity.write(update_profile)


async def test_entity_method_calls(platform: VirtualPlatform) -> None:
    chats = entity("ChatAgent")

    @chats.write
    async def send_message(ctx, message: str) -> dict:
        history = [*await ctx.get("history", default=[]), message]
        ctx.set("history", history)
        return {"response": f"message {len(history)}"}

    @function
    async def chat(ctx, conversation_id: str, message: str):
        # Call entity method
        response = await ctx.entity(
            "ChatAgent",
            conversation_id,
        ).send_message(message)

        return response  # noqa: RET504 - as it is written there

    said = {"conversation_id": "conv-1", "message": "hi"}
    assert [await platform.run(chat, said) for _ in range(2)] == [
        {"response": "message 1"},
        {"response": "message 2"},
    ]
    _ = send_message
