"""The tool calls of one turn: hooks around each, approval before, results in the order of the calls."""

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from towpath.agents.content import DictMessage, call_of, use_of
from towpath.agents.hooks import AfterToolCallEvent, BeforeToolCallEvent
from towpath.agents.interrupts import Interrupt
from towpath.agents.invocation import Invocation, Role, speaking
from towpath.agents.metrics import ToolRun
from towpath.agents.questions import Answers
from towpath.errors import ApprovalRequiredError, BudgetExhaustedError, InterruptError
from towpath.failures import component_error
from towpath.tools.calls import ToolCall
from towpath.tools.confirmation import Confirmation, call_sha256, confirming, decide, is_yes
from towpath.tools.results import ToolResult, text_result, tool_result, unknown_tool
from towpath.tools.tool import Tool
from towpath.tools.tool_context import ToolContext, calling
from towpath.values import to_json_value
from towpath.waiting import Approval

CANCELLED = "Tool execution cancelled"
_CANCELLED_BY_HOOK = "tool cancelled by user"


class ToolTurn(NamedTuple):
    """What became of the calls of one turn, and who goes on.

    Attributes:
        message: The message that answers all calls; None where some wait for a person.
        successor: The agent that the conversation was handed to.
    """

    message: DictMessage | None
    successor: Role | None


class _Ended(NamedTuple):
    """How one call ended: with a result, or with a question."""

    call: ToolCall
    result: ToolResult | None
    interrupt: Interrupt | None = None


async def call_tools(invocation: Invocation, calls: Sequence[ToolCall]) -> ToolTurn:
    """Make all calls of a turn; the first handoff among them counts. What has its result already is not made again."""
    interrupts, output = invocation.conversation.interrupts, invocation.output
    if output is not None:
        output.take_back(interrupts.output)
    known = interrupts.context
    taken = next((call for call in calls if call.name in invocation.agent.successors), None)
    open_calls = [partial(_ended, invocation, call, taken) for call in calls if call.id not in known]
    ended = await invocation.agent.tool_executor.run(open_calls, _is_interrupted)
    results = known | {one.call.id: one.result for one in ended if one.result is not None}
    if any(map(_is_interrupted, ended)):
        interrupts.stop(results, {} if output is None else output.given)
        return ToolTurn(None, None)
    interrupts.clear()
    return ToolTurn(
        answers([results[call.id] for call in calls]),
        invocation.agent.successors.get(taken.name) if taken else None,
    )


def answers(results: Sequence[ToolResult]) -> DictMessage:
    """Write the message that answers the tool calls of a turn."""
    return {"role": "user", "content": [{"toolResult": result} for result in results]}


def refused(calls: Sequence[ToolCall], why: str) -> DictMessage:
    """Answer calls that are not made."""
    return answers([text_result(call.id, why, "error") for call in calls])


def _is_interrupted(ended: _Ended) -> bool:
    return ended.interrupt is not None


async def _ended(invocation: Invocation, call: ToolCall, taken: ToolCall | None) -> _Ended:
    try:
        return _Ended(call, await call_tool(invocation, call, taken))
    except InterruptError as asked:
        interrupt: Interrupt = asked.interrupt
        invocation.told("tool_interrupted", tool_name=call.name, result=[interrupt], detail=use_of(call))
        return _Ended(call, None, interrupt)


async def call_tool(invocation: Invocation, call: ToolCall, taken: ToolCall | None = None) -> ToolResult:
    """Make one call, as often as hooks want, and take note of it."""
    while True:
        began = time.monotonic()
        with invocation.spans.tool(call.name, call.id):
            result, retry = await _once(invocation, call, taken)
        succeeded = result.get("status") != "error"
        run = ToolRun(invocation.iterations, call.name, began, time.monotonic(), succeeded)
        invocation.measured.tools.append(run)
        if not retry:
            break
    if invocation.listener is not None:
        invocation.told("tool_result", tool_name=call.name, arguments=call.arguments, result=_said(result))
    return result


def _said(result: ToolResult) -> Any:
    """Return what a result says: its text, where that is all."""
    texts = [part.get("text") for part in result["content"]]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else result["content"]


async def _once(invocation: Invocation, call: ToolCall, taken: ToolCall | None) -> tuple[ToolResult, bool]:
    """Make one call once, hooks included; tell also whether one of them wants it made again."""
    hooks, tool = invocation.hooks, invocation.tools.get(call.name)
    cancelled: str | None = None
    if hooks.hears(BeforeToolCallEvent):
        before = await _before(invocation, call, tool)
        call, tool, cancelled = call_of(before.tool_use), before.selected_tool, _why(before)
    made = (
        await _made(invocation, call, tool, taken)
        if cancelled is None
        else _cancelled(invocation, call, cancelled)
    )
    if not hooks.hears(AfterToolCallEvent):
        return made.result, False
    after = AfterToolCallEvent(
        invocation.view,
        tool,
        use_of(call),
        invocation.state,
        made.result,
        made.error,
        cancel_message=cancelled,
    )
    after = await hooks.tell(after)
    return after.result, after.retry


