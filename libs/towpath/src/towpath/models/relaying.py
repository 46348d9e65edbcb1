"""A model that is heard while it answers: its pieces are told as they come, and the call stays one act."""

from collections.abc import Callable
from contextlib import aclosing

from towpath.errors import ModelError
from towpath.failures import model_error
from towpath.models.port import LanguageModel, ModelReply, ModelRequest, Piece, streamed
from towpath_schemas.failure import Failure


class Relay:
    """Stands for a model in one act, and tells what it says while it says it.

    A provider that fails after it has begun to answer is not asked again, unless what was heard can be taken back.

    Args:
        model: Who answers.
        tell: Who listens.
        takes_back: Whether the answer may be told anew from its beginning.

    Attributes:
        heard: Whether anything was told of the answer.
        said: The text so far.
        enough: Set when nobody listens any more: what was said until then is the answer.
    """

    def __init__(
        self, model: LanguageModel, tell: Callable[[Piece], None], *, takes_back: bool = False
    ) -> None:
        self.heard = False
        self.said: list[str] = []
        self.enough = False
        self._model = model
        self._tell = tell
        self._takes_back = takes_back

    @property
    def name(self) -> str:
        """The model's own."""
        return self._model.name

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`; see `LanguageModel`."""
        self.said.clear()
        self.heard = False
        try:
            return await self._relayed(request)
        except ModelError as error:
            if not self.heard or self._takes_back:
                raise
            raise model_error(error.failure.model_copy(update={"retryable": False})) from error

    async def _relayed(self, request: ModelRequest) -> ModelReply:
        async with aclosing(streamed(self._model, request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelReply):
                    return piece
                self.heard = True
                if isinstance(piece, str):
                    self.said.append(piece)
                self._tell(piece)
                if self.enough:
                    return ModelReply(text="".join(self.said))
        message = f"{self.name}: the stream ended without a reply"
        raise ModelError(Failure(code="model_error", message=message))
