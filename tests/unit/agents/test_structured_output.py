"""Answers as objects."""

from typing import Any

import pytest
from pydantic import BaseModel, Field

from towpath import Agent, ModelReply, script, tool, tool_call
from towpath.agents.guardrails import Blocked, Guardrail
from towpath.agents.interrupts import InterruptState
from towpath.agents.result import AgentResult
from towpath.agents.snapshots import Snapshot
from towpath.errors import StructuredOutputError
from towpath.testing import scripted


class Weather(BaseModel):
    """The weather somewhere."""

    city: str
    degrees: int = Field(ge=-100)


SUNNY = tool_call("Weather", city="Oslo", degrees=21)
ODD = tool_call("Weather", city="Oslo", degrees="warm")


def asking(*replies: Any, **said: Any) -> tuple[Agent, Any]:
    model = scripted(*replies)
    return Agent(model, callback_handler=None, structured_output_model=Weather, **said), model


async def test_an_answer_is_an_object() -> None:
    agent, model = asking(SUNNY)

    result = await agent.invoke_async("q")

    assert result.structured_output == result.output == Weather(city="Oslo", degrees=21)
    assert (result.stop_reason, result.status, result.city) == ("tool_use", "completed", "Oslo")
    assert [spec.name for spec in model.requests[0].tools] == ["Weather"]
    assert agent.messages[-1]["content"][0]["toolResult"]["status"] == "success"


async def test_tools_come_first() -> None:
    def look_up() -> str:
        return "21"

    agent, model = asking(tool_call("look_up"), SUNNY, tools=[look_up])

    assert (await agent.run("q")).structured_output.degrees == 21
    assert [spec.name for spec in model.requests[1].tools] == ["look_up", "Weather"]


async def test_an_object_that_does_not_fit_is_told_to_the_model() -> None:
    agent, model = asking(ODD, SUNNY)

    assert (await agent.invoke_async("q")).structured_output.degrees == 21
    told = model.requests[1].messages[-1]
    assert told.failed
    assert "Error: Validation failed for Weather: degrees: " in told.content


async def test_who_never_fits_fails() -> None:
    agent, _ = asking(*[ODD] * 9)

    with pytest.raises(
        StructuredOutputError, match="answered 5 times with what is no Weather, at last: degrees"
    ):
        await agent.invoke_async("q")


@pytest.mark.parametrize("forced", [SUNNY, '{"city": "Oslo", "degrees": 21}'], ids=["call", "text"])
async def test_a_plain_answer_is_asked_for_again_as_an_object(forced: Any) -> None:
    agent, model = asking("It is sunny.", forced, structured_output_prompt="Fill in the form.")

    result = await agent.invoke_async("q")

    assert result.structured_output == Weather(city="Oslo", degrees=21)
    asked = model.requests[1]
    assert (asked.messages[-1].content, asked.tool_choice) == ("Fill in the form.", "Weather")
    assert [spec.name for spec in asked.tools] == ["Weather"]


async def test_who_answers_with_text_again_fails() -> None:
    agent, _ = asking("It is sunny.", "As I said.")

    with pytest.raises(StructuredOutputError, match="though it was told to"):
        await agent.invoke_async("q")


async def test_a_call_may_want_another_object_than_the_agent() -> None:
    class City(BaseModel):
        name: str

    agent, _ = asking(tool_call("City", name="Oslo"), SUNNY)

    assert (await agent.invoke_async("q", structured_output_model=City)).output == City(name="Oslo")


async def test_the_object_is_told_before_the_result() -> None:
    agent, _ = asking(SUNNY)

    told = [event async for event in agent.stream_async("q")]

    assert told[-2] == {"structured_output": Weather(city="Oslo", degrees=21)}
    assert "result" in told[-1]


# --- With a question to a person in the same message ----------------------------------------------------------


def paying(**said: Any) -> tuple[Agent, Any]:
    @tool(confirmation=True)
    def pay(amount: int) -> str:
        return "paid"

    return asking((SUNNY, tool_call("pay", amount=3)), "never asked", tools=[pay], **said)


def answer(paused: AgentResult, said: str = "yes") -> list[dict[str, Any]]:
    return [{"interruptResponse": {"interruptId": paused.interrupts[0].id, "response": said}}]


@pytest.mark.parametrize("said", ["yes", "no"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
async def test_an_object_is_not_forgotten_while_a_person_is_asked(said: str, elsewhere: bool) -> None:  # noqa: FBT001
    agent, model = paying()

    paused = await agent.invoke_async("q")
    if elsewhere:
        written = agent.take_snapshot(preset="session").to_body()
        agent, model = paying()
        agent.load_snapshot(Snapshot.from_body(written))
        asked = 0
    else:
        asked = 1
    ended = await agent.invoke_async(answer(paused, said))

    assert (paused.status, ended.stop_reason) == ("paused", "tool_use")
    assert ended.output == Weather(city="Oslo", degrees=21)
    assert len(model.requests) == asked
    assert agent.conversation.interrupts == InterruptState()


async def test_another_object_than_before_the_question_is_asked_for() -> None:
    class Sum(BaseModel):
        amount: int = 0

    script("payer", [[SUNNY, tool_call("pay", amount=3)], tool_call("Sum", amount=3)])
    agent, _ = paying()
    agent.model = "test/payer"

    paused = await agent.invoke_async("q")
    ended = await agent.invoke_async(answer(paused), structured_output_model=Sum)

    assert ended.output == Sum(amount=3)


async def test_an_asked_agent_does_not_forget_its_object_either() -> None:
    clerk, _ = paying(name="clerk")
    script("guide", [tool_call("clerk", input="q"), lambda request: request.messages[-1].content])
    guide = Agent("test/guide", tools=[clerk], callback_handler=None)

    ended = await guide.invoke_async(answer(await guide.invoke_async("q")))

    assert ended.output == '{"city":"Oslo","degrees":21}'


async def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(StructuredOutputError, match="pydantic BaseModel"):
        Agent().run("q", structured_output_model=dict)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [[], ["It is sunny."]], ids=["at once", "when told to"])
@pytest.mark.parametrize("stop_reason", ["content_filtered", "guardrail_intervened", "refusal", "max_tokens"])
async def test_who_may_not_answer_is_not_asked_for_an_object(before: list[str], stop_reason: str) -> None:
    agent, model = asking(*before, ModelReply(text="I will not.", stop_reason=stop_reason), "never asked")

    result = await agent.invoke_async("q")

    assert (result.stop_reason, result.output, result.structured_output) == (stop_reason, "I will not.", None)
    assert len(model.requests) == len(before) + 1


async def test_an_answer_that_a_guardrail_blocks_is_not_asked_for_as_an_object() -> None:
    guard = Guardrail(after=lambda text: Blocked("no comment") if "sunny" in text else None)
    agent, model = asking("It is sunny.", "never asked", plugins=[guard])

    result = await agent.invoke_async("q")

    assert (result.stop_reason, result.output) == ("guardrail_intervened", "no comment")
    assert len(model.requests) == 1


async def test_asking_for_an_object_is_a_turn_like_any_other() -> None:
    agent, model = asking("It is sunny.", SUNNY)

    result = await agent.run("q", limits={"turns": 1})

    assert (result.stop_reason, result.status, result.output) == (
        "limit_turns",
        "max_iterations",
        "It is sunny.",
    )
    assert len(model.requests) == 1
