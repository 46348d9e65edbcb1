"""A model that is heard while it answers: its pieces as they come, and one journaled act in the end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, Self, TypeVar

from towpath.models.pieces import RecordingRelay, pieces_of
from towpath.models.port import (
    Citation,
    CitationPiece,
    LanguageModel,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
)

Response = TypeVar("Response")
Invoke = Callable[[LanguageModel, ModelRequest], Coroutine[Any, Any, ModelReply]]


class LLMChunk(NamedTuple, Generic[Response]):
    """A piece of an answer.

    Attributes:
        text: What it adds to the text; it may be empty.
        response: The whole answer, in the last chunk.
        reasoning: What it adds to what the model thinks before it speaks.
        tool_use: A tool call while the model writes it.
        citation: Where a part of the text comes from.
    """

    text: str = ""
    response: Response | None = None
    reasoning: str = ""
    tool_use: ToolUsePiece | None = None
    citation: Citation | None = None


class LLMStream(Awaitable["LLMStream[Response]"], AsyncIterable[LLMChunk[Response]], Generic[Response]):
    """An answer in pieces; the model is asked when the first one is wanted.

    The call is journaled as one act, when it has ended, with the pieces in which it was heard: replay gives the same
    chunks. A call whose end was not seen is made again, and may say other things. So pieces are for those who watch; what
    is to last is done with the whole text. Where the listener stops early, what was said until then is the answer. A
    provider that fails after it has begun to answer is not asked again by itself, since what was heard cannot be taken
    back.
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
        relay = RecordingRelay(self._model, pieces.put_nowait)
        call = asyncio.ensure_future(self._invoke(relay, self._request))
        call.add_done_callback(lambda _: pieces.put_nowait(None))
        call.add_done_callback(_heard)
        try:
            while (piece := await pieces.get()) is not None:
                yield _chunk(piece)
            reply = await call
            if not relay.heard:
                for piece in pieces_of(reply):
                    yield _chunk(piece)
            yield LLMChunk("" if reply.pieces else reply.text, self._response_of(reply))
        except GeneratorExit:
            relay.enough = True
            raise
        except BaseException:
            call.cancel()
            raise


def _chunk(piece: Piece) -> "LLMChunk[Any]":
    match piece:
        case str():
            return LLMChunk(piece)
        case ReasoningPiece():
            return LLMChunk(reasoning=piece.text)
        case ToolUsePiece():
            return LLMChunk(tool_use=piece)
        case CitationPiece():
            return LLMChunk(citation=piece.citation)
        case SignaturePiece():
            return LLMChunk()


def _heard(call: "asyncio.Future[ModelReply]") -> None:
    """Take note of how a call ended that nobody may ask about any more."""
    if not call.cancelled():
        call.exception()
