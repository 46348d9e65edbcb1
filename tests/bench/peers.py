"""One agent loop on a stub model in every SDK, for `just bench`: each run by the Python that has it installed.

`python peers.py strands 10 20` prints one line of JSON: CPU milliseconds of a turn where a stub model makes ten tool
calls one after the other and then answers, the median of twenty runs; and CPU milliseconds of the import.
"""

# The peers are not installed where types are checked, and only one of them is where this runs.
# pyright: basic, reportMissingImports=false
# ruff: noqa: PLC0415

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

Run = Callable[[], Awaitable[str]]

CALLED = "add"


def towpath(calls: int) -> Run:
    from towpath import Agent, Tool, script, tool_call

    def add(left: int, right: int) -> int:
        """Add two numbers."""
        return left + right

    script("stub", [*(tool_call(CALLED, left=1, right=2) for _ in range(calls)), "done"])
    agent = Agent(
        model="test/stub", tools=[Tool(CALLED, "Add two numbers.", None, add)], max_iterations=calls + 1
    )

    async def run() -> str:
        return (await agent.run("go")).output

    return run


def strands(calls: int) -> Run:
    from strands import Agent, tool
    from strands.models import Model

    class Stub(Model):
        def __init__(self) -> None:
            self.turn = 0

        def update_config(self, **model_config: Any) -> None: ...

        def get_config(self) -> Any:
            return {}

        async def structured_output(self, *asked: Any, **named: Any) -> Any:
            raise AssertionError("the loop wants no structured output")
            yield

        async def stream(
            self, messages: Any, tool_specs: Any = None, system_prompt: Any = None, **named: Any
        ) -> Any:
            turn, self.turn = self.turn, self.turn + 1
            yield {"messageStart": {"role": "assistant"}}
            if turn < calls:
                begun = {"toolUse": {"toolUseId": f"call-{turn}", "name": CALLED}}
                yield {"contentBlockStart": {"start": begun}}
                yield {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"left": 1, "right": 2}'}}}}
                yield {"contentBlockStop": {}}
                yield {"messageStop": {"stopReason": "tool_use"}}
            else:
                yield {"contentBlockStart": {"start": {}}}
                yield {"contentBlockDelta": {"delta": {"text": "done"}}}
                yield {"contentBlockStop": {}}
                yield {"messageStop": {"stopReason": "end_turn"}}
            usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
            yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 0}}}

    @tool
    def add(left: int, right: int) -> int:
        """Add two numbers."""
        return left + right

    async def run() -> str:
        agent = Agent(model=Stub(), tools=[add], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()

    return run


def openai_agents(calls: int) -> Run:
    from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    set_tracing_disabled(True)

    class Stub(Model):
        def __init__(self) -> None:
            self.turn = 0

        async def get_response(self, *asked: Any, **named: Any) -> ModelResponse:
            turn, self.turn = self.turn, self.turn + 1
            said: Any
            if turn < calls:
                said = ResponseFunctionToolCall(
                    id=f"fc-{turn}",
                    call_id=f"call-{turn}",
                    name=CALLED,
                    type="function_call",
                    arguments='{"left": 1, "right": 2}',
                )
            else:
                text = ResponseOutputText(text="done", type="output_text", annotations=[])
                said = ResponseOutputMessage(
                    id="m", role="assistant", status="completed", type="message", content=[text]
                )
            return ModelResponse(output=[said], usage=Usage(), response_id=None)

        def stream_response(self, *asked: Any, **named: Any) -> Any:
            raise AssertionError("the loop is not streamed")

    @function_tool
    def add(left: int, right: int) -> int:
        """Add two numbers."""
        return left + right

    async def run() -> str:
        agent = Agent(name="bench", model=Stub(), tools=[add])
        return (await Runner.run(agent, "go", max_turns=calls + 5)).final_output

    return run


def pydantic_ai(calls: int) -> Run:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.usage import UsageLimits

    async def run() -> str:
        turns = iter(range(calls + 1))

        def stub(messages: Any, info: Any) -> ModelResponse:
            turn = next(turns)
            if turn < calls:
                return ModelResponse(parts=[ToolCallPart(CALLED, {"left": 1, "right": 2}, f"call-{turn}")])
            return ModelResponse(parts=[TextPart("done")])

        agent = Agent(FunctionModel(stub))

        @agent.tool_plain
        def add(left: int, right: int) -> int:
            """Add two numbers."""
            return left + right

        return (await agent.run("go", usage_limits=UsageLimits(request_limit=calls + 5))).output

    return run


def langgraph(calls: int) -> Run:
    import warnings

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langchain_core.tools import tool
    from langgraph.prebuilt import create_react_agent

    warnings.simplefilter("ignore")

    class Stub(BaseChatModel):
        turn: int = 0

        @property
        def _llm_type(self) -> str:
            return "stub"

        def bind_tools(self, tools: Any, **named: Any) -> Any:
            return self

        def _generate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **named: Any
        ) -> ChatResult:
            turn, self.turn = self.turn, self.turn + 1
            asked = [{"name": CALLED, "args": {"left": 1, "right": 2}, "id": f"call-{turn}"}]
            said = AIMessage("", tool_calls=asked) if turn < calls else AIMessage("done")
            return ChatResult(generations=[ChatGeneration(message=said)])

    @tool
    def add(left: int, right: int) -> int:
        """Add two numbers."""
        return left + right

    async def run() -> str:
        agent = create_react_agent(Stub(), [add])
        told = await agent.ainvoke({"messages": [("user", "go")]}, {"recursion_limit": 4 * calls + 10})
        return told["messages"][-1].content

    return run


PEERS = {
    "towpath": towpath,
    "strands": strands,
    "openai-agents": openai_agents,
    "pydantic-ai": pydantic_ai,
    "langgraph": langgraph,
}


async def measured(run: Run, turns: int, rounds: int) -> float:
    """Measure the CPU milliseconds of a turn: the median of the rounds, the first of which is not counted."""
    took = []
    for _ in range(rounds + 1):
        began = time.process_time()
        assert await run() == "done"
        took.append((time.process_time() - began) / turns * 1_000)
    return round(statistics.median(took[1:]), 3)


def main() -> None:
    name, calls, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    began = time.process_time()
    run = PEERS[name](calls)
    imported = (time.process_time() - began) * 1_000
    cpu_ms = asyncio.run(measured(run, calls + 1, rounds))
    sys.stdout.write(json.dumps({"cpu_ms_per_turn": cpu_ms, "import_cpu_ms": round(imported)}) + "\n")


if __name__ == "__main__":
    main()
