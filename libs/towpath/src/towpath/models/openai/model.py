"""Models of all providers that speak as OpenAI does, by the one client library that they share."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Literal

import openai

from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError
from towpath.models.openai.chat import Chat
from towpath.models.openai.clients import client_of, timeout_of
from towpath.models.openai.failures import failures_of, refuses_format
from towpath.models.openai.forms import forms_of
from towpath.models.openai.responses import RESPONSES
from towpath.models.openai.style import Question, Style
from towpath.models.port import ModelReply, ModelRequest, Piece
from towpath.models.providers import PROVIDERS, Access
from towpath.settings import model_timeout_s


class OpenAIModel:
    """A model of OpenAI, or of any server that speaks as it does: asked once for each request.

    Args:
        model: The model's name at the provider; at Azure, the deployment's.
        provider: Whose it is, one of `towpath.models.providers.PROVIDERS`.
        base_url: Where the server is, if it is not where the provider's is.
        api_key: The key; from the provider's variable if not given.
        api: The style in which it is asked: `chat` completions or `responses`.
        api_version: At Azure, the version of its interface; `OPENAI_API_VERSION` if not given.
        headers: What else is sent with each request, by header.
        extra: What else each request's body holds, such as `{"reasoning": {"effort": "low"}}`.
        timeout_s: Seconds it may take to answer, or be silent where it answers in pieces; `TOWPATH_MODEL_TIMEOUT_S` if not
            given, or else 600.

    Raises:
        ConfigurationError: If there is no such provider or style, or no model of the provider has such a name.
    """

    @check_arguments
    def __init__(
        self,
        model: str,
        *,
        provider: str = "openai",
        base_url: str | None = None,
        api_key: str | None = None,
        api: Literal["chat", "responses"] = "chat",
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        _check(model, provider, api)
        self._model = model
        self._api = api
        self._access = Access(provider, base_url, api_key, api_version, dict(headers or {}))
        self._extra = dict(extra or {})
        self._timeout_s = timeout_s
        self._style: Style = RESPONSES if api == "responses" else Chat(self._access.about)

    @property
    def name(self) -> str:
        """`<provider>/<model>`, or `<provider>-responses/<model>`."""
        style = "" if self._api == "chat" else f"-{self._api}"
        return f"{self._access.provider}{style}/{self._model}"

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name!r})"

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`; see `LanguageModel`.

        Raises:
            ConfigurationError: If a key or another variable is missing; the message names it.
        """
        server = self._access.server()
        client = await client_of(server, self.name)
        async with (
            failures_of(self.name, server, answers=self._style.answers),
            asyncio.timeout(self._timeout_s or model_timeout_s()),
        ):
            return self._style.reply(await self._sent(request, self._style.answer, client))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        """Answer `request` piece by piece; see `StreamingModel`.

        Raises:
            ConfigurationError: If a key or another variable is missing; the message names it.
        """
        server = self._access.server()
        client = await client_of(server, self.name)
        listener = self._style.listener()
        async with (
            failures_of(self.name, server, answers=self._style.answers),
            aclosing(await self._sent(request, self._style.events, client)) as events,
        ):
            async for event in events:
                for piece in listener.hear(event):
                    yield piece
            yield listener.reply()

    async def _sent(
        self, request: ModelRequest, send: Callable[..., Awaitable[Any]], client: openai.AsyncOpenAI
    ) -> Any:
        """Send a request; a server that does not know the form of the answer that is asked for is asked with less."""
        *forms, last = forms_of(request.answer_schema, enforced=self._access.about.enforces_schemas)
        options = {"timeout": timeout_of(self._timeout_s), "extra_body": self._extra or None}
        for form in forms:
            try:
                return await send(client, self._style.body(Question(self._model, request, form)), **options)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not refuses_format(error):
                    raise
        return await send(client, self._style.body(Question(self._model, request, last)), **options)


def _check(model: str, provider: str, api: str) -> None:
    about = PROVIDERS.get(provider)
    if about is None:
        raise ConfigurationError(f"no model provider {provider!r} is known; there is {', '.join(PROVIDERS)}")
    if api == "responses" and not about.responses:
        raise ConfigurationError(f"{provider} does not speak the responses style; leave api= out")
    if not re.fullmatch(about.names, model):
        raise ConfigurationError(f"{model!r} is no name of a model of {provider}; one is {about.example!r}")
