"""`LanguageModel(...)` as programs write it: a model by name, resolved when it is first asked."""

from collections.abc import AsyncGenerator
from typing import Any, overload

from towpath.argument_types import check_arguments
from towpath.context_services.llm import LLMResponse
from towpath.context_services.llm_stream import LLMStream
from towpath.local.running import here
from towpath.models import resolve
from towpath.models.port import LanguageModel as Port, ModelReply, ModelRequest, Piece, streamed
from towpath.models.prompts import Prompt


class LanguageModel:
    """A model by name, or one that was made; without either, the default model.

    It needs no key and no network until it is asked.

    Args:
        model: `provider/model`, or a model such as `OpenAIModel("name", base_url=...)`; `TOWPATH_DEFAULT_MODEL` if not
            given.
    """

    @check_arguments
    def __init__(self, model: str | Port | None = None) -> None:
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

    @overload
    def stream(  # pyright: ignore[reportOverlappingOverload] # a request can be iterated over, as pydantic would have it
        self, request: ModelRequest
    ) -> AsyncGenerator[Piece | ModelReply]: ...

    @overload
    def stream(
        self, request: Prompt = None, *, prompt: Prompt = None, **asked: Any
    ) -> LLMStream[LLMResponse]: ...

    def stream(
        self, request: ModelRequest | Prompt = None, *, prompt: Prompt = None, **asked: Any
    ) -> AsyncGenerator[Piece | ModelReply] | LLMStream[LLMResponse]:
        """Answer a prompt in pieces, as `ctx.llm.stream` does.

        Args:
            request: The prompt; or a request of the port, which is answered piece by piece with the whole reply last,
                trying once, and not journaled.
            prompt: Text, or messages.
            **asked: What else `ctx.llm.stream` takes.

        Raises:
            ConfigurationError: If no such model is known.
            ModelError: If the provider refused or failed.
        """
        if isinstance(request, ModelRequest):
            return streamed(self._resolved(), request)
        return here().llm.stream(prompt if request is None else request, model=self._model, **asked)

    def _resolved(self) -> Port:
        return resolve(self._model)
