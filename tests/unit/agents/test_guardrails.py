"""Guardrails: what goes into an agent and what comes out of it is let pass, rewritten or blocked."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel

from towpath import Agent, ModelReply, tool, tool_call
from towpath.agents.guardrails import Blocked, Guardrail
from towpath.errors import ConfigurationError
from towpath.models.port import ModelRequest
from towpath.testing import FunctionModel, crash_everywhere, scripted


def echo(request: ModelRequest) -> str:
    return f"you said {request.messages[-1].content}"


@tool
def erase(name: str) -> str:
    """Erase something."""
    return f"{name} is gone"


async def test_a_blocked_prompt_reaches_no_model() -> None:
    model = scripted("never")
    guard = Guardrail(before=lambda text: Blocked("Ask something else.") if "secret" in text else None)

    result = await Agent(model, plugins=[guard]).run("Tell the secret")

    assert (result.output, result.stop_reason, result.status) == (
        "Ask something else.",
        "guardrail_intervened",
        "completed",
    )
    assert model.requests == []


async def test_a_prompt_is_rewritten_before_anybody_reads_it() -> None:
    async def masks(text: str) -> str:
        return text.replace("4111", "****")

    agent = Agent(FunctionModel(echo), plugins=[Guardrail(before=masks)], callback_handler=None)

    assert (await agent.invoke_async("card 4111")).output == "you said card ****"
    assert agent.messages[0]["content"] == [{"text": "card ****"}]


@pytest.mark.parametrize(
    ("verdict", "output", "stop_reason"),
    [
        (None, "you said hello", "end_turn"),
        ("hush", "hush", "end_turn"),
        (Blocked("no comment"), "no comment", "guardrail_intervened"),
    ],
)
async def test_an_answer_is_looked_at_before_it_counts(verdict: Any, output: str, stop_reason: str) -> None:
    agent = Agent(
        FunctionModel(echo), plugins=[Guardrail(after=lambda _text: verdict)], callback_handler=None
    )

    result = await agent.invoke_async("hello")

    assert (result.output, result.stop_reason) == (output, stop_reason)
    assert agent.messages[-1]["content"] == [{"text": output}]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [(None, "prod is gone"), ({"name": "test"}, "test is gone"), (Blocked("not prod"), "not prod")],
)
async def test_a_tool_call_is_looked_at_before_it_is_made(verdict: Any, told: str) -> None:
    def look(name: str, arguments: dict[str, Any]) -> Any:
        assert (name, arguments) == ("erase", {"name": "prod"})
        return verdict

    agent = Agent(
        scripted(tool_call("erase", name="prod"), echo), tools=[erase], plugins=[Guardrail(tool=look)]
    )

    assert (await agent.run("Clean up")).output == f"you said {told}"


async def test_a_guarded_run_survives_a_crash_at_every_await() -> None:
    guard = Guardrail(before=lambda text: text.upper(), after=lambda text: text.lower())
    agent = Agent(
        name="guarded", model=scripted(tool_call("erase", name="x"), "DONE"), tools=[erase], plugins=[guard]
    )

    assert (await crash_everywhere(agent, "Go")).finished.result["output"] == "done"


def test_a_guardrail_that_looks_at_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="looks at nothing"):
        Guardrail()


# --- Objects ------------------------------------------------------------------------------------------


class Note(BaseModel):
    text: str


class Case(BaseModel):
    title: str = ""
    number: int
    notes: list[Note]


CASE = tool_call("Case", title="", number=7, notes=[{"text": "calm"}, {"text": "card 4111"}])


def masks(text: str) -> str | None:
    return text.replace("4111", "****") if "4111" in text else None


def blocks(text: str) -> Blocked | None:
    return Blocked("no comment") if "4111" in text else None


def casing(after: Any, *replies: Any, **said: Any) -> Agent:
    guard = Guardrail(after=after)
    return Agent(
        scripted(*replies), structured_output_model=Case, plugins=[guard], callback_handler=None, **said
    )


async def test_each_text_of_an_object_is_looked_at_and_rewritten() -> None:
    looked: list[str] = []

    def looks(text: str) -> str | None:
        looked.append(text)
        return masks(text)

    agent = casing(looks, CASE)
    result = await agent.invoke_async("hello")

    assert result.output == Case(number=7, notes=[Note(text="calm"), Note(text="card ****")])
    assert agent.messages[1]["content"][0]["toolUse"]["input"]["notes"][1] == {"text": "card ****"}
    assert looked == ["calm", "card 4111"]


async def test_an_object_with_a_text_that_may_not_be_said_is_no_answer() -> None:
    agent = casing(blocks, CASE, "never asked")

    result = await agent.invoke_async("hello")

    assert (result.output, result.structured_output) == ("no comment", None)
    assert result.stop_reason == "guardrail_intervened"
    assert agent.messages[1:] == [agent.messages[-1]]


async def test_text_beside_an_object_is_looked_at_too() -> None:
    reply = ModelReply(text="My card is 4111.", tool_calls=(CASE,), stop_reason="tool_use")
    agent = casing(masks, reply)

    await agent.invoke_async("hello")

    assert agent.messages[1]["content"][0] == {"text": "My card is ****."}


async def test_what_does_not_fit_in_the_place_of_a_text_is_told_to_the_model() -> None:
    class Mood(BaseModel):
        mood: Literal["calm", "angry"]

    guard = Guardrail(after=lambda text: "*****" if text == "angry" else None)
    replies = tool_call("Mood", mood="angry"), tool_call("Mood", mood="calm")
    model = scripted(*replies)

    result = await Agent(model, structured_output_model=Mood, plugins=[guard]).run("hello")

    assert result.output == Mood(mood="calm")
    assert "Validation failed for Mood: mood" in model.requests[1].messages[-1].content


async def test_arguments_of_other_tools_are_no_answer() -> None:
    looked: list[str] = []

    agent = casing(looked.append, tool_call("erase", name="4111"), CASE, tools=[erase])
    await agent.run("hello")

    assert looked == ["calm", "card 4111"]


# --- After a handoff ----------------------------------------------------------------------------------


def saying(reply: Any) -> FunctionModel:
    return FunctionModel(lambda _request: reply)


def handing(*plugins: Any, to: Agent, name: str = "guide") -> Agent:
    return Agent(
        saying(tool_call(f"transfer_to_{to.name}")),
        name=name,
        handoffs=[to],
        plugins=plugins,
        callback_handler=None,
    )


@pytest.mark.parametrize(
    ("after", "output", "stop_reason"),
    [
        (masks, "card ****", "end_turn"),
        (blocks, "no comment", "guardrail_intervened"),
    ],
    ids=["rewritten", "blocked"],
)
@pytest.mark.parametrize("between", [0, 1], ids=["at once", "by another"])
async def test_the_answer_of_whom_it_hands_over_to_is_looked_at(
    after: Any, output: str, stop_reason: str, between: int
) -> None:
    agent = Agent(saying("card 4111"), name="clerk")
    for number in range(between):
        agent = handing(to=agent, name=f"guide-{number}")

    result = await handing(Guardrail(after=after), to=agent).run("hello")

    assert (result.output, result.stop_reason, result.agent) == (output, stop_reason, "clerk")


async def test_the_guardrails_of_the_agent_before_come_after_its_own() -> None:
    def adding(said: str) -> Guardrail:
        return Guardrail(after=lambda text: text + said)

    clerk = Agent(saying("done"), name="clerk", plugins=[adding(" by the clerk")])

    assert (await handing(adding(" for the guide"), to=clerk).run("q")).output == (
        "done by the clerk for the guide"
    )


async def test_a_guardrail_of_both_agents_looks_once() -> None:
    looked: list[str] = []
    guard = Guardrail(after=looked.append)
    clerk = Agent(saying("done"), name="clerk", plugins=[guard])

    await handing(guard, to=clerk).run("q")

    assert looked == ["done"]


async def test_an_object_of_whom_it_hands_over_to_is_looked_at() -> None:
    clerk = Agent(saying(CASE), name="clerk")

    result = await handing(Guardrail(after=masks), to=clerk).run("q", structured_output_model=Case)

    assert result.output.notes[1].text == "card ****"


async def test_an_answer_after_a_question_to_a_person_is_looked_at_too() -> None:
    @tool(confirmation=True)
    def charge(card: str) -> str:
        return f"charged {card}"

    model = FunctionModel(
        lambda asked: (
            echo(asked) if "charged" in asked.messages[-1].content else tool_call("charge", card="4111")
        )
    )
    agent = handing(Guardrail(after=masks), to=Agent(model, name="clerk", tools=[charge]))

    paused = await agent.invoke_async("q")
    answer = {"interruptId": paused.interrupts[0].id, "response": "yes"}
    result = await agent.invoke_async([{"interruptResponse": answer}])

    assert result.output == "you said charged ****"


async def test_prompts_and_tool_calls_are_the_agents_own() -> None:
    looked: list[Any] = []
    guard = Guardrail(before=looked.append, tool=lambda name, _arguments: looked.append(name))
    model = FunctionModel(
        lambda request: (
            echo(request) if "gone" in request.messages[-1].content else tool_call("erase", name="x")
        )
    )
    clerk = Agent(model, name="clerk", tools=[erase])

    await handing(guard, to=clerk).run("q")

    assert looked == ["q", "transfer_to_clerk"]
