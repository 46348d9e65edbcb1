"""A model whose answer is told as events: piece by piece where it streams, and else what was not heard, at the end."""

from typing import Any

from pydantic_core import to_json

from towpath.agents.content import citation_block
from towpath.agents.events import Event, Tell
from towpath.errors import ModelError
from towpath.models.pieces import ArgumentsSoFar
from towpath.models.port import (
    CitationPiece,
    LanguageModel,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
)
from towpath.models.relaying import Relay
from towpath_schemas.failure import Failure


class EventRelay(Relay):
    """Stands for a model in one act; see `Relay`.

    Attributes:
        broken: What the listener raised; it ends the call.
    """

    def __init__(self, model: LanguageModel, tell: Tell, *, takes_back: bool = False) -> None:
        super().__init__(model, self._told, takes_back=takes_back)
        self.broken: Exception | None = None
        self._tell_event = tell
        self._arguments = ArgumentsSoFar()
        self._told_of: set[str] = set()

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`; see `LanguageModel`."""
        self._arguments.clear()
        self._told_of.clear()
        return await super().generate(request)

    def _told(self, piece: Piece) -> None:
        try:
            event = self._event(piece)
            self._told_of.add(event.type)
            self._tell_event(event)
        except Exception as error:
            self.broken = error
            message = f"whoever listens to {self.name} raised {type(error).__name__}"
            raise ModelError(Failure(code="model_error", message=message)) from error

    def _event(self, piece: Piece) -> Event:
        match piece:
            case str():
                return Event("response.delta", content=piece)
            case ReasoningPiece(text):
                return Event("thinking", content=text)
            case SignaturePiece(signature, is_redacted):
                return Event("signature", content=signature, detail=is_redacted)
            case CitationPiece(citation):
                return Event("citation", detail=citation_block(citation))
            case ToolUsePiece():
                return Event("tool_call.delta", content=self._arguments.added_by(piece), detail=_use(piece))

    def catch_up(self, reply: ModelReply) -> None:
        """Tell of an answer what was not heard in pieces: of one that came whole, as from a journal, everything."""
        for thought in reply.thoughts():
            self._tell_unheard(self._event(thought))
        if reply.text:
            self._tell_unheard(Event("response.delta", content=reply.text))
        for cited in reply.citations if "citation" not in self._told_of else ():
            self._tell_event(self._event(CitationPiece(cited)))
        for call in reply.tool_calls:
            if call.id not in self._arguments:
                written = to_json(call.arguments).decode()
                self._tell_event(self._event(ToolUsePiece(call.id, call.name, written)))

    def _tell_unheard(self, event: Event) -> None:
        if event.type not in self._told_of:
            self._tell_event(event)


def _use(piece: ToolUsePiece) -> dict[str, Any]:
    return {"toolUseId": piece.call_id, "name": piece.name, "input": piece.arguments_so_far}
