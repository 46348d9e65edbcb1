"""A local server that speaks OpenAI's chat completions and embeddings, and fails when it is told to."""

import asyncio
import base64
import json
import random
import re
import socket
import struct
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class Says:
    """An answer: text, or tool calls as (id, name, arguments); arguments may be text that is no JSON."""

    text: str | None = None
    tool_calls: Sequence[tuple[str, str, Mapping[str, Any] | str]] = ()
    finish_reason: str | None = None
    delay_s: float = 0


@dataclass(frozen=True, slots=True)
class Refuses:
    """An error with a status, and how long to wait, where the server says so."""

    status: int = 429
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class SaysGarbage:
    """Status 200 and a body that is no chat completion."""

    body: str = '{"choices": [{"mess'


@dataclass(frozen=True, slots=True)
class CutsOff:
    """The connection ends in the middle of the answer; where it is streamed, after the text."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Embeds:
    """Embeddings: any vectors, but always the same for a text; the last text's comes first.

    Attributes:
        dimensions: Numbers in each, unless the request says how many.
        as_text: Whether they are packed in base64 where that is asked for; many servers do not.
        only: How many are answered at the most.
    """

    dimensions: int = 1_536
    as_text: bool = True
    only: int | None = None


Act = str | Says | Embeds | Refuses | SaysGarbage | CutsOff


@dataclass(slots=True)
class OpenAIServer:
    """A running server.

    Attributes:
        base_url: What to give the client library.
        script: What it does at each request, in order; the last act is repeated.
        requests: The bodies of all requests so far.
        authorisations: Their `Authorization` headers.
        connections: The ports from which they came, one for each connection.
    """

    base_url: str
    script: list[Act]
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    authorisations: list[str | None] = field(default_factory=list[str | None])
    connections: set[int] = field(default_factory=set[int])

    async def answer(self, request: Request) -> Response:
        """Answer one request by the script."""
        act = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(await request.json())
        self.authorisations.append(request.headers.get("authorization"))
        self.connections.add(request.client.port if request.client else 0)
        if isinstance(act, Embeds):
            return JSONResponse(_embeddings(act, self.requests[-1]))
        return await _perform(Says(act) if isinstance(act, str) else act, self.requests[-1])


_PATHS = ("/v1/chat/completions", "/v1/embeddings", "/v1/openai/deployments/{name}/embeddings")
"""Where OpenAI is asked, and where Azure is."""


@asynccontextmanager
async def openai_server(*script: Act) -> AsyncGenerator[OpenAIServer]:
    """Run a server on a free port of this machine for as long as the block lasts."""
    with _listening() as listener:
        server = OpenAIServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", list(script) or ["Hello."])
        app = Starlette(routes=[Route(path, server.answer, methods=["POST"]) for path in _PATHS])
        runner = _Runner(
            uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        running = asyncio.create_task(runner.serve(sockets=[listener]))
        try:
            await runner.accepts(running)
            yield server
        finally:
            runner.should_exit = True
            await running


class _Runner(uvicorn.Server):
    """A server inside a program that has signal handlers of its own."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def accepts(self, running: asyncio.Task[None]) -> None:
        """Wait until it accepts connections."""
        while not self.started:
            if running.done():
                await running
            await asyncio.sleep(0.005)


@contextmanager
def _listening() -> Generator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


async def _perform(act: Says | Refuses | SaysGarbage | CutsOff, asked: Mapping[str, Any]) -> Response:
    match act:
        case Says() if asked.get("stream"):
            await asyncio.sleep(act.delay_s)
            return StreamingResponse(_events(_deltas(act, asked)), media_type="text/event-stream")
        case Says():
            await asyncio.sleep(act.delay_s)
            return JSONResponse(_completion(act, asked))
        case Refuses():
            error = {"message": "the server refuses", "type": "error", "param": None, "code": act.code}
            return JSONResponse({"error": error}, act.status, dict(act.headers))
        case SaysGarbage():
            return Response(act.body, media_type="application/json")
        case CutsOff() if asked.get("stream"):
            return StreamingResponse(_cut(_deltas(Says(act.text), asked)), media_type="text/event-stream")
        case CutsOff():
            return StreamingResponse(_half_an_answer(), headers={"content-length": "1000"})


async def _half_an_answer() -> AsyncGenerator[bytes]:
    yield b'{"id": "chatcmpl-'
    raise ConnectionResetError("the script cuts the connection")


def _embeddings(act: Embeds, asked: Mapping[str, Any]) -> dict[str, Any]:
    size = asked.get("dimensions", act.dimensions)
    as_text = act.as_text and asked.get("encoding_format") == "base64"
    found = [
        {"object": "embedding", "index": index, "embedding": _embedding(text, size, as_text=as_text)}
        for index, text in enumerate(asked["input"][: act.only])
    ]
    usage = {"prompt_tokens": len(found), "total_tokens": len(found)}
    return {"object": "list", "data": found[::-1], "model": asked["model"], "usage": usage}


def _embedding(text: str, size: int, *, as_text: bool) -> str | list[float]:
    chance = random.Random(text)  # noqa: S311 - the same for the same text is what is wanted
    numbers = [chance.gauss() for _ in range(size)]
    return base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode() if as_text else numbers


def _completion(said: Says, asked: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.tool_calls:
        message["tool_calls"] = [_tool_call(*call) for call in said.tool_calls]
    reason = said.finish_reason or ("tool_calls" if said.tool_calls else "stop")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": asked["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def _deltas(said: Says, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write an answer as the chunks of a stream: one for each word, one for each tool call, the reason, the usage."""
    whole = _completion(said, asked)
    choice = whole["choices"][0]
    words = [{"content": word} for word in re.findall(r"\S+\s*", said.text or "")]
    calls = [
        {"tool_calls": [{"index": index, **call}]}
        for index, call in enumerate(choice["message"].get("tool_calls", ()))
    ]
    chunk = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    deltas = [{"role": "assistant"}, *words, *calls]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]})
    return [
        *({**chunk, "choices": [one]} for one in choices),
        {**chunk, "choices": [], "usage": whole["usage"]},
    ]


async def _events(chunks: Sequence[dict[str, Any]]) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield f"data: {json.dumps(chunk)}\n\n".encode()
        await asyncio.sleep(0)
    yield b"data: [DONE]\n\n"


async def _cut(chunks: Sequence[dict[str, Any]]) -> AsyncGenerator[bytes]:
    async for event in _events(chunks[:-2]):
        if b"[DONE]" in event:
            raise ConnectionResetError("the script cuts the connection")
        yield event


def _tool_call(call_id: str, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": written}}
