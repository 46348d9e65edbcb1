"""`LanguageModel(...)` as programs write it: a model by name, resolved when it is first asked."""

from collections.abc import AsyncGenerator
from typing import Any, overload

from towpath.context_services.llm import LLMResponse
from towpath.local.running import here
from towpath.models import resolve
from towpath.models.port import LanguageModel as Port, ModelReply, ModelRequest, streamed
from towpath.models.prompts import Prompt


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

    @overload
    async def generate(self, request: ModelRequest) -> ModelReply: ...

    @overload
    async def generate(
        self, request: Prompt = None, *, prompt: Prompt = None, **asked: Any
    ) -> LLMResponse: ...

    async def generate(
        self, request: ModelRequest | Prompt = None, *, prompt: Prompt = None, **asked: Any
    ) -> ModelReply:
        """Answer a prompt, as `ctx.llm.generate` does: in a run it is one journaled act.

        Args:
            request: The prompt; or a request of the port, which is answered as it is, trying once, and not journaled.
            prompt: Text, or messages.
            **asked: What else `ctx.llm.generate` takes, such as `max_tokens`, `system` or `schema`.

        Raises:
            ConfigurationError: If no such model is known.
            ModelError: If the provider refused or failed.
        """
        if isinstance(request, ModelRequest):
            return await self._resolved().generate(request)
        return await here().llm.generate(prompt if request is None else request, model=self._model, **asked)

    def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        """Answer `request`, trying once: the text piece by piece, and the whole reply last."""
        return streamed(self._resolved(), request)

    def _resolved(self) -> Port:
        return resolve(self._model)
