"""An agent that answers another one's model: in the caller's run, and as a tool as far as the caller can tell."""

from collections.abc import Mapping, Sequence
from typing import Any

from towpath.agents.bounds import MAX_ITERATIONS
from towpath.agents.content import copied
from towpath.agents.conversation import Conversation
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
from towpath.agents.interrupts import RESPONSE, InterruptState
from towpath.agents.invocation import Invocation, calling_invocation
from towpath.agents.loop import converse
from towpath.agents.result import AgentResult
from towpath.agents.structured_output import output_of
from towpath.context import Context
from towpath.errors import ApprovalRequiredError, ContextError, InterruptError
from towpath.scopes import SessionScope, current_scope
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
            refuse_durable(f"make {agent.label} a tool with preserve_context=False")
            return _answer(call_id, await _in_its_own(agent, asked, listener, call_id))
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
    session = current_scope().session
    return None if session is None else Session(session.id)


async def _in_its_own(agent: Any, asked: Asked, listener: Listener | None, call_id: str) -> AgentResult:
    """Answer in the agent's own conversation; a question in it is the caller's too.

    Raises:
        ContextError: If the answer is to a question of which that conversation does not know.
    """
    caller, conversation = calling_invocation(), agent.conversation
    asked.can_pause = caller is not None and caller.can_pause
    kept = _taken(caller, call_id)
    if caller is not None and kept is not None:
        asked.prompt = _answers(caller, kept, call_id)
        if agent.in_session is None and not conversation.interrupts.activated:
            raise ContextError(
                f"the own conversation of {agent.label}, in which this was asked, is not there any more; give "
                f"{agent.label} a session or session_manager, or preserve_context=False"
            )
    result = await agent.converse(asked, listener)
    if caller is not None and result.status == "paused":
        raise _pausing(caller, call_id, {"interrupts": conversation.interrupts.to_dict()})
    return result


async def _apart(
    agent: Any, context: Context, asked: Asked, listener: Listener | None, call_id: str
) -> AgentResult:
    """Answer in a conversation of its own."""
    caller = calling_invocation()
    kept = _taken(caller, call_id)
    prompt = asked.prompt if caller is None or kept is None else _answers(caller, kept, call_id)
    with context.in_session(asked.session):
        conversation, scope = await (
            conversation_in(agent, asked.session) if kept is None else _restored(agent, kept, asked.session)
        )
        with context.in_session(scope):
            invocation = invocation_of(agent, conversation, context, asked, listener)
            invocation.can_pause = caller is not None and caller.can_pause
            if kept is None:
                invocation.reminder = await remembered(invocation, asked)
            else:
                invocation.added, invocation.reminder = [*kept["added"]], kept["reminder"]
            result = await converse(invocation, prompt)
        if caller is not None and result.status == "paused":
            raise _pausing(caller, call_id, _kept(invocation, asked))
        await keep_in(asked.session, invocation)
    return result


# --- Questions to a person ------------------------------------------------------------------------------------


def _kept(invocation: Invocation, asked: Asked) -> dict[str, Any]:
    """Write what a paused invocation goes on with, so that it can in another process too."""
    conversation = invocation.conversation
    return {
        "messages": conversation.messages,
        "state": conversation.state.get(),
        "conversation_manager_state": conversation.manager.get_state(),
        "interrupts": conversation.interrupts.to_dict(),
        "added": [] if asked.session is None else invocation.added,
        "reminder": invocation.reminder,
    }


async def _restored(
    agent: Any, kept: Mapping[str, Any], session: Session | None
) -> tuple[Conversation, SessionScope | None]:
    """Read the conversation that `_kept` wrote; tell also whose the session is in which it goes on."""
    conversation: Conversation = agent.own_conversation()
    conversation.messages = copied([*kept["messages"]])
    conversation.state.replace(kept["state"])
    conversation.manager.restore_from_session(kept["conversation_manager_state"])
    conversation.interrupts = InterruptState.from_dict(kept["interrupts"])
    return conversation, None if session is None else session.scope(await session.head())


def _pausing(caller: Invocation, call_id: str, kept: dict[str, Any]) -> InterruptError:
    """Have the caller's conversation wait for what this one waits for."""
    waiting = caller.conversation.interrupts
    waiting.paused[call_id] = kept
    pending = InterruptState.from_dict(kept["interrupts"]).pending
    waiting.interrupts.update({one.id: one for one in pending})
    return InterruptError(pending[0])


def _taken(caller: Invocation | None, call_id: str) -> dict[str, Any] | None:
    """Return what is kept of an agent that was asked by this very call already, and waits."""
    return None if caller is None else caller.conversation.interrupts.paused.pop(call_id, None)


def _answers(caller: Invocation, kept: dict[str, Any], call_id: str) -> Sequence[dict[str, Any]]:
    """Return what a person has answered to the caller since the agent was paused.

    Raises:
        InterruptError: If that is nothing: it waits on.
    """
    known = caller.conversation.interrupts.interrupts
    waiting = InterruptState.from_dict(kept["interrupts"]).pending
    answered = [known[one.id] for one in waiting if one.id in known and known[one.id].response is not None]
    if not answered:
        raise _pausing(caller, call_id, kept)
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
