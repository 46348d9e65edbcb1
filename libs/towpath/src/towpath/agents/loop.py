"""The one loop of all agents: ask the model, do what it asks for, until it answers."""

from collections.abc import Sequence
from typing import Any

from towpath.agents.content import DictMessage, call_of
from towpath.agents.hooks import AfterInvocationEvent, BeforeInvocationEvent
from towpath.agents.invocation import Invocation, Role, calling_invocation
from towpath.agents.model_turn import CANCELLED, Answer, ask_model, called
from towpath.agents.prompts import prompt_messages
from towpath.agents.result import AgentResult
from towpath.agents.tool_turn import CANCELLED as TOOLS_CANCELLED, ToolTurn, call_tools, refused
from towpath.agents.tracing import note_result
from towpath.errors import BudgetExhaustedError
from towpath.tools.calls import ToolCall

_INTERRUPTED = "Tool was interrupted."
_ENDS_WELL = frozenset({"end_turn", "stop_sequence", "tool_use"})
"""Why a model stops that has said what it wanted to say, so that it can be asked for it as an object."""


async def converse(invocation: Invocation, prompt: Any) -> AgentResult:
    """Go on with a conversation until somebody answers: the agent, or whom it handed over to."""
    under_way, cancellation = invocation.agent.under_way, invocation.conversation.cancellation
    caller = calling_invocation()
    under_way.add(cancellation)
    try:
        invocation.told("init")
        with (
            cancellation.within(None if caller is None else caller.conversation.cancellation),
            invocation.spans.invocation(invocation.agent.label) as span,
        ):
            result = await _invocations(invocation, prompt)
            note_result(span, result)
    except Exception as error:
        invocation.told("error", error=error)
        raise
    finally:
        under_way.discard(cancellation)
        cancellation.clear()
    if invocation.listener is not None:
        _tell_result(invocation, result)
    return result


async def _invocations(invocation: Invocation, prompt: Any) -> AgentResult:
    """Run invocations until no hook wants to go on with a further prompt."""
    while True:
        resume, result = await _invocation(invocation, prompt)
        if resume is None:
            return result
        prompt = resume


async def _invocation(invocation: Invocation, prompt: Any) -> tuple[Any, AgentResult]:
    messages, answer = _taken_in(invocation, prompt), None
    if invocation.hooks.hears(BeforeInvocationEvent):
        before = BeforeInvocationEvent(invocation.view, invocation.state, messages)
        messages = (await invocation.hooks.tell(before)).messages or []
        answer = before.answer
    try:
        result = await (
            _answered(invocation, messages) if answer is None else _answered_for(invocation, messages, answer)
        )
    except BaseException:
        if not invocation.context.let_go:
            await _after(invocation, None)
        raise
    return await _after(invocation, result), result


async def _after(invocation: Invocation, result: AgentResult | None) -> Any:
    """Tidy up after an invocation, and return the prompt that a hook wants to go on with."""
    await called(invocation.conversation.manager.apply_management(invocation.view))
    hooks = invocation.first_hooks
    if not hooks.hears(AfterInvocationEvent):
        return None
    return (await hooks.tell(AfterInvocationEvent(invocation.first, invocation.state, result))).resume


def _taken_in(invocation: Invocation, prompt: Any) -> list[DictMessage]:
    """Read a prompt; where the conversation waits for answers, it is these."""
    interrupts = invocation.conversation.interrupts
    if interrupts.activated:
        interrupts.resume(prompt)
        return []
    return prompt_messages(prompt)


async def _answered(invocation: Invocation, messages: Sequence[DictMessage]) -> AgentResult:
    """Add the prompt's messages and go on; calls of tools that nobody has answered come first."""
    invocation.go_on()
    dangling = _dangling(invocation)
    if dangling and messages:
        await invocation.add(refused(dangling, _INTERRUPTED))
        dangling = ()
    for message in messages:
        await invocation.add(message)
    while True:
        agent = invocation.agent
        with invocation.context.scope(f"agent:{agent.label}", agent=agent.label):
            await invocation.load_tools()
            ended = await _take_turns(invocation, dangling)
            if isinstance(ended, AgentResult):
                return ended
            await invocation.context.hand_off(agent.label, ended.label)
        invocation.told("handoff", content=ended.label)
        invocation.hand_over(ended)
        dangling = ()


async def _answered_for(invocation: Invocation, messages: Sequence[DictMessage], answer: str) -> AgentResult:
    """Answer what the agent was not asked."""
    last: DictMessage = {"role": "assistant", "content": [{"text": answer}]}
    for message in (*messages, last):
        await invocation.add(message)
    invocation.told("response", content=answer)
    return invocation.result(last, "guardrail_intervened")


