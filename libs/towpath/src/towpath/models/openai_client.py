"""Clients of OpenAI, Azure and all servers that speak as they do, and what becomes of their failures."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

import openai

from towpath.errors import ConfigurationError, ModelError
from towpath.retry import retry_after_s
from towpath_schemas.failure import Failure

Provider = Literal["openai", "azure"]

_RETRYABLE = frozenset({408, 409, 429})
_HOPELESS_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class Server(NamedTuple):
    """Where a model is asked; what is not given is as the client library finds it in the environment."""

    provider: Provider = "openai"
    base_url: str | None = None
    api_key: str | None = None


_Clients = dict[Server, openai.AsyncOpenAI]
_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients]" = WeakKeyDictionary()


def client_of(server: Server) -> openai.AsyncOpenAI:
    """Return the loop's client of a server: connections are kept, and belong to the loop that opened them.

    Raises:
        ConfigurationError: If the environment lacks what the client needs, such as a key.
    """
    of_loop = _clients.setdefault(asyncio.get_running_loop(), {})
    if server not in of_loop:
        of_loop[server] = _new_client(server)
    return of_loop[server]


def _new_client(server: Server) -> openai.AsyncOpenAI:
    if server.provider == "azure":
        return _new_azure_client(server)
    try:
        return openai.AsyncOpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0)
    except openai.OpenAIError as error:
        raise ConfigurationError("OPENAI_API_KEY is not set; set it, or name another model") from error


def _new_azure_client(server: Server) -> openai.AsyncOpenAI:
    try:
        if server.base_url is None:
            return openai.AsyncAzureOpenAI(api_key=server.api_key, max_retries=0)
        return openai.AsyncAzureOpenAI(azure_endpoint=server.base_url, api_key=server.api_key, max_retries=0)
    except (openai.OpenAIError, ValueError) as error:
        needed = "AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and OPENAI_API_VERSION"
        raise ConfigurationError(f"{needed} must be set, or another model named: {error}") from error


async def close_clients() -> None:
    """Close the connections that the running loop holds."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.close()


# --- What goes wrong ------------------------------------------------------------------------------


@asynccontextmanager
async def failures_of(model: str, *, answers: str) -> AsyncGenerator[None]:
    """Turn what the client library raises into a `ModelError`; `answers` says what the model should have answered."""
    try:
        yield
    except openai.APIStatusError as error:
        raise ModelError(_status_failure(model, error)) from error
    except openai.APIConnectionError as error:
        raise ModelError(_failure(model, f"no connection: {error}", error, retryable=True)) from error
    except (openai.APIError, ValueError, TypeError, AttributeError, IndexError) as error:
        message = f"the answer is not {answers}: {type(error).__name__}: {error}"
        raise ModelError(_failure(model, message, error, retryable=True)) from error


def _status_failure(model: str, error: openai.APIStatusError) -> Failure:
    hopeless = error.code in _HOPELESS_CODES
    retryable = not hopeless and (error.status_code in _RETRYABLE or error.status_code >= 500)  # noqa: PLR2004
    failure = _failure(model, f"HTTP {error.status_code}: {error.message}", error, retryable=retryable)
    wait_s = retry_after_s(error) if retryable else None
    return failure if wait_s is None else failure.model_copy(update={"retry_after_s": wait_s})


def _failure(model: str, message: str, error: Exception, *, retryable: bool) -> Failure:
    return Failure(
        code="model_error",
        message=f"{model}: {message}",
        retryable=retryable,
        error_type=type(error).__name__,
    )
