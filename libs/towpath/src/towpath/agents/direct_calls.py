"""`agent.tool.name(...)`: tools called by the program itself, and written into the conversation as if a model had."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from pydantic_core import to_json

from towpath.agents.bridge import run_sync
from towpath.agents.content import DictMessage, use_of
from towpath.agents.conversing import Asked, invocation_of, running_context, take_turn
from towpath.agents.exclusivity import Exclusivity, Holder
from towpath.agents.invocation import Invocation
from towpath.agents.tool_turn import answers, call_tool
from towpath.errors import ConcurrencyError, ContextError
from towpath.tools.calls import ToolCall
from towpath.tools.results import ToolResult

DirectCall = Callable[..., ToolResult]


class ToolCaller:
    """The tools of an agent as methods; `_` in a name stands for `-` too.

    Args:
        agent: Whose.
        exclusive: Who may speak with it; None in a run, in which calls are not written down.
    """

    def __init__(self, agent: Any, exclusive: Exclusivity | None) -> None:
        self._agent = agent
        self._exclusive = exclusive

    def __getattr__(self, name: str) -> DirectCall:
        tools = self._agent.toolbox.latest
        tool = tools.alike(name)
        if tool is None:
            known = ", ".join(tools) or "none"
            raise AttributeError(f"{self._agent.label} has no tool {name!r}; there is {known}")

        def call(
            *,
            user_message_override: str | None = None,
            record_direct_tool_call: bool | None = None,
            **arguments: Any,
        ) -> ToolResult:
            record = (
                self._agent.record_direct_tool_call
                if record_direct_tool_call is None
                else record_direct_tool_call
            )
            asked = ToolCall(
                id=f"tooluse_{tool.name}_{uuid4().hex[:12]}", name=tool.name, arguments=arguments
            )
            code = self._recorded(asked, user_message_override) if record else self._made(asked)
            return run_sync(code, f"ctx.invoke_tool({tool.name!r}, ...)")

        return call

    async def _recorded(self, call: ToolCall, note: str | None) -> ToolResult:
        """Make a call while nobody else speaks with the agent, and write it into the conversation.

        Raises:
            ConcurrencyError: If somebody does.
            ContextError: If the conversation waits for a person.
        """
        exclusive = self._exclusive
        if exclusive is None or exclusive.held:
            raise ConcurrencyError(self._agent.label)
        if self._agent.conversation.interrupts.activated:
            raise ContextError(
                f"{self._agent.label} waits for a person's answer, so no call can be written into its conversation; "
                "answer first, or call with record_direct_tool_call=False"
            )
        holder = Holder()
        await exclusive.take(holder)
        try:
            conversation = self._agent.conversation
            take = partial(_made_and_recorded, call=call, note=note)
            return await take_turn(self._agent, conversation, Asked(None, {}), None, take)
        finally:
            exclusive.release(holder)

    async def _made(self, call: ToolCall) -> ToolResult:
        async with running_context() as context:
            asked = Asked(None, {})
            invocation = invocation_of(self._agent, self._agent.conversation, context, asked, None)
            return await call_tool(invocation, call)


async def _made_and_recorded(invocation: Invocation, call: ToolCall, note: str | None) -> ToolResult:
    result = await call_tool(invocation, call)
    await _record(invocation, call, result, note)
    return result


async def _record(invocation: Invocation, call: ToolCall, result: ToolResult, note: str | None) -> None:
    said = f"agent.tool.{call.name} direct tool call.\nInput parameters: {to_json(call.arguments).decode()}\n"
    messages: list[DictMessage] = [
        {"role": "user", "content": [*([{"text": f"{note}\n"}] if note else []), {"text": said}]},
        {"role": "assistant", "content": [{"toolUse": use_of(call)}]},
        answers([result]),
        {"role": "assistant", "content": [{"text": f"agent.tool.{call.name} was called."}]},
    ]
    for message in messages:
        await invocation.add(message)
