"""Guardrails: what goes into an agent and what comes out of it is let pass, rewritten or blocked."""

from typing import Any

import pytest

from towpath import Agent, tool, tool_call
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
