"""A local server that speaks as OpenAI does, chat completions, responses and embeddings, and fails when it is told to."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from towpath_testkit.openai_answers import (
    Embeds,
    Says,
    completion,
    completion_events,
    embeddings,
    failed_response,
    response,
    response_events,
)

__all__ = [
    "CutsOff",
    "Embeds",
    "FailsMidway",
    "Hangs",
    "OpenAIServer",
    "Received",
    "Refuses",
    "Says",
    "SaysGarbage",
    "openai_server",
]


@dataclass(frozen=True, slots=True)
class Refuses:
    """An error with a status, and how long to wait, where the server says so."""

    status: int = 429
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    message: str = "the server refuses"
    type: str = "error"


@dataclass(frozen=True, slots=True)
class SaysGarbage:
    """Status 200 and a body that is no answer."""

    body: str = '{"choices": [{"mess'
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class CutsOff:
    """The connection ends in the middle of the answer; where it is streamed, after the text.

    Attributes:
        politely: Whether it is closed as if the answer were whole.
    """

    text: str = ""
    politely: bool = False


@dataclass(frozen=True, slots=True)
class FailsMidway:
    """An error with status 200: after the text where the answer is streamed, else in its place."""

    text: str = ""
    error: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Hangs:
    """No answer, until who asks gives up; where it is streamed, none after the text."""

    text: str | None = None


Act = str | Says | Embeds | Refuses | SaysGarbage | CutsOff | FailsMidway | Hangs


class Received(NamedTuple):
    """A request as it came."""

    path: str
    query: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class OpenAIServer:
    """A running server.

    Attributes:
        base_url: What to give the client library.
        script: What it does at each request, in order; the last act is repeated.
        received: All requests so far.
        connections: The ports from which they came, one for each connection.
    """

    base_url: str
    script: list[Act]
    received: list[Received] = field(default_factory=list[Received])
    connections: set[int] = field(default_factory=set[int])

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all requests so far."""
        return [one.body for one in self.received]

    @property
    def authorisations(self) -> list[str | None]:
        """Their `Authorization` headers."""
        return [one.headers.get("authorization") for one in self.received]

    async def answer(self, request: Request) -> Response:
        """Answer one request by the script."""
        act = self.script[min(len(self.received), len(self.script) - 1)]
        url, headers = request.url, dict(request.headers)
        self.received.append(Received(url.path, url.query, headers, await request.json()))
        self.connections.add(request.client.port if request.client else 0)
        return await _perform(Says(act) if isinstance(act, str) else act, request, self.received[-1])


@asynccontextmanager
async def openai_server(*script: Act) -> AsyncGenerator[OpenAIServer]:
    """Run a server on a free port of this machine for as long as the block lasts."""
    with _listening() as listener:
        server = OpenAIServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", list(script) or ["Hello."])
        app = Starlette(routes=[Route("/{path:path}", server.answer, methods=["POST"])])
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


# --- What it does ---------------------------------------------------------------------------------


async def _perform(
    act: Says | Embeds | Refuses | SaysGarbage | CutsOff | FailsMidway | Hangs,
    request: Request,
    asked: Received,
) -> Response:
    match act:
        case Says() | Embeds():
            return await _answered(act, asked)
        case Refuses():
            error = {"message": act.message, "type": act.type, "param": None, "code": act.code}
            return JSONResponse({"error": error}, act.status, dict(act.headers))
        case SaysGarbage():
            return Response(act.body, media_type=act.content_type)
        case CutsOff():
            return _cut(act, asked)
        case FailsMidway():
            return _failed(act, asked)
        case Hangs():
            return await _hung(act, request, asked)


async def _answered(act: Says | Embeds, asked: Received) -> Response:
    if isinstance(act, Embeds):
        return JSONResponse(embeddings(act, asked.body))
    await asyncio.sleep(act.delay_s)
    return _streamed(_events(act, asked)) if asked.body.get("stream") else JSONResponse(_whole(act, asked))


def _whole(act: Says, asked: Received) -> dict[str, Any]:
    return response(act, asked.body) if _is_responses(asked) else completion(act, asked.body)


def _events(act: Says, asked: Received) -> Iterator[dict[str, Any]]:
    return response_events(act, asked.body) if _is_responses(asked) else completion_events(act, asked.body)


def _is_responses(asked: Received) -> bool:
    return asked.path.endswith("/responses")


def _said_before(text: str, asked: Received) -> list[dict[str, Any]]:
    """Return the events of an answer that is not finished."""
    events = list(_events(Says(text), asked))
    return events[:-1] if _is_responses(asked) else events[:-2]


def _cut(act: CutsOff, asked: Received) -> Response:
    if asked.body.get("stream"):
        return _streamed(_said_before(act.text, asked), broken=not act.politely)
    return StreamingResponse(_half_an_answer(), headers={"content-length": "1000"})


def _failed(act: FailsMidway, asked: Received) -> Response:
    if _is_responses(asked):
        last = {
            "type": "response.failed",
            "sequence_number": 9,
            "response": failed_response(act.error, asked.body),
        }
        whole = last["response"]
    else:
        last = whole = {"error": dict(act.error)}
    if asked.body.get("stream"):
        return _streamed([*_said_before(act.text, asked), last])
    return JSONResponse(whole)


async def _hung(act: Hangs, request: Request, asked: Received) -> Response:
    if act.text is not None and asked.body.get("stream"):
        return StreamingResponse(_never_ending(_said_before(act.text, asked)), media_type="text/event-stream")
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


def _streamed(events: Iterable[Mapping[str, Any]], *, broken: bool = False) -> Response:
    return StreamingResponse(_written(events, broken=broken), media_type="text/event-stream")


async def _written(events: Iterable[Mapping[str, Any]], *, broken: bool) -> AsyncGenerator[bytes]:
    for event in events:
        yield _event(event)
        await asyncio.sleep(0)
    if broken:
        raise ConnectionResetError("the script cuts the connection")
    yield b"data: [DONE]\n\n"


async def _never_ending(events: Iterable[Mapping[str, Any]]) -> AsyncGenerator[bytes]:
    for event in events:
        yield _event(event)
    await asyncio.get_running_loop().create_future()  # Starlette gives it up when who asks has


def _event(event: Mapping[str, Any]) -> bytes:
    named = f"event: {event['type']}\n" if "type" in event else ""
    return f"{named}data: {json.dumps(event)}\n\n".encode()


async def _half_an_answer() -> AsyncGenerator[bytes]:
    yield b'{"id": "chatcmpl-'
    raise ConnectionResetError("the script cuts the connection")
