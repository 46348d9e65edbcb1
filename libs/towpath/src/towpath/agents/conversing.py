"""How an invocation of an agent is set up: in which context, in which session, reminded of what."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from towpath.agents.closing import close
from towpath.agents.content import dict_messages, port_messages
from towpath.agents.conversation import Conversation
from towpath.agents.events import Listener
from towpath.agents.in_session import InSession
from towpath.agents.invocation import Invocation, calling_invocation
from towpath.agents.loop import converse
from towpath.agents.meters import Meter
from towpath.agents.planning import Plan, PlanMeter
from towpath.agents.prompts import prompt_messages
from towpath.agents.result import AgentResult
from towpath.agents.run import AgentRun
from towpath.agents.showing import shown
from towpath.agents.structured_output import StructuredOutput
from towpath.components import ComponentType
from towpath.context import Context
from towpath.current import context_or_none, running_in
from towpath.errors import ContextError
from towpath.local.local_context import LocalContext
from towpath.memory.memory import Memory
from towpath.memory.reminding import reminder
from towpath.models.port import Message
from towpath.scopes import SessionScope
from towpath.sessions.session import Session

T = TypeVar("T")

_NO_PART = "an agent's own conversation is no part of a run on the platform"


@dataclass(slots=True)
class Asked:
    """What one call of an agent asks for.

    Attributes:
        turns: How often a model may be called.
        plan: What the prompt says is to be followed.
        meters: Who watches over what it spends, beside the agent's own.
        can_pause: Whether the agent's own conversation may stop at a question; a run of it does not.
    """

    prompt: Any
    invocation_state: dict[str, Any]
    output: StructuredOutput | None = None
    session: Session | None = None
    memory: Memory | None = None
    turns: int | None = None
    plan: Plan | None = None
    meters: Sequence[Meter] = ()
    can_pause: bool = True


def refuse_durable(instead: str = "use await agent.run(...)") -> None:
    """Refuse to go on with an agent's own conversation in a run that may be replayed.

    Raises:
        ContextError: If this is one: what the agent has in memory is not the run's.
    """
    context = context_or_none()
    if context is not None and context.home_loop is not None:
        raise ContextError(f"{_NO_PART}; {instead}")


async def speak(
    agent: Any, conversation: Conversation, asked: Asked, listener: Listener | None
) -> AgentResult:
    """Go on with an agent's own conversation."""

    async def answer(invocation: Invocation) -> AgentResult:
        invocation.can_pause = asked.can_pause
        return await _reminded(invocation, asked)

    return await take_turn(agent, conversation, asked, listener, answer)


async def take_turn(
    agent: Any,
    conversation: Conversation,
    asked: Asked,
    listener: Listener | None,
    take: Callable[[Invocation], Awaitable[T]],
) -> T:
    """Have `take` go on with an agent's own conversation, which is kept in its session where it has one.

    Raises:
        ContextError: On the platform, unless the code that speaks has made the agent itself: others' words would be in it.
    """
    here = context_or_none()
    if here is not None and here.on_platform and not agent.origin.is_here:
        raise ContextError(
            f"{_NO_PART}; use await agent.run(...) in async code, or make the agent inside the function or step that "
            "speaks with it"
        )
    kept: InSession | None = agent.in_session
    await _flushed(None if kept is None else kept.session)
    async with running_context() as context:
        invocation = invocation_of(agent, conversation, context, asked, listener)
        if kept is None:
            return await take(invocation)
        with context.in_session(kept.session):
            return await kept.turn(invocation, partial(take, invocation))


async def _reminded(invocation: Invocation, asked: Asked) -> AgentResult:
    if not invocation.conversation.interrupts.activated:
        invocation.reminder = await remembered(invocation, asked)
    return await converse(invocation, asked.prompt)


async def _flushed(session: Session | None) -> None:
    """Write what the script has set in a session: inside, that is another's."""
    if session is not None and context_or_none() is None:
        await session.flush()


async def run_asked(agent: Any, run: AgentRun, asked: Asked, listener: Listener | None) -> AgentResult:
    """Make a run: in the context of the running component, or in one of its own."""
    session = asked.session
    await _flushed(session)
    async with running_context() as context:
        run.id = context.run_id
        with context.in_session(session):
            async with shown(agent, run, context, listener) as told:
                return await _run_asked(agent, run, context, asked, told)


async def _run_asked(
    agent: Any, run: AgentRun, context: Context, asked: Asked, listener: Listener | None
) -> AgentResult:
    conversation, scope = await conversation_in(agent, asked.session)
    conversation.cancellation = run.cancellation
    invocation = invocation_of(agent, conversation, context, asked, listener)
    invocation.inbox = run.inbox
    if asked.plan is not None:
        invocation.told("plan", content=str(asked.plan), result=asked.plan)
    with context.in_session(scope):
        return await _answered(invocation, asked)


async def _answered(invocation: Invocation, asked: Asked) -> AgentResult:
    """Answer, and keep in the session what was said, also where that was cancelled."""
    try:
        result = await _reminded(invocation, asked)
    except asyncio.CancelledError:
        if asked.session is not None:
            await close(invocation)
            await keep_in(asked.session, invocation)
        raise
    await keep_in(asked.session, invocation)
    return result


async def conversation_in(agent: Any, session: Session | None) -> tuple[Conversation, SessionScope | None]:
    """Make a conversation of its own, which begins with what was said in a session; tell also whose the session is."""
    if session is None:
        return agent.own_conversation(), None
    opened = await session.opened()
    return agent.own_conversation(dict_messages(opened.messages)), opened.scope


def invocation_of(
    agent: Any, conversation: Conversation, context: Context, asked: Asked, listener: Listener | None
) -> Invocation:
    """Set up an invocation of an agent."""
    return Invocation(
        agent,
        conversation,
        context,
        asked.invocation_state,
        listener=listener,
        output=asked.output,
        max_turns=asked.turns,
        meters=_meters(agent, asked),
    )


def _meters(agent: Any, asked: Asked) -> Sequence[Meter]:
    """Tell who watches: the agent's own, the run's, and those of whoever asked the agent as a tool."""
    caller = calling_invocation()
    above = () if caller is None else [meter for meter in caller.meters if meter.inherited]
    planned = () if asked.plan is None else (PlanMeter(asked.plan),)
    return (*dict.fromkeys((*above, *agent.meters, *asked.meters)), *planned)


async def keep_in(session: Session | None, invocation: Invocation) -> None:
    """Append all that was said in an invocation to its session, if it has one."""
    if session is None:
        return
    said = [told for message in invocation.added for told in port_messages(message)]
    await session.append(said, {"agent": invocation.agent.label})


@asynccontextmanager
async def running_context() -> AsyncGenerator[Context]:
    """Return the context of the running component; where none runs, a new one, which is the current one meanwhile."""
    context = context_or_none()
    if context is not None:
        yield context
        return
    alone = LocalContext(component_type=ComponentType.AGENT)
    with running_in(alone):
        yield alone


async def remembered(invocation: Invocation, asked: Asked) -> str | None:
    """Return what is remembered that is like the prompt, if there is a memory."""
    context, label = invocation.context, invocation.agent.label
    if asked.memory is None:
        return None
    told: list[Message] = [one for message in prompt_messages(asked.prompt) for one in port_messages(message)]
    with context.scope(f"memory:{label}", agent=label):
        return await reminder(asked.memory, context, told)