def _dangling(invocation: Invocation) -> Sequence[ToolCall]:
    """Return the calls of tools that the conversation ends with."""
    messages = invocation.conversation.messages
    if not messages or messages[-1]["role"] != "assistant":
        return ()
    return [call_of(block["toolUse"]) for block in messages[-1]["content"] if "toolUse" in block]


async def _take_turns(invocation: Invocation, dangling: Sequence[ToolCall]) -> AgentResult | Role:
    """Ask the model and do what it asks for, until it answers or names its successor."""
    try:
        if dangling:
            ended = await _tools(invocation, invocation.conversation.messages[-1], dangling)
            if ended is not None:
                return ended
        while True:
            with invocation.spans.cycle():
                ended = await _turn(invocation)
            if ended is not None:
                return ended
    except BudgetExhaustedError:
        return invocation.result(_last(invocation), "budget")


async def _turn(invocation: Invocation) -> AgentResult | Role | None:
    if invocation.cancelled:
        return await _stopped(invocation)
    invocation.state["event_loop_cycle_id"] = f"{invocation.context.run_id}/{invocation.iterations + 1}"
    if invocation.listener is not None:
        invocation.told("cycle")
        await invocation.caught_up()
    await invocation.hear()
    answer = await ask_model(invocation)
    if answer.stop_reason == "cancelled":
        return invocation.result(answer.message, "cancelled")
    if answer.calls:
        return await _tools(invocation, answer.message, answer.calls)
    return await _end(invocation, answer)


async def _stopped(invocation: Invocation) -> AgentResult:
    """End where somebody has cancelled before the model was asked."""
    last = _last(invocation)
    if last["role"] != "assistant":
        last = {"role": "assistant", "content": [{"text": CANCELLED}], "metadata": {"cancelled": True}}
        await invocation.add(last)
    return invocation.result(last, "cancelled")


def _last(invocation: Invocation) -> DictMessage:
    messages = invocation.conversation.messages
    return messages[-1] if messages else {"role": "assistant", "content": []}


async def _end(invocation: Invocation, answer: Answer) -> AgentResult | None:
    """End with an answer in words, unless it is to be an object, or somebody has said something meanwhile."""
    output = invocation.output
    if answer.stop_reason == "end_turn" and not _is_last(invocation) and await invocation.hear():
        return None
    if output is None or answer.stop_reason not in _ENDS_WELL:
        return invocation.result(answer.message, answer.stop_reason)
    if output.forced:
        if not output.take_text(answer.text):
            raise output.missing()
        invocation.told("structured_output", result=output.value)
        return invocation.result(answer.message, answer.stop_reason)
    if _is_last(invocation):
        return invocation.result(answer.message, "limit_turns")
    output.forced = True
    await invocation.add({"role": "user", "content": [{"text": output.prompt}]})
    return None


def _is_last(invocation: Invocation) -> bool:
    return invocation.max_turns is not None and invocation.iterations >= invocation.max_turns


async def _tools(
    invocation: Invocation, message: DictMessage, calls: Sequence[ToolCall]
) -> AgentResult | Role | None:
    """Make the calls that a message asks for; None where the model goes on."""
    if invocation.cancelled:
        invocation.conversation.interrupts.clear()
        await _answer_calls(invocation, refused(calls, TOOLS_CANCELLED))
        return invocation.result(message, "cancelled")
    await invocation.caught_up()
    turn = await call_tools(invocation, calls)
    if turn.message is None:
        return _paused(invocation, message)
    await _answer_calls(invocation, turn.message)
    return _after_tools(invocation, message, turn)


async def _answer_calls(invocation: Invocation, message: DictMessage) -> None:
    await invocation.add(message)
    if invocation.listener is not None:
        invocation.told("message", detail=message)


def _after_tools(invocation: Invocation, message: DictMessage, turn: ToolTurn) -> AgentResult | Role | None:
    if invocation.cancelled:
        return invocation.result(message, "cancelled")
    if invocation.is_exhausted:
        return invocation.result(message, "budget")
    if invocation.output is not None and invocation.output.value is not None:
        invocation.told("structured_output", result=invocation.output.value)
        return invocation.result(message, "tool_use")
    if invocation.state["request_state"].get("stop_event_loop"):
        return invocation.result(message, "tool_use")
    if _is_last(invocation):
        return invocation.result(message, "limit_turns")
    return turn.successor


def _paused(invocation: Invocation, message: DictMessage) -> AgentResult:
    invocation.conversation.interrupts.handoffs = [*invocation.handoffs]
    result = invocation.result(message, "interrupt")
    invocation.told("paused", result=list(result.interrupts))
    return result


def _tell_result(invocation: Invocation, result: AgentResult) -> None:
    invocation.told("result", content=str(result), result=result)
