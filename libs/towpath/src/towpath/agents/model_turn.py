"""One turn of a model: hooks, the request, the call with its retries, an overflow mended, the answer taken in."""

import asyncio
import inspect
import time
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from towpath.agents.content import DictMessage, port_messages, reply_message
from towpath.agents.hearing import EventRelay
from towpath.agents.hooks import AfterModelCallEvent, BeforeModelCallEvent, ModelStopResponse
from towpath.agents.invocation import Invocation
from towpath.agents.meters import MeteredCall
from towpath.agents.metrics import Cycle, as_dict
from towpath.agents.tracing import note_reply
from towpath.errors import ContextOverflowError
from towpath.models.port import ModelReply, ModelRequest
from towpath.models.redacting import heard_model
from towpath.retry import Retry
from towpath.tools.calls import ToolCall

CANCELLED = "Cancelled by user"
"""What an assistant's message says where it was cancelled before it said anything."""

_NOTHING_ASKED = ModelRequest(messages=())
_OVERFLOWS = 100
"""How often one request is made shorter before its overflow is believed to be another error."""


class Answer(NamedTuple):
    """What a model answered, and the message that was made of it.

    Attributes:
        calls: The tool calls to make; those of an answer that was cut off are not made.
    """

    message: DictMessage
    stop_reason: str
    text: str
    calls: tuple[ToolCall, ...]


async def ask_model(invocation: Invocation) -> Answer:
    """Ask the model, and add its answer to the conversation.

    Raises:
        ModelError: If the provider refused or failed for good.
    """
    began = time.monotonic()
    reply = await _accepted_reply(invocation)
    invocation.iterations += 1
    cycle = Cycle(invocation.iterations, began, time.monotonic(), reply.usage)
    invocation.measured.cycles.append(cycle)
    message = _message(reply, cycle)
    if reply.stop_reason != "max_tokens":
        invocation.conversation.translation.learn(message, reply.as_message())
    if invocation.listener is not None:
        _tell_reply(invocation, reply, message)
    await invocation.add(message)
    calls = () if reply.stop_reason == "max_tokens" else reply.tool_calls
    invocation.tool_calls.extend(calls)
    return Answer(message, reply.stop_reason, reply.text, calls)


async def _accepted_reply(invocation: Invocation) -> ModelReply:
    """Ask until there is an answer that no hook wants anew; a request that is too long is shortened."""
    overflows = 0
    while True:
        await _before(invocation)
        try:
            reply = await _reply(invocation)
        except ContextOverflowError as error:
            overflows += 1
            if await _wants_retry(invocation, exception=error):
                continue
            if overflows > _OVERFLOWS:
                raise
            await called(invocation.conversation.manager.reduce_context(invocation.view, error))
        except Exception as error:
            if not await _wants_retry(invocation, exception=error):
                raise
        else:
            if (accepted := await _accepted(invocation, reply)) is not None:
                return accepted


async def _before(invocation: Invocation) -> None:
    await called(invocation.conversation.manager.before_model_call(invocation.view))
    if invocation.hooks.hears(BeforeModelCallEvent):
        tokens = _projected(invocation)
        await invocation.hooks.tell(BeforeModelCallEvent(invocation.view, invocation.state, tokens))


async def called(answer: Any) -> None:
    """Await what a method gave that may be sync or async."""
    if inspect.isawaitable(answer):
        await answer


def _projected(invocation: Invocation) -> int | None:
    last = invocation.conversation.metrics.latest_usage
    return last.input_tokens + last.output_tokens or None


async def _wants_retry(invocation: Invocation, *, exception: Exception) -> bool:
    if not invocation.hooks.hears(AfterModelCallEvent):
        return False
    event = AfterModelCallEvent(invocation.view, invocation.state, None, exception)
    return (await invocation.hooks.tell(event)).retry


async def _accepted(invocation: Invocation, reply: ModelReply) -> ModelReply | None:
    """Return the reply as hooks have left it; None where one wants another."""
    if not invocation.hooks.hears(AfterModelCallEvent):
        return reply
    stop = ModelStopResponse(reply_message(reply), reply.stop_reason)
    event = AfterModelCallEvent(
        invocation.view,
        invocation.state,
        stop,
        output_tool=None if invocation.output is None else invocation.output.name,
    )
    event = await invocation.hooks.tell(event)
    if event.retry:
        return None
    if event.stop_response is stop or event.stop_response is None:
        return reply
    said = port_messages(event.stop_response.message)[-1]
    changed = {
        "text": said.content,
        "tool_calls": said.tool_calls,
        "stop_reason": event.stop_response.stop_reason,
        "citations": reply.citations if said.content == reply.text else (),
    }
    return reply.model_copy(update=changed)


