"""Ending a conversation whose run is cancelled from outside: what stays of it is one that can be gone on with."""

from towpath.agents.content import call_of
from towpath.agents.invocation import Invocation
from towpath.agents.model_turn import CANCELLED
from towpath.agents.tool_turn import CANCELLED as TOOLS_CANCELLED, refused


async def close(invocation: Invocation) -> None:
    """Answer the tool calls that nobody will, and keep what the model was saying."""
    messages = invocation.conversation.messages
    if not messages:
        return
    last = messages[-1]
    calls = [call_of(block["toolUse"]) for block in last["content"] if "toolUse" in block]
    if calls:
        await invocation.add(refused(calls, TOOLS_CANCELLED))
    elif last["role"] == "assistant":
        return
    said = await _said(invocation)
    await invocation.add({"role": "assistant", "content": [{"text": said}], "metadata": {"cancelled": True}})


async def _said(invocation: Invocation) -> str:
    """Tell what the model had said; in a run it is recorded, since a replay asks no model."""
    context = invocation.context
    if context.home_loop is None:
        return invocation.cut or CANCELLED
    return await context.step("cancelled", lambda: invocation.cut or CANCELLED)
