"""A model that is heard while it answers: its pieces are told as they come, and the call stays one act."""

from contextlib import aclosing
from typing import Any

from pydantic_core import to_json

from towpath.agents.events import Event, Tell
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


class HeardModel:
    """Stands for a model in one act.

    A provider that fails after it has begun to answer is not asked again, unless what was heard can be taken back.

    Args:
        model: Who answers.
        tell: Who listens.
        takes_back: Whether the answer may be told anew from its beginning.

    Attributes:
        said: The text so far.
        broken: What the listener raised; it ends the call.
    """

    def __init__(self, model: LanguageModel, tell: Tell, *, takes_back: bool = False) -> None:
        self._takes_back = takes_back
        self.said: list[str] = []
        self.broken: Exception | None = None
        self._model = model
        self._tell = tell
        self._heard = False
        self._arguments: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The model's own."""
        return self._model.name

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`; see `LanguageModel`."""
        self.said.clear()
        self._arguments.clear()
        self._heard = False
        try:
            return await self._relayed(request)
        except ModelError as error:
            if not self._heard or (self._takes_back and self.broken is None):
                raise
            raise model_error(error.failure.model_copy(update={"retryable": False})) from error

    async def _relayed(self, request: ModelRequest) -> ModelReply:
        async with aclosing(streamed(self._model, request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelReply):
                    return piece
                self._told(piece)
        message = f"{self.name}: the stream ended without a reply"
        raise ModelError(Failure(code="model_error", message=message))

    def _told(self, piece: Piece) -> None:
        self._heard = True
        try:
            self._tell(self._event(piece))
        except Exception as error:
            self.broken = error
            message = f"whoever listens to {self.name} raised {type(error).__name__}"
            raise ModelError(Failure(code="model_error", message=message)) from error

    def _event(self, piece: Piece) -> Event:
        match piece:
            case str():
                self.said.append(piece)
                return Event("response.delta", content=piece)
            case ReasoningPiece(text):
                return Event("thinking", content=text)
            case ToolUsePiece(call_id, name, so_far):
                return Event(
                    "tool_call.delta", content=self._new(call_id, so_far), detail=_use(call_id, name, so_far)
                )

    def _new(self, call_id: str, so_far: str) -> str:
        before, self._arguments[call_id] = self._arguments.get(call_id, ""), so_far
        return so_far.removeprefix(before)

    def catch_up(self, reply: ModelReply) -> None:
        """Tell of an answer what was not heard in pieces: of one that came whole, as from a journal, everything."""
        if reply.reasoning and not self._heard:
            self._tell(Event("thinking", content=reply.reasoning))
        if reply.text and not self._heard:
            self._tell(Event("response.delta", content=reply.text))
        for call in reply.tool_calls:
            if call.id not in self._arguments:
                written = to_json(call.arguments).decode()
                self._tell(
                    Event("tool_call.delta", content=written, detail=_use(call.id, call.name, written))
                )


def _use(call_id: str, name: str, so_far: str) -> dict[str, Any]:
    return {"toolUseId": call_id, "name": name, "input": so_far}
