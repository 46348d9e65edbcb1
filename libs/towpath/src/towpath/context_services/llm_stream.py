"""A model that is heard while it answers: its pieces as they come, and one journaled act in the end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing
from typing import Any, Generic, NamedTuple, Self, TypeVar

from towpath.errors import ModelError
from towpath.failures import model_error
from towpath.models.port import (
    LanguageModel,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    ToolUsePiece,
    streamed,
)
from towpath_schemas.failure import Failure

Response = TypeVar("Response")
Invoke = Callable[[LanguageModel, ModelRequest], Coroutine[Any, Any, ModelReply]]


class LLMChunk(NamedTuple, Generic[Response]):
    """A piece of an answer.

    Attributes:
        text: What it adds to the text; it may be empty.
        response: The whole answer, in the last chunk.
        reasoning: What it adds to what the model thinks before it speaks.
        tool_use: A tool call while the model writes it.
    """

    text: str = ""
    response: Response | None = None
    reasoning: str = ""
    tool_use: ToolUsePiece | None = None


class LLMStream(Awaitable["LLMStream[Response]"], AsyncIterable[LLMChunk[Response]], Generic[Response]):
    """An answer in pieces; the model is asked when the first one is wanted.

    The call is journaled as one act, when it has ended: replay gives the whole text in one chunk. So pieces are for
    those who watch; what is to last is done with the whole text. Where the listener stops early, what was said until
    then is the answer. A provider that fails after it has begun to answer is not asked again by itself, since what was
    heard cannot be taken back.
    """

    def __init__(
        self,
        invoke: Invoke,
        model: LanguageModel,
        request: ModelRequest,
        response_of: Callable[[ModelReply], Response],
    ) -> None:
        self._invoke = invoke
        self._model = model
        self._request = request
        self._response_of = response_of

    def __await__(self) -> Generator[Any, Any, Self]:
        return self
        yield  # makes it a generator, which has nothing to wait for

    def __aiter__(self) -> AsyncGenerator[LLMChunk[Response]]:
        return self._chunks()

    async def _chunks(self) -> AsyncGenerator[LLMChunk[Response]]:
        pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        relay = _Relay(self._model, pieces.put_nowait)
        call = asyncio.ensure_future(self._invoke(relay, self._request))
        call.add_done_callback(lambda _: pieces.put_nowait(None))
        call.add_done_callback(_heard)
        try:
            while (piece := await pieces.get()) is not None:
                yield _chunk(piece)
            reply = await call
            yield LLMChunk("" if relay.said else reply.text, self._response_of(reply))
        except GeneratorExit:
            relay.enough = True
            raise
        except BaseException:
            call.cancel()
            raise


class _Relay:
    """Stands for a model in one act, and tells what it says while it says it.

    Attributes:
        said: Whether anything was told.
        enough: Set when nobody listens any more.
    """

    def __init__(self, model: LanguageModel, tell: Callable[[Piece], None]) -> None:
        self.said = False
        self.enough = False
        self._model = model
        self._tell = tell

    @property
    def name(self) -> str:
        return self._model.name

    async def generate(self, request: ModelRequest) -> ModelReply:
        try:
            return await self._relayed(request)
        except ModelError as error:
            if not self.said:
                raise
            raise model_error(error.failure.model_copy(update={"retryable": False})) from error

    async def _relayed(self, request: ModelRequest) -> ModelReply:
        heard: list[str] = []
        async with aclosing(streamed(self._model, request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelReply):
                    return piece
                if isinstance(piece, str):
                    heard.append(piece)
                self._told(piece)
                if self.enough:
                    return ModelReply(text="".join(heard))
        message = f"{self.name}: the stream ended without a reply"
        raise ModelError(Failure(code="model_error", message=message))

    def _told(self, piece: Piece) -> None:
        self.said = True
        self._tell(piece)


def _chunk(piece: Piece) -> "LLMChunk[Any]":
    match piece:
        case str():
            return LLMChunk(piece)
        case ReasoningPiece():
            return LLMChunk(reasoning=piece.text)
        case ToolUsePiece():
            return LLMChunk(tool_use=piece)


def _heard(call: "asyncio.Future[ModelReply]") -> None:
    """Take note of how a call ended that nobody may ask about any more."""
    if not call.cancelled():
        call.exception()