async def _before(invocation: Invocation, call: ToolCall, tool: Tool | None) -> BeforeToolCallEvent:
    """Tell hooks that a tool is about to be called; where nothing can be paused, again after each answer to one of them.

    Raises:
        ApprovalRequiredError: If a hook asks something, and nobody can answer.
        InterruptError: If it does, and the conversation stops for it.
    """
    decided = Answers(invocation.context)
    asked = invocation.conversation.interrupts if invocation.can_pause else decided
    while True:
        event = BeforeToolCallEvent(invocation.view, tool, use_of(call), invocation.state, asked)
        try:
            return await invocation.hooks.tell(event)
        except InterruptError as question:
            if invocation.can_pause:
                raise
            event.cancel_tool = await decided.refusal_of(event, question.interrupt) or False
        if event.cancel_tool:
            return event


def _why(event: BeforeToolCallEvent) -> str | None:
    """Tell why a call is not made; None where it is."""
    if not event.cancel_tool:
        return None
    return event.cancel_tool if isinstance(event.cancel_tool, str) else _CANCELLED_BY_HOOK


def _cancelled(invocation: Invocation, call: ToolCall, why: str) -> "_Made":
    invocation.told("tool_cancelled", content=why, tool_name=call.name, detail=use_of(call))
    return _Made(text_result(call.id, why, "error"))


class _Made(NamedTuple):
    """What a call gave, and what went wrong with it."""

    result: ToolResult
    error: Exception | None = None


async def _made(invocation: Invocation, call: ToolCall, tool: Tool | None, taken: ToolCall | None) -> _Made:
    output = invocation.output
    if output is not None and call.name == output.name:
        return _Made(output.take(call))
    if tool is not None:
        return await _called(invocation, tool, call)
    if taken is not None and call.id == taken.id:
        return _Made(text_result(call.id, f"{invocation.agent.successors[taken.name].label} takes over"))
    if call.name in invocation.agent.successors:
        return _Made(text_result(call.id, "Error: the conversation is handed to one agent only", "error"))
    return _Made(unknown_tool(call.id, call.name))


async def _called(invocation: Invocation, tool: Tool, call: ToolCall) -> _Made:
    """Call a tool, once it may be called."""
    context = invocation.context
    refusal = await _refusal(invocation, tool, call)
    if refusal is not None:
        return _Made(refusal)
    try:
        for meter in invocation.meters:
            await meter.before_tool(context, call)
    except BudgetExhaustedError as error:
        invocation.is_exhausted = True
        return _Made(text_result(call.id, f"Error: {error}", "error"), error)
    if invocation.listener is not None:
        invocation.told("tool_call", tool_name=tool.name, arguments=call.arguments)
    with calling(_tool_context(invocation, call)), speaking(invocation):
        outcome = await context.invoke_tool(tool, call)
    return _Made(tool_result(outcome), None if outcome.error is None else component_error(outcome.error))


def _tool_context(invocation: Invocation, call: ToolCall) -> ToolContext:
    use = use_of(call)

    def tell(piece: Any) -> None:
        invocation.told("tool_stream", tool_name=call.name, result=piece, detail=use)

    return ToolContext(
        use, invocation.view, invocation.state, listener=None if invocation.listener is None else tell
    )


# --- Approval -----------------------------------------------------------------------------------------


async def _refusal(invocation: Invocation, tool: Tool, call: ToolCall) -> ToolResult | None:
    """Have a person decide, where the tool wants that; None if it may be called.

    Raises:
        ApprovalRequiredError: If nobody can be asked, and the invocation cannot be paused.
        InterruptError: If it can, and nobody has answered yet.
    """
    if tool.confirmation is None:
        return None
    try:
        decided = await decide(invocation.context, tool, call)
    except ApprovalRequiredError:
        if not invocation.can_pause:
            raise
        answered = _answered(invocation, tool, tool.confirmation, call)
        with confirming(lambda _proposed: answered):
            decided = await decide(invocation.context, tool, call)
    return None if decided is None else tool_result(decided)


def _answered(invocation: Invocation, tool: Tool, confirmation: Confirmation, call: ToolCall) -> Approval:
    """Tell what was answered to the question whether the tool may be called with these very arguments.

    Raises:
        InterruptError: If nobody has answered yet, and somebody still can.
    """
    arguments, now = to_json_value(call.arguments), invocation.context.now()
    name = f"confirmation:{tool.name}:{call_sha256(tool.name, arguments)}"
    reason = {"tool": tool.name, "arguments": arguments}
    until = None if confirmation.expires_s is None else now + timedelta(seconds=confirmation.expires_s)
    asked = invocation.conversation.interrupts.question(call.id, name, reason, expires_at=until)
    if asked.has_expired(now):
        return Approval("expired")
    if asked.response is None:
        raise InterruptError(asked)
    return Approval("approved" if is_yes(asked.response) else "rejected")
