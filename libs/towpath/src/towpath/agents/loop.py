"""The one loop of all agents: ask the model, do what it asks for, until it answers."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pydantic_core import to_json

from towpath.agents.result import AgentResult, AgentStatus
from towpath.context import Context
from towpath.models.port import LanguageModel, Message, ModelReply, ModelRequest, ToolSpec
from towpath.tools.tool import Tool, ToolCall, ToolOutcome
from towpath_schemas.failure import Failure
from towpath_schemas.journal import Usage

HAND_OFF = "transfer_to_"
"""How the tools begin by which a model hands the conversation to another agent."""


class Role(Protocol):
    """What the loop has to know of an agent."""

    @property
    def label(self) -> str:
        """What the agent is called in the journal."""
        ...

    @property
    def instructions(self) -> str | None:
        """The system prompt."""
        ...

    @property
    def max_iterations(self) -> int:
        """How often a model may be called in one run."""
        ...

    @property
    def toolbox(self) -> Mapping[str, Tool]:
        """The tools by name."""
        ...

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of tools and handoffs."""
        ...

    @property
    def successors(self) -> Mapping[str, "Role"]:
        """The agents that the conversation may be handed to, by the name of the tool that does it."""
        ...

    def language_model(self) -> LanguageModel:
        """Resolve the model."""
        ...


@dataclass(slots=True)
class Conversation:
    """What one run of an agent, and of those it hands over to, has gathered so far; it only grows.

    Attributes:
        reminder: What was remembered before it began; every model is told.
    """

    messages: list[Message]
    reminder: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    iterations: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    handoff_to: str | None = None

    def add_reply(self, reply: ModelReply) -> None:
        """Take in what a model answered."""
        self.messages.append(reply.as_message())
        self.tool_calls.extend(reply.tool_calls)
        self.iterations += 1
        self.input_tokens += reply.usage.input_tokens
        self.output_tokens += reply.usage.output_tokens

    def result(self, agent: Role, reply: ModelReply, status: AgentStatus) -> AgentResult:
        """Tell how it ended."""
        return AgentResult(
            output=reply.text,
            status=status,
            message=reply.as_message(),
            stop_reason=reply.stop_reason,
            usage=Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens),
            tool_calls=tuple(self.tool_calls),
            iterations=self.iterations,
            agent=agent.label,
            handoff_to=self.handoff_to,
        )


async def converse(agent: Role, conversation: Conversation, context: Context) -> AgentResult:
    """Go on with a conversation until somebody answers, `agent` or whom it handed over to."""
    while True:
        with context.scope(f"agent:{agent.label}", agent=agent.label):
            ended = await _take_turns(agent, conversation, context)
            if isinstance(ended, AgentResult):
                return ended
            await context.hand_off(agent.label, ended.label)
        conversation.handoff_to = ended.label
        agent = ended


async def _take_turns(agent: Role, conversation: Conversation, context: Context) -> "AgentResult | Role":
    """Ask the model and do what it asks for, until it answers or names its successor."""
    model = agent.language_model()
    while True:
        reply = await context.invoke_model(model, _request(agent, conversation))
        conversation.add_reply(reply)
        if not reply.tool_calls:
            return conversation.result(agent, reply, "completed")
        done = await _do(agent, reply.tool_calls, context)
        conversation.messages.extend(map(_answer, done.outcomes))
        if conversation.iterations >= agent.max_iterations:
            return conversation.result(agent, reply, "max_iterations")
        if done.successor is not None:
            return done.successor


def _request(agent: Role, conversation: Conversation) -> ModelRequest:
    """Write the request; the messages are checked already, so they are not checked again at every turn."""
    return ModelRequest.model_construct(
        messages=tuple(conversation.messages),
        tools=agent.specs,
        system="\n\n".join(filter(None, (agent.instructions, conversation.reminder))) or None,
    )


class _Done(NamedTuple):
    """What became of the calls of one turn, in their order, and who goes on."""

    outcomes: list[ToolOutcome]
    successor: Role | None


async def _do(agent: Role, calls: Sequence[ToolCall], context: Context) -> _Done:
    """Make all tool calls of a turn at the same time; the first handoff among them counts."""
    taken = next((call for call in calls if call.name in agent.successors), None)
    outcomes = await _together([_outcome(agent, call, taken, context) for call in calls])
    return _Done(outcomes, agent.successors[taken.name] if taken else None)


async def _together(outcomes: Sequence[Coroutine[Any, Any, ToolOutcome]]) -> list[ToolOutcome]:
    """Await all; if one raises, the others are stopped, and what it raised is raised."""
    if len(outcomes) == 1:
        return [await outcomes[0]]
    tasks = [asyncio.ensure_future(outcome) for outcome in outcomes]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _outcome(agent: Role, call: ToolCall, taken: ToolCall | None, context: Context) -> ToolOutcome:
    tool = agent.toolbox.get(call.name)
    if tool is not None:
        return await context.invoke_tool(tool, call)
    if call is taken:
        return ToolOutcome(call_id=call.id, content=f"{agent.successors[call.name].label} takes over")
    if call.name in agent.successors:
        return _refused(call, "the conversation is handed to one agent only")
    known = ", ".join([*agent.toolbox, *agent.successors]) or "none"
    return _refused(call, f"there is no tool {call.name!r}; there is: {known}")


def _refused(call: ToolCall, message: str) -> ToolOutcome:
    return ToolOutcome(call_id=call.id, error=Failure(code="unknown_component", message=message))


def _answer(outcome: ToolOutcome) -> Message:
    """Write the outcome as the model reads it."""
    content = outcome.content if outcome.error is None else {"error": outcome.error.message}
    text = content if isinstance(content, str) else to_json(content).decode()
    return Message(role="tool", content=text, tool_call_id=outcome.call_id)