async def _reply(invocation: Invocation) -> ModelReply:
    with invocation.spans.chat(invocation.agent.language_model().name) as span:
        reply = await _metered_reply(invocation)
        note_reply(span, reply)
    return reply


async def _metered_reply(invocation: Invocation) -> ModelReply:
    ask = _silent_reply if invocation.listener is None else _heard_reply
    request = _request(invocation)
    if not invocation.meters:
        return await ask(invocation, request)
    async with AsyncExitStack() as stack:
        metered: list[MeteredCall] = []
        for meter in invocation.meters:
            call = meter.model_call(invocation.context, invocation.agent.language_model(), request)
            metered.append(await stack.enter_async_context(call))
            request = metered[-1].request
        reply = await ask(invocation, request)
        for one in metered:
            one.reply = reply
    return reply


def _request(invocation: Invocation) -> ModelRequest:
    """Write the request; the messages are checked already, so they are not checked again at every turn."""
    conversation, output = invocation.conversation, invocation.output
    specs = invocation.specs
    if output is not None:
        specs = (output.spec,) if output.forced else (*specs, output.spec)
    said = {
        "messages": conversation.translation.of(conversation.messages, watched=invocation.is_watched),
        "tools": specs,
        "system": "\n\n".join(filter(None, (invocation.agent.instructions, invocation.reminder))) or None,
        "tool_choice": output.name if output is not None and output.forced else None,
    }
    return _NOTHING_ASKED.model_copy(update=said)


async def _silent_reply(invocation: Invocation, request: ModelRequest) -> ModelReply:
    model, retry = invocation.agent.language_model(), invocation.agent.model_retry
    with invocation.conversation.cancellation.guarded():
        return await invocation.context.invoke_model(model, request, retry=retry)
    return _cut_reply([])


async def _heard_reply(invocation: Invocation, request: ModelRequest) -> ModelReply:
    takes_back = invocation.listener is not None and invocation.listener.takes_back
    model = heard_model(invocation.agent.language_model(), invocation.context)
    heard = EventRelay(model, invocation.tell, takes_back=takes_back)
    try:
        with invocation.conversation.cancellation.guarded():
            reply = await invocation.context.invoke_model(
                heard,
                request,
                retry=invocation.agent.model_retry,
                on_retry=lambda retry: _throttled(invocation, retry),
            )
            heard.catch_up(reply)
            return reply
    except asyncio.CancelledError:
        invocation.cut = "".join(heard.said)
        raise
    except Exception as error:
        if heard.broken is None:
            raise
        raise heard.broken from error
    return _cut_reply(heard.said)


def _throttled(invocation: Invocation, retry: Retry) -> None:
    invocation.told("throttled", detail=retry.wait_s)


def _cut_reply(said: list[str]) -> ModelReply:
    """Write what was said until somebody cancelled."""
    return ModelReply(text="".join(said) or CANCELLED, stop_reason="cancelled")


def _message(reply: ModelReply, cycle: Cycle) -> DictMessage:
    message = reply_message(reply)
    if reply.stop_reason == "max_tokens" and reply.tool_calls:
        message["content"] = [_complete(block) for block in message["content"]]
    metadata: dict[str, Any] = {"usage": as_dict(reply.usage), "metrics": {"latencyMs": cycle.latency_ms}}
    if reply.stop_reason == "cancelled":
        metadata["cancelled"] = True
    return {**message, "metadata": metadata}


def _complete(block: dict[str, Any]) -> dict[str, Any]:
    """Say in place of a tool call that was cut off why it is not made."""
    if "toolUse" not in block:
        return block
    name = block["toolUse"]["name"]
    return {"text": f"The call of {name} was not made: the token limit was reached before it was complete."}


def _tell_reply(invocation: Invocation, reply: ModelReply, message: DictMessage) -> None:
    invocation.told("reply", content=reply.text, detail=(message["metadata"]["usage"], reply.stop_reason))
    if reply.text:
        invocation.told("response", content=reply.text)
    invocation.told("message", detail=message)
