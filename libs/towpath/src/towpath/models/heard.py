"""How an answer was heard, piece by piece: written down beside the reply, so that a replay hears the same pieces."""

from collections.abc import Callable, Iterator, Sequence

from towpath.models.port import (
    CitationPiece,
    HeardPiece,
    LanguageModel,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
)
from towpath.models.relaying import Relay


class ListenedModel(Relay):
    """A relay whose reply says in which pieces it was heard.

    Attributes:
        pieces: What was told of the answer.
    """

    def __init__(self, model: LanguageModel, tell: Callable[[Piece], None]) -> None:
        super().__init__(model, self._hear)
        self.pieces: list[Piece] = []
        self._listener = tell

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`; see `LanguageModel`."""
        self.pieces.clear()
        return with_pieces(await super().generate(request), self.pieces)

    def _hear(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self._listener(piece)


def with_pieces(reply: ModelReply, pieces: Sequence[Piece]) -> ModelReply:
    """Write down beside a reply in which pieces it was heard: of text that it has, only how long each one was."""
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    reasoning = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece))
    written = _Writing(has_text=text == reply.text, has_reasoning=reasoning == reply.reasoning)
    return reply.model_copy(update={"pieces": tuple(map(written.piece, pieces))})


def pieces_of(reply: ModelReply) -> Iterator[Piece]:
    """Say again in which pieces a reply was heard; none where nobody listened."""
    text, reasoning = _Rest(reply.text), _Rest(reply.reasoning)
    arguments: dict[str, str] = {}
    for heard in reply.pieces:
        if not isinstance(heard, HeardPiece):
            yield text.next(heard)
        elif heard.reasoning is not None:
            yield ReasoningPiece(reasoning.next(heard.reasoning))
        elif heard.tool_call is not None:
            call_id, name, added = heard.tool_call
            arguments[call_id] = arguments.get(call_id, "") + added
            yield ToolUsePiece(call_id, name, arguments[call_id])
        elif heard.citation is not None:
            yield CitationPiece(heard.citation)
        elif heard.signature is not None:
            yield SignaturePiece(*heard.signature)


class _Writing:
    def __init__(self, *, has_text: bool, has_reasoning: bool) -> None:
        self._has_text, self._has_reasoning = has_text, has_reasoning
        self._arguments: dict[str, str] = {}

    def piece(self, piece: Piece) -> int | str | HeardPiece:
        match piece:
            case str():
                return len(piece) if self._has_text else piece
            case ReasoningPiece():
                return HeardPiece(reasoning=len(piece.text) if self._has_reasoning else piece.text)
            case ToolUsePiece():
                return HeardPiece(tool_call=(piece.call_id, piece.name, self._added(piece)))
            case CitationPiece():
                return HeardPiece(citation=piece.citation)
            case SignaturePiece():
                return HeardPiece(signature=(piece.signature, piece.is_redacted))

    def _added(self, piece: ToolUsePiece) -> str:
        before = self._arguments.get(piece.call_id, "")
        self._arguments[piece.call_id] = piece.arguments_so_far
        return piece.arguments_so_far.removeprefix(before)


class _Rest:
    """What of a text was not said again yet."""

    def __init__(self, text: str) -> None:
        self._text = text

    def next(self, said: int | str) -> str:
        if isinstance(said, str):
            return said
        piece, self._text = self._text[:said], self._text[said:]
        return piece
