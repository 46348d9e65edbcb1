"""Guardrails: code that looks at what goes into an agent and what comes out, and rewrites or blocks it."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from towpath.agents.hooks import (
    AfterModelCallEvent,
    BeforeInvocationEvent,
    BeforeToolCallEvent,
    ModelStopResponse,
)
from towpath.agents.plugins import Plugin, hook
from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError

INTERVENED = "guardrail_intervened"
"""Why an agent stopped whose guardrail has blocked something."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """What a guardrail returns about what must not go on.

    Attributes:
        instead: What is said in its place: the agent's answer, or what the model is told of its tool call.
    """

    instead: str = "This was blocked by a guardrail."


Verdict = str | Blocked | None
"""None to let text pass, other text to put in its place, or `Blocked`."""

ToolVerdict = Mapping[str, Any] | Blocked | None
"""None to let a tool call pass, other arguments, or `Blocked`."""


class Guardrail(Plugin):
    """Looks at prompts, answers and tool calls; given to agents in their `plugins`.

    A blocked prompt reaches no model, and no conversation: what the guardrail says stands there instead, and is the
    answer. A blocked answer is replaced by it. Either ends the invocation with the stop reason `guardrail_intervened`. A
    tool call that is blocked is not made, its model is told so, and goes on. Who listens has heard pieces of an answer
    before it could be looked at.

    Of an answer that is an object of structured output each text in it is looked at by itself, however deep; what is put
    in its place has to fit the object's type as the model's own has. Numbers, and the names of fields, are for the type's
    validators. An agent that is handed the conversation has guardrails of its own for its tool calls; its answers are
    looked at by those of the agents before it too, after its own.

    The functions, sync or async, run in the run's own code, so again where it is replayed: what they say must follow from
    what they are given, or be asked for through the context.

    Args:
        before: Looks at each text of a prompt.
        after: Looks at the text of each answer of the model, and at each text of an object that it answers with.
        tool: Looks at each tool call: its name and arguments.
        name: What it is called; of one name an agent has one.

    Raises:
        ConfigurationError: If it looks at nothing.
    """

    @check_arguments
    def __init__(
        self,
        before: Callable[[str], Verdict | Awaitable[Verdict]] | None = None,
        after: Callable[[str], Verdict | Awaitable[Verdict]] | None = None,
        *,
        tool: Callable[[str, dict[str, Any]], ToolVerdict | Awaitable[ToolVerdict]] | None = None,
        name: str = "guardrail",
    ) -> None:
        if before is after is tool is None:
            raise ConfigurationError("Guardrail() looks at nothing; give it before, after or tool")
        self.name = name
        self._before, self._after, self._tool = before, after, tool

    @hook
    async def look_at_prompt(self, event: BeforeInvocationEvent) -> None:
        """Look at what the agent is about to be told."""
        if self._before is None:
            return
        passed: list[dict[str, Any]] = []
        for message in event.messages or ():
            blocks = [await self._passed(event, block) for block in message["content"]]
            passed.append({**message, "content": blocks})
        event.messages = passed

    async def _passed(self, event: BeforeInvocationEvent, block: dict[str, Any]) -> dict[str, Any]:
        """Return a block of a prompt as it may be read; where it may not, the event gets the answer."""
        if self._before is None or "text" not in block:
            return block
        verdict = await _said(self._before, block["text"])
        if isinstance(verdict, Blocked):
            event.answer = verdict.instead
            return {**block, "text": verdict.instead}
        return block if verdict is None else {**block, "text": verdict}

    @hook(stays=True)
    async def look_at_answer(self, event: AfterModelCallEvent) -> None:
        """Look at what the model has answered."""
        answered = event.stop_response
        if self._after is None or answered is None:
            return
        content = await _answer_passed(self._after, answered.message["content"], event.output_tool)
        if isinstance(content, Blocked):
            blocked = {"role": "assistant", "content": [{"text": content.instead}]}
            event.stop_response = ModelStopResponse(blocked, INTERVENED)
        elif content != answered.message["content"]:
            message = {**answered.message, "content": content}
            event.stop_response = ModelStopResponse(message, answered.stop_reason)

    @hook
    async def look_at_tool_call(self, event: BeforeToolCallEvent) -> None:
        """Look at a tool call."""
        if self._tool is None or event.cancel_tool:
            return
        use = event.tool_use
        verdict = await _said(self._tool, use["name"], use["input"])
        if isinstance(verdict, Blocked):
            event.cancel_tool = verdict.instead
        elif verdict is not None:
            event.tool_use = {**use, "input": dict(cast("Mapping[str, Any]", verdict))}


async def _said(look: Callable[..., Any], *at: Any) -> Any:
    verdict = look(*at)
    return await verdict if inspect.isawaitable(verdict) else verdict


async def _answer_passed(
    look: Callable[..., Any], content: list[dict[str, Any]], output_tool: str | None
) -> list[dict[str, Any]] | Blocked:
    """Return the content of an answer as it may be said: its text looked at as one, objects text by text."""
    text = "\n".join(block["text"] for block in content if "text" in block)
    verdict = await _said(look, text) if text else None
    if isinstance(verdict, Blocked):
        return verdict
    if verdict is not None:
        content = [{"text": verdict}, *(block for block in content if "text" not in block)]
    passed = [await _block_passed(look, block, output_tool) for block in content]
    return _blocked(passed) or passed


async def _block_passed(look: Callable[..., Any], block: dict[str, Any], output_tool: str | None) -> Any:
    use = block.get("toolUse")
    if use is None or use["name"] != output_tool:
        return block
    given = await _value_passed(look, use["input"])
    return given if isinstance(given, Blocked) else {**block, "toolUse": {**use, "input": given}}


async def _value_passed(look: Callable[..., Any], value: Any) -> Any:
    """Return a value of JSON with its texts as they may be said; `Blocked` where one may not."""
    match value:
        case "":
            return value
        case str():
            verdict = await _said(look, value)
            return value if verdict is None else verdict
        case dict():
            given = cast("dict[str, Any]", value)
            passed = [await _value_passed(look, one) for one in given.values()]
            return _blocked(passed) or dict(zip(given, passed, strict=True))
        case list():
            passed = [await _value_passed(look, one) for one in cast("list[Any]", value)]
            return _blocked(passed) or passed
        case _:
            return value


def _blocked(passed: list[Any]) -> Blocked | None:
    return next((one for one in passed if isinstance(one, Blocked)), None)
