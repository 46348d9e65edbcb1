"""The pieces of an answer without the secrets in them, however a model cuts it.

On the platform replies are journaled, and code sees them as they are journaled: with the name of each secret in its place.
So it hears them as well, and so does whoever it tells what it hears.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Protocol

from towpath.models.pieces import ArgumentsSoFar, stream_of
from towpath.models.port import (
    CitationPiece,
    LanguageModel,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
    streamed,
)
from towpath.secrecy import PiecewiseRedaction, redacted


class Place(Protocol):
    """Where a model is heard: a context."""

    @property
    def on_platform(self) -> bool:
        """Whether a runner executes the code."""
        ...


def heard_model(model: LanguageModel, place: Place) -> LanguageModel:
    """Return a model as it is heard in a place."""
    return RedactedModel(model) if place.on_platform else model


class RedactedModel:
    """A model whose pieces tell no secret; its replies are redacted where they are journaled."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The model's own."""
        return self._model.name

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`; see `LanguageModel`."""
        return await self._model.generate(request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        """Answer `request` piece by piece; see `StreamingModel`."""
        shown = RedactedPieces()
        async with aclosing(streamed(self._model, request)) as pieces:
            try:
                async for piece in pieces:
                    for said in shown.rest() if isinstance(piece, ModelReply) else shown.next(piece):
                        yield said
                    if isinstance(piece, ModelReply):
                        yield piece
            except (Exception, asyncio.CancelledError):
                for said in shown.rest():
                    yield said
                raise


class RedactedPieces:
    """Redacts the pieces of one answer in their order.

    The end of a text that a secret may begin with waits for the next piece of the same text; a piece of something else
    shows that there is none.
    """

    def __init__(self) -> None:
        self._redaction = PiecewiseRedaction()
        self._arguments = ArgumentsSoFar()
        self._said_arguments: dict[str, str] = {}
        self._stream = ""
        self._piece_of: Callable[[str], Piece] = str

    def next(self, piece: Piece) -> Iterator[Piece]:
        """Take in a piece, and return what may be told now."""
        if (stream := stream_of(piece)) != self._stream:
            yield from self.rest()
            self._stream = stream
        match piece:
            case str():
                yield from self._told(piece, str)
            case ReasoningPiece():
                yield from self._told(piece.text, ReasoningPiece)
            case ToolUsePiece():
                yield from self._told(self._arguments.added_by(piece), lambda said: self._call(piece, said))
            case SignaturePiece():
                yield piece._replace(signature=redacted(piece.signature))
            case CitationPiece():
                said = {name: redacted(one) for name, one in piece.citation if isinstance(one, str)}
                yield CitationPiece(piece.citation.model_copy(update=said))

    def rest(self) -> Iterator[Piece]:
        """Return what has waited: nothing comes behind it."""
        if said := self._redaction.rest():
            yield self._piece_of(said)

    def _told(self, added: str, piece_of: Callable[[str], Piece]) -> Iterator[Piece]:
        self._piece_of = piece_of
        said = self._redaction.next(added)
        if said or not added:
            yield piece_of(said)

    def _call(self, piece: ToolUsePiece, said: str) -> ToolUsePiece:
        so_far = self._said_arguments[piece.call_id] = self._said_arguments.get(piece.call_id, "") + said
        return piece._replace(arguments_so_far=so_far)
