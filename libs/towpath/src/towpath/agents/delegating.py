"""An agent that answers another one's model: in the caller's run, and as a tool as far as the caller can tell."""

from collections.abc import Sequence
from typing import Any

from towpath.agents.bounds import MAX_ITERATIONS
from towpath.agents.conversing import (
    Asked,
    conversation_in,
    invocation_of,
    keep_in,
    refuse_durable,
    remembered,
)
from towpath.agents.event_dicts import DictProjection
from towpath.agents.events import Event, Listener
from towpath.agents.interrupts import RESPONSE
from towpath.agents.invocation import Invocation, calling_invocation
from towpath.agents.loop import converse
from towpath.agents.result import AgentResult
from towpath.agents.structured_output import output_of
from towpath.context import Context
from towpath.errors import ApprovalRequiredError, InterruptError
from towpath.scopes import current_scope
from towpath.sessions.session import Session
from towpath.tools.results import ToolResult, text_result
from towpath.tools.tool_context import ToolContext
from towpath.values import to_json_value


async def delegated(
    agent: Any, context: Context, prompt: str, tool_context: ToolContext, *, preserve_context: bool
) -> ToolResult:
    """Have `agent` answer as a tool; whatever goes wrong is the result, for the model that asks to read.

    Raises:
        InterruptError: If a person has to be asked first; called again with the answer, it goes on where it was.
        ApprovalRequiredError: If that is so, and nobody can be.
    """
    call_id: str = tool_context.tool_use["toolUseId"]
    asked = _asked(agent, prompt)
    listener = _Heard(tool_context) if tool_context.is_heard else None
    try:
        if preserve_context:
            refuse_durable()
            return _answer(call_id, await agent.converse(asked, listener))
        return _answer(call_id, await _apart(agent, context, asked, listener, call_id))
    except (InterruptError, ApprovalRequiredError):
        raise
    except Exception as error:  # noqa: BLE001 - any error of a tool is an answer to the model
        return text_result(call_id, f"Agent error: {error}", "error")


def _asked(agent: Any, prompt: str) -> Asked:
    session = agent.session or _callers_session()
    output = output_of(agent.structured_output_model, agent.structured_output_prompt)
    turns = agent.max_turns or MAX_ITERATIONS
    return Asked(prompt, {}, output=output, session=session, memory=agent.memory, turns=turns)


def _callers_session() -> Session | None:
    session_id = current_scope().session
    return None if session_id is None else Session(session_id)


async def _apart(
    agent: Any, context: Context, asked: Asked, listener: Listener | None, call_id: str
) -> AgentResult:
    """Answer in a conversation of its own."""
    caller = calling_invocation()
    paused: Invocation | None = None if caller is None else caller.conversation.paused.pop(call_id, None)
    with context.in_session(None if asked.session is None else asked.session.id):
        invocation = await _invocation(agent, context, asked, listener, paused)
        invocation.can_pause = caller is not None and caller.can_pause
        if caller is not None and paused is not None and not _responses(paused):
            raise _pausing(caller, call_id, paused)
        result = await converse(invocation, asked.prompt if paused is None else _responses(paused))
        if caller is not None and result.status == "paused":
            raise _pausing(caller, call_id, invocation)
        await keep_in(asked.session, invocation)
    return result


async def _invocation(
    agent: Any, context: Context, asked: Asked, listener: Listener | None, paused: Invocation | None
) -> Invocation:
    """Set up the invocation; one that was paused goes on with what it had."""
    if paused is not None:
        again = invocation_of(agent, paused.conversation, context, asked, listener)
        again.added, again.reminder = paused.added, paused.reminder
        return again
    conversation = await conversation_in(agent, asked.session)
    invocation = invocation_of(agent, conversation, context, asked, listener)
    invocation.reminder = await remembered(invocation, asked)
    return invocation


def _pausing(caller: Invocation, call_id: str, paused: Invocation) -> InterruptError:
    """Have the caller's conversation wait for what this one waits for: the questions are the same objects."""
    pending = paused.conversation.interrupts.pending
    caller.conversation.paused[call_id] = paused
    caller.conversation.interrupts.interrupts.update({one.id: one for one in pending})
    return InterruptError(pending[0])


def _responses(paused: Invocation) -> Sequence[dict[str, Any]]:
    asked = paused.conversation.interrupts.interrupts.values()
    answered = [one for one in asked if one.response is not None]
    return [{RESPONSE: {"interruptId": one.id, "response": one.response}} for one in answered]


def _answer(call_id: str, result: AgentResult) -> ToolResult:
    if result.structured_output is None:
        return text_result(call_id, str(result))
    content = [{"json": to_json_value(result.structured_output)}]
    return {"toolUseId": call_id, "status": "success", "content": content}


class _Heard(Listener):
    """Tells what the agent does as what the tool yields."""

    def __init__(self, tool_context: ToolContext) -> None:
        self._tool_context = tool_context
        self._projection = DictProjection({})

    def tell(self, event: Event) -> None:
        """Take one event."""
        for one in self._projection.of(event):
            self._tool_context.tell(one)

    async def caught_up(self) -> None:
        """Wait for nobody: who listens to the caller hears this too."""
