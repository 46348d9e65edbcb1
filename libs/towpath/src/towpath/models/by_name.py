"""`LanguageModel(...)` as programs write it: a model by name, resolved when it is first asked."""

from collections.abc import AsyncGenerator

from towpath.models import resolve
from towpath.models.port import LanguageModel as Port, ModelReply, ModelRequest, streamed


class LanguageModel:
    """A model by name; without a name, the default model.

    It needs no key and no network until it is asked.

    Args:
        model: `provider/model`; `TOWPATH_DEFAULT_MODEL` if not given.
    """

    def __init__(self, model: str | None = None) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """`provider/model`."""
        return self._resolved().name

    def __repr__(self) -> str:
        return f"LanguageModel({self._model!r})"

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`, trying once.

        Raises:
            ConfigurationError: If no such model is known.
            ModelError: If the provider refused or failed.
        """
        return await self._resolved().generate(request)

    def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        """Answer `request`, trying once: the text piece by piece, and the whole reply last."""
        return streamed(self._resolved(), request)

    def _resolved(self) -> Port:
        return resolve(self._model)
