"""What an agent does with its model, its tools and its successors."""

import asyncio
import gc
import warnings
from typing import Any

import pytest

from towpath import (
    Agent,
    AgentResult,
    ConcurrentInvocationMode,
    Context,
    LocalContext,
    Message,
    ModelReply,
    ModelRequest,
    Tool,
    ToolCall,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.components import REGISTRY, ComponentType
from towpath.current import running_in
from towpath.errors import ComponentError, ConfigurationError, ModelError, RegistrationError, TowpathError
from towpath.local import run
from towpath_schemas.usage import Usage


class RecordingModel:
    """A model that remembers what it was asked, and answers from a list."""

    def __init__(self, *replies: ModelReply) -> None:
        self.name = "recording"
        self.requests: list[ModelRequest] = []
        self._replies = replies

    async def generate(self, request: ModelRequest) -> ModelReply:
        self.requests.append(request)
        return self._replies[len(self.requests) - 1]


def asks(*names: str) -> ModelReply:
    calls = tuple(ToolCall(id=f"c-{name}", name=name) for name in names)
    return ModelReply(tool_calls=calls, stop_reason="tool_use", usage=Usage(input_tokens=3, output_tokens=2))


def says(text: str) -> ModelReply:
    return ModelReply(text=text, usage=Usage(input_tokens=1, output_tokens=1))


# --- One conversation -----------------------------------------------------------------------------


async def test_an_agent_answers_with_what_the_model_says() -> None:
    model = RecordingModel(says("Recursion is recursion."))

    result = await Agent(model=model, instructions="Be brief.").run("Explain recursion")

    assert (result.output, str(result)) == ("Recursion is recursion.", "Recursion is recursion.\n")
    assert (result.status, result.stop_reason, result.iterations) == ("completed", "end_turn", 1)
    assert model.requests == [
        ModelRequest(messages=(Message(role="user", content="Explain recursion"),), system="Be brief.")
    ]


async def test_a_tool_is_called_and_its_result_told_to_the_model() -> None:
    @tool
    def search(query: str = "boats") -> dict[str, str]:
        """Search."""
        return {"found": query}

    model = RecordingModel(asks("search"), says("done"))

    result = await Agent(model=model, tools=[search]).run("q")

    assert [spec.name for spec in model.requests[0].tools] == ["search"]
    assert model.requests[1].messages[1:] == (
        Message(role="assistant", tool_calls=(ToolCall(id="c-search", name="search"),)),
        Message(role="tool", content='{"found":"boats"}', tool_call_id="c-search"),
    )
    assert result.usage == Usage(input_tokens=4, output_tokens=3)
    assert [call.name for call in result.tool_calls] == ["search"]


async def test_tools_of_one_turn_run_together_and_answer_in_the_order_asked() -> None:
    both = asyncio.Barrier(2)

    async def slow() -> str:
        await both.wait()
        await asyncio.sleep(0.01)
        return "slow"

    async def fast() -> str:
        await both.wait()
        return "fast"

    model = RecordingModel(asks("slow", "fast"), says("done"))

    await Agent(model=model, tools=[slow, [fast]]).run("q")

    assert [message.content for message in model.requests[1].messages[-2:]] == ["slow", "fast"]


async def test_a_failing_tool_and_an_unknown_one_are_told_to_the_model() -> None:
    def broken() -> None:
        raise ValueError("market data unavailable")

    model = RecordingModel(asks("broken", "missing"), says("sorry"))

    result = await Agent(model=model, tools=[broken]).run("q")

    told = [message.content for message in model.requests[1].messages[-2:]]
    assert told == [
        "Error: market data unavailable",
        "Unknown tool: missing",
    ]
    assert result.output == "sorry"


async def test_an_agent_that_does_not_come_to_an_end_is_stopped_without_an_exception() -> None:
    done: list[int] = []
    script("restless", lambda _: tool_call("act"))

    result = await Agent(model="test/restless", tools=[Tool("act", "", None, lambda: done.append(1))]).run(
        "q"
    )
    short = await Agent(
        model="test/restless", tools=[Tool("act2", "", None, lambda: 1)], max_iterations=2
    ).run("q")

    assert (result.status, result.stop_reason, result.iterations, len(done)) == (
        "max_iterations",
        "limit_turns",
        10,
        10,
    )
    assert short.iterations == 2


async def test_earlier_messages_come_first_and_each_run_has_its_own_conversation() -> None:
    model = RecordingModel(says("a"), says("b"))
    earlier = [{"role": "user", "content": [{"text": "hi"}]}, Message(role="assistant", content="hello")]
    agent = Agent(model=model, messages=earlier)

    await agent.run("first")
    await agent.run("second")

    assert [[one.content for one in request.messages] for request in model.requests] == [
        ["hi", "hello", "first"],
        ["hi", "hello", "second"],
    ]


async def test_runs_of_one_agent_may_be_under_way_together() -> None:
    script("slow-echo", lambda request: request.messages[-1].content, delay_s=0.01)
    agent = Agent(model="test/slow-echo")

    results = await asyncio.gather(*(agent.run(f"q{number}") for number in range(20)))

    assert [result.output for result in results] == [f"q{number}" for number in range(20)]


async def test_a_model_that_fails_for_good_fails_the_run() -> None:
    script("empty", [])

    with pytest.raises(ModelError, match="asked for turn 1"):
        await Agent(model="test/empty").run("q")


async def test_a_later_turn_costs_what_the_first_one_does() -> None:
    script("long", lambda request: tool_call("act") if len(request.messages) < 2_000 else "done")

    async def act() -> int:
        return 1

    result = await Agent(model="test/long", tools=[act], max_iterations=5_000).run("q")

    assert (result.output, result.iterations) == ("done", 1_001)


def test_a_result_survives_json() -> None:
    message = {"role": "assistant", "content": [{"text": "a"}]}
    result = AgentResult(output="a", message=message, agent="desk", handoff_to="desk")

    assert AgentResult.from_body(result.to_body()) == result


# --- Handing over ---------------------------------------------------------------------------------


class HandOffs(LocalContext):
    """A context that remembers who handed over to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str | None, str, str]] = []

    async def hand_off(self, agent: str, to: str) -> None:
        self.seen.append((self.scope_agent, agent, to))


async def test_the_agent_handed_over_to_answers_with_the_conversation() -> None:
    answering = RecordingModel(says("You are refunded."))
    billing = Agent(name="billing desk", description="money", model=answering, instructions="Be kind.")
    asking = RecordingModel(asks("transfer_to_billing_desk"))
    context = HandOffs()

    with running_in(context):
        result = await Agent(name="coordinator", model=asking, handoffs=[billing]).run("I was charged twice")

    offered = asking.requests[0].tools[0]
    assert (offered.name, offered.description) == (
        "transfer_to_billing_desk",
        "Hand the conversation over to billing desk: money",
    )
    assert answering.requests[0].system == "Be kind."
    assert [one.content for one in answering.requests[0].messages] == [
        "I was charged twice",
        "",
        "billing desk takes over",
    ]
    assert (result.output, result.agent, result.handoff_to, result.iterations) == (
        "You are refunded.",
        "billing desk",
        "billing desk",
        2,
    )
    assert context.seen == [("coordinator", "coordinator", "billing desk")]


async def test_the_first_of_several_handoffs_counts_and_tools_beside_it_are_done() -> None:
    a, b = (Agent(name=name, model=RecordingModel(says(name))) for name in "ab")
    done: list[str] = []
    asking = RecordingModel(asks("transfer_to_b", "note", "transfer_to_a"))

    result = await Agent(
        model=asking, handoffs=[a, b], tools=[Tool("note", "", None, lambda: done.append("x"))]
    ).run("q")

    assert (result.agent, done) == ("b", ["x"])
    assert len(result.tool_calls) == 3


async def test_agents_that_only_hand_over_to_each_other_are_stopped() -> None:
    script("ping", lambda _: tool_call("transfer_to_pong"))
    script("pong", lambda _: tool_call("transfer_to_ping"))
    ping, pong = Agent(name="ping", model="test/ping"), Agent(name="pong", model="test/pong")
    ping.handoffs, pong.handoffs = [pong], [ping]

    result = await ping.run("q")

    assert (result.status, result.iterations) == ("max_iterations", 10)


async def test_handing_over_to_somebody_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without a name"):
        await Agent(model="test/echo", handoffs=[Agent()]).run("q")


# --- Runs -----------------------------------------------------------------------------------------


async def test_nothing_starts_until_a_run_is_awaited_and_then_it_happens_once() -> None:
    model = RecordingModel(says("once"))
    handle = Agent(model=model).run("q")
    await asyncio.sleep(0)
    assert model.requests == []

    first, second, third = await handle, await handle, (await asyncio.gather(handle))[0]

    assert first is second is third
    assert len(model.requests) == 1


async def test_whoever_awaits_a_run_that_is_under_way_gets_its_result() -> None:
    script("slow", ["once"], delay_s=0.01)
    handle = Agent(model="test/slow").run("q")

    results = await asyncio.gather(handle, handle)

    assert results[0] is results[1]


async def test_a_failure_is_the_same_for_everyone_who_awaits() -> None:
    script("empty", [])
    handle = Agent(model="test/empty").run("q")

    for _ in range(2):
        with pytest.raises(ModelError):
            await handle


async def test_a_run_that_was_cancelled_says_so_to_whoever_awaits_it_again() -> None:
    script("slow", ["late"], delay_s=10)
    handle = Agent(model="test/slow").run("q")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle, 0.01)
    with pytest.raises(TowpathError, match="cancelled"):
        await handle


async def test_a_run_may_be_dropped_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        handle = Agent(model="test/echo").run("q")
        handle.discard()
        Agent(model="test/echo").run("q")
        gc.collect()

    with pytest.raises(TowpathError, match="discarded"):
        await handle


async def test_a_step_takes_a_run_and_gives_its_result() -> None:
    @workflow
    async def ask(ctx: Context, question: str) -> str:
        answer = await ctx.step("answer", Agent(model="test/echo").run(question))
        assert isinstance(answer, AgentResult)
        return answer.output

    assert await run(ask, "hello") == "hello"


async def test_a_run_uses_the_context_of_the_component_it_is_awaited_in() -> None:
    seen: list[tuple[str, str | None]] = []

    async def where(ctx: Context) -> str:
        seen.append((ctx.run_id, ctx.scope_agent))
        return ctx.idempotency_key

    context = LocalContext(run_id="run-1")
    script("tools", [tool_call("where"), "done"])

    with running_in(context):
        await Agent(name="desk", model="test/tools", tools=[where]).run("q")

    assert seen == [("run-1", "desk")]


# --- Agents as components -------------------------------------------------------------------------


@pytest.mark.parametrize("payload", ["hello", {"prompt": "hello"}, {"message": "hello"}, {"*": ["hello"]}])
async def test_an_agent_with_a_name_can_be_run_by_name(payload: Any) -> None:
    Agent(name="desk", model="test/echo")

    result = await run("desk", payload)

    assert isinstance(result, AgentResult)
    assert (result.output, result.agent) == ("hello", "desk")


@pytest.mark.parametrize("payload", [None, {}, {"prompts": "x"}, 5, {"prompt": 5}])
async def test_an_agent_refuses_what_is_no_prompt(payload: Any) -> None:
    Agent(name="desk", model="test/echo")

    with pytest.raises(ComponentError) as raised:
        await run("desk", payload)

    assert raised.value.failure.code == "invalid_input"
    assert "prompt: str" in raised.value.failure.message


def test_an_agent_without_a_name_is_not_registered_but_its_tools_are() -> None:
    def search(query: str) -> str:
        return query

    Agent(tools=[search])

    assert [component.kind for component in REGISTRY] == [ComponentType.TOOL]


def test_two_agents_of_one_name_are_refused_where_they_would_be_found_by_it() -> None:
    Agent(name="desk")
    Agent(name="desk")

    with pytest.raises(RegistrationError, match="several agents are named 'desk'"):
        REGISTRY.check()


async def test_an_agent_may_be_made_anew_for_each_request() -> None:
    async def answer(place: str) -> str:
        def weather() -> str:
            """Look outside."""
            return f"rain in {place}"

        script("forecaster", [tool_call("weather"), lambda request: request.messages[-1].content])
        return (
            await Agent(name="forecaster", model="test/forecaster", tools=[weather]).run("how is it?")
        ).output

    assert [await answer("Leeds"), await answer("Hull")] == ["rain in Leeds", "rain in Hull"]


def test_two_tools_of_one_name_in_one_agent_are_refused() -> None:
    with pytest.raises(RegistrationError, match="two tools are named 'act'"):
        Agent(tools=[Tool("act", "", None, lambda: 1), Tool("act", "", None, lambda: 2)])


def test_one_tool_may_serve_several_agents() -> None:
    @tool
    def search(query: str) -> str:
        return query

    assert (
        Agent(name="a", tools=[search]).tool_names
        == Agent(name="b", tools=[search, search]).tool_names
        == ["search"]
    )


# --- Parameters -----------------------------------------------------------------------------------


def test_defaults_may_be_written_out() -> None:
    Agent(
        None,
        [],
        [],
        "Be brief.",
        None,
        None,
        concurrent_invocation_mode=ConcurrentInvocationMode.THROW,
        record_direct_tool_call=True,
    )


@pytest.mark.parametrize("slots", [("system_prompt", "instructions"), ("session", "session_manager")])
def test_two_names_of_one_thing_are_refused(slots: tuple[str, str]) -> None:
    given: dict[str, Any] = dict.fromkeys(slots, "x")

    with pytest.raises(TypeError, match="two names of one thing"):
        Agent(**given)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_iterations is 0"):
        Agent(max_iterations=0)
    with pytest.raises(ConfigurationError, match="is no tool"):
        Agent(tools=[5])


def test_the_system_prompt_has_two_names_and_may_be_blocks() -> None:
    agent = Agent(system_prompt=[{"text": "Be brief."}, {"text": "Be kind."}], name="desk")

    assert agent.instructions == agent.system_prompt == "Be brief.\nBe kind."
    assert agent.agent_id == "desk"
