"""The pieces in which an answer was heard: written down beside the reply, so that a replay hears the same ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence

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
from towpath.secrecy import redacted, secret_in


class RecordingRelay(Relay):
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
    arguments = ArgumentsSoFar()
    added: dict[str, list[str]] = {}
    for piece in pieces:
        added.setdefault(stream_of(piece), []).append(_added(piece, arguments))
    known = {_TEXT: reply.text, _REASONING: reply.reasoning}
    written = {stream: iter(_written(parts, known.get(stream))) for stream, parts in added.items()}
    heard = tuple(_heard(piece, next(written[stream_of(piece)])) for piece in pieces)
    return reply.model_copy(update={"pieces": heard})


def pieces_of(reply: ModelReply) -> Iterator[Piece]:
    """Say again in which pieces a reply was heard; none where nobody listened."""
    thoughts = [one.reasoning for one in reply.pieces if isinstance(one, HeardPiece)]
    text, reasoning = _Rest(reply.text, reply.pieces), _Rest(reply.reasoning, thoughts)
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


class ArgumentsSoFar(dict[str, str]):
    """What models have written of the arguments of tool calls, by the ids of the calls."""

    def added_by(self, piece: ToolUsePiece) -> str:
        """Take in a piece, and return what it adds."""
        before, self[piece.call_id] = self.get(piece.call_id, ""), piece.arguments_so_far
        return piece.arguments_so_far.removeprefix(before)


_TEXT, _REASONING, _CALL = "text", "reasoning", "call:"


def stream_of(piece: Piece) -> str:
    """Tell to which text a piece adds something; empty where to none."""
    match piece:
        case str():
            return _TEXT
        case ReasoningPiece():
            return _REASONING
        case ToolUsePiece():
            return _CALL + piece.call_id
        case CitationPiece() | SignaturePiece():
            return ""


def _added(piece: Piece, arguments: ArgumentsSoFar) -> str:
    match piece:
        case str():
            return piece
        case ReasoningPiece():
            return piece.text
        case ToolUsePiece():
            return arguments.added_by(piece)
        case CitationPiece() | SignaturePiece():
            return ""


def _written(parts: list[str], known: str | None) -> Sequence[int | str]:
    """Write the parts of a text; a secret cannot be seen in parts, so where there is one, the last has the whole."""
    whole = "".join(parts)
    if whole == known:
        return [*map(len, parts)]
    return parts if secret_in(whole) is None else [*("" for _ in parts[1:]), redacted(whole)]


def _heard(piece: Piece, written: int | str) -> int | str | HeardPiece:
    match piece:
        case str():
            return written
        case ReasoningPiece():
            return HeardPiece(reasoning=written)
        case ToolUsePiece():
            return HeardPiece(tool_call=(piece.call_id, piece.name, str(written)))
        case CitationPiece():
            return HeardPiece(citation=piece.citation)
        case SignaturePiece():
            return HeardPiece(signature=(piece.signature, piece.is_redacted))


class _Rest:
    """What of a text was not said again yet.

    Args:
        text: The text; where something in it was masked, it is longer or shorter than what was heard.
        pieces: What is written of its pieces: the last one of which only the length is has the rest.
    """

    def __init__(self, text: str, pieces: Iterable[object]) -> None:
        self._text = text
        self._to_come = sum(isinstance(one, int) for one in pieces)

    def next(self, said: int | str) -> str:
        if isinstance(said, str):
            return said
        self._to_come -= 1
        end = said if self._to_come else len(self._text)
        piece, self._text = self._text[:end], self._text[end:]
        return piece
