"""A conversation of ten tool calls, of every kind that an agent makes, for tests that kill whoever has it.

A turn of three parallel calls; one that a person has to approve; another agent asked as a tool, which calls two tools
itself, beside one more call; a call that fails; a handoff to an agent that makes two calls and answers.
"""

from collections import Counter
from collections.abc import Callable

from towpath import Agent, Context, script, tool
from towpath.models.port import ModelRequest, digest
from towpath.models.scripted import Plain
from towpath.testing import tool_call
from towpath.tools.agent_tool import AgentTool

Ledger = Callable[[str, str], str]
"""Takes what is done in the world outside, by an idempotency key and in words, and tells what the first one did."""

PROMPT = "Survey the ridge"
ANSWER = "ridge: 3 heights, two samples, filed"
TOOL_CALLS = 10
MODEL_CALLS = 5 + 2 + 2
"""Of the leader until it hands over, of the geologist, of the scribe."""


def leader(ledger: Ledger) -> Agent:
    """Make the agent that leads, and register it and all that it uses.

    Args:
        ledger: Told of each tool call's effect, by its idempotency key, and of each time a model is asked, by
            `model-<digest of the request>`.
    """

    @tool(idempotent=True)
    async def measure(ctx: Context, point: int) -> str:
        """Measure a height."""
        return ledger(ctx.idempotency_key, f"height {point}")

    @tool(idempotent=True, confirmation=True)
    async def blast(ctx: Context, where: str) -> str:
        """Blow something up."""
        return ledger(ctx.idempotency_key, f"blasted {where}")

    @tool(idempotent=True)
    async def sample(ctx: Context, depth: int) -> str:
        """Take a sample."""
        return ledger(ctx.idempotency_key, f"sample {depth}")

    @tool(idempotent=True)
    async def stumble(ctx: Context) -> str:
        """Fall down."""
        ledger(ctx.idempotency_key, "stumbled")
        raise ValueError("mind the step")

    @tool(idempotent=True)
    async def file(ctx: Context, page: int) -> str:
        """File a page."""
        return ledger(ctx.idempotency_key, f"page {page}")

    _played("geologist", ledger, [_samples, _sampled])
    _played("leader", ledger, [_measures, _blasts, _asks, _stumbles, _hands_over])
    _played("scribe", ledger, [_files, _answers], after=5)
    geologist = Agent(name="geologist", model="test/geologist", tools=[sample])
    scribe = Agent(name="scribe", model="test/scribe", tools=[file])
    return Agent(
        name="leader",
        model="test/leader",
        tools=[measure, blast, AgentTool(target_agent=geologist), stumble],
        handoffs=[scribe],
    )


def _played(
    name: str, ledger: Ledger, turns: list[Callable[[ModelRequest], Plain]], *, after: int = 0
) -> None:
    """Register the model `test/<name>`, whose first turn comes after so many of somebody else."""

    def answer(request: ModelRequest) -> Plain:
        ledger(f"model-{digest(request)}", name)
        return turns[sum(message.role == "assistant" for message in request.messages) - after](request)

    script(name, answer)


def _said(request: ModelRequest) -> Counter[str]:
    return Counter(message.content for message in request.messages if message.role == "tool")


def _measures(_request: ModelRequest) -> Plain:
    return [tool_call("measure", point=point) for point in (1, 2, 3)]


def _blasts(request: ModelRequest) -> Plain:
    assert all(_said(request)[f"height {point}"] == 1 for point in (1, 2, 3))
    return tool_call("blast", where="a rock")


def _asks(request: ModelRequest) -> Plain:
    assert _said(request)["blasted a rock"] == 1
    return [tool_call("geologist", input="What is it made of?"), tool_call("measure", point=4)]


def _samples(_request: ModelRequest) -> Plain:
    return [tool_call("sample", depth=1), tool_call("sample", depth=2)]


def _sampled(request: ModelRequest) -> Plain:
    return "two samples" if _said(request) == Counter(["sample 1", "sample 2"]) else f"lost: {_said(request)}"


def _stumbles(request: ModelRequest) -> Plain:
    assert {"two samples", "height 4"} <= {said.strip() for said in _said(request)}
    return tool_call("stumble")


def _hands_over(request: ModelRequest) -> Plain:
    assert request.messages[-1].failed
    return tool_call("transfer_to_scribe")


def _files(_request: ModelRequest) -> Plain:
    return [tool_call("file", page=1), tool_call("file", page=2)]


def _answers(request: ModelRequest) -> Plain:
    said = _said(request)
    assert said["page 1"] == said["page 2"] == 1
    return ANSWER
