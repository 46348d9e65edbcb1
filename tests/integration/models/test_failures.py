"""What becomes of everything that can go wrong between us and a model server: a typed failure, in both styles."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

import pytest

from towpath.errors import (
    ConfigurationError,
    ContentFilteredError,
    ContextOverflowError,
    ModelAuthError,
    ModelError,
    ModelQuotaError,
    ModelThrottledError,
    ModelTimeoutError,
)
from towpath.models import resolve
from towpath.models.openai import OpenAIModel
from towpath.models.openai.failures import _SHOWN_CHARS
from towpath.models.port import Message, ModelReply, ModelRequest, Piece
from towpath.models.providers import PROVIDERS
from towpath.secrecy import reveal
from towpath_testkit.openai_server import (
    Act,
    CutsOff,
    FailsMidway,
    Hangs,
    Refuses,
    Says,
    SaysGarbage,
    openai_server,
)
from towpath_testkit.settled import until_so

Api = Literal["chat", "responses"]
ASKED = ModelRequest(messages=(Message(role="user", content="Where is my order?"),))
WAYS = pytest.mark.parametrize(
    ("api", "way"),
    [("chat", "whole"), ("chat", "in pieces"), ("responses", "whole"), ("responses", "in pieces")],
)


async def failures_after(
    *acts: Act, api: Api = "chat", way: str = "whole", timeout_s: float | None = None
) -> list[ModelError]:
    async with openai_server(*acts) as server:
        model = OpenAIModel("gpt-4o-mini", base_url=server.base_url, api=api, timeout_s=timeout_s)
        errors = [await failed(model, way) for _ in acts]
        assert len(server.requests) <= len(acts), "the client library must not retry by itself"
    return errors


async def failed(model: OpenAIModel, way: str) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await (model.generate(ASKED) if way == "whole" else listened(model, []))
    return raised.value


async def failure_after(act: Act, *, way: str = "whole", timeout_s: float | None = None) -> ModelError:
    return (await failures_after(act, way=way, timeout_s=timeout_s))[0]


async def listened(model: OpenAIModel, pieces: list[Piece | ModelReply]) -> None:
    async for piece in model.stream(ASKED):
        pieces.append(piece)  # noqa: PERF401 - what was heard before the failure counts


OVERFLOW = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
)
TOO_MUCH = "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 50000."
FLAGGED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
POOR = "Your credit balance is too low to access the Anthropic API."


KINDS: list[tuple[Act, type[ModelError], bool]] = [
    (Refuses(401, code="invalid_api_key"), ModelAuthError, False),
    (Refuses(403), ModelAuthError, False),
    (Refuses(404, code="model_not_found"), ModelError, False),
    (Refuses(429, code="rate_limit_exceeded"), ModelThrottledError, True),
    (Refuses(429, code="insufficient_quota"), ModelQuotaError, False),
    (Refuses(402), ModelQuotaError, False),
    (Refuses(400, code="context_length_exceeded"), ContextOverflowError, False),
    (Refuses(400, code="content_filter"), ContentFilteredError, False),
    (Refuses(500), ModelError, True),
    (Refuses(503), ModelError, True),
    (SaysGarbage(), ModelError, True),
    (SaysGarbage("<html>Welcome</html>", content_type="text/html"), ModelError, True),
    (CutsOff("It is "), ModelError, True),
    (FailsMidway("It is ", {"code": "rate_limit_exceeded", "message": "slow"}), ModelThrottledError, True),
]


@WAYS
async def test_a_failure_is_of_its_kind_in_every_way_of_asking(api: Api, way: str) -> None:
    errors = await failures_after(*(act for act, _, _ in KINDS), api=api, way=way)

    found = [
        (act, type(error), error.failure.retryable) for (act, *_), error in zip(KINDS, errors, strict=True)
    ]
    assert found == KINDS
    name = "openai/gpt-4o-mini" if api == "chat" else "openai-responses/gpt-4o-mini"
    assert all(error.failure.message.startswith(f"{name}: ") for error in errors)


CODES: list[tuple[Act, str, bool]] = [
    (Refuses(408), "model_timeout", True),
    (Refuses(409), "model_error", True),
    (Refuses(422), "model_error", False),
    (Refuses(502), "model_error", True),
    (Refuses(504), "model_timeout", True),
    (Refuses(498, message="Flex tier capacity exceeded"), "model_throttled", True),
    (Refuses(529, type="overloaded_error"), "model_throttled", True),
    (Refuses(400, message=OVERFLOW), "context_overflow", False),
    (Refuses(400, message="prompt is too long: 210000 tokens > 200000 maximum"), "context_overflow", False),
    (Refuses(413, code="rate_limit_exceeded"), "context_overflow", False),
    (Refuses(429, code="rate_limit_exceeded", message=TOO_MUCH), "context_overflow", False),
    (Refuses(400, message="max_tokens exceeds the maximum of 4096"), "model_error", False),
    (Refuses(400, message=FLAGGED), "content_filtered", False),
    (Refuses(403, message="Your input was flagged"), "content_filtered", False),
    (Refuses(400, type="invalid_request_error", message=POOR), "model_quota", False),
    (Refuses(400, code="json_validate_failed"), "model_error", True),
    (FailsMidway(error={"code": 502, "message": "the model is down"}), "model_error", True),
    (FailsMidway(error={"code": 402, "message": "insufficient credits"}), "model_quota", False),
    (FailsMidway(error={"type": "invalid_request_error", "message": "no"}), "model_error", False),
]


async def test_what_providers_say_in_their_own_ways_is_understood() -> None:
    errors = await failures_after(*(act for act, _, _ in CODES))

    failures = [error.failure for error in errors]
    assert [(act, one.code, one.retryable) for (act, *_), one in zip(CODES, failures, strict=True)] == CODES


async def test_an_answer_that_is_no_completion_may_be_tried_again() -> None:
    errors = await failures_after(*map(SaysGarbage, ("[]", "{}", '{"choices": []}', "null")))

    assert {(one.failure.code, one.failure.retryable) for one in errors} == {("model_error", True)}
    assert all("the answer is not a chat completion" in one.failure.message for one in errors)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("politely", [False, True])
async def test_a_stream_that_is_cut_off_fails_after_what_was_heard(api: Api, *, politely: bool) -> None:
    pieces: list[Piece | ModelReply] = []
    async with openai_server(CutsOff("It is ", politely=politely)) as server:
        with pytest.raises(ModelError) as raised:
            await listened(OpenAIModel("gpt-4o-mini", base_url=server.base_url, api=api), pieces)

    assert pieces == ["It ", "is "]
    assert raised.value.failure.retryable


# --- Waiting --------------------------------------------------------------------------------------


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    waits: list[tuple[dict[str, str], float | None]] = [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ]

    errors = await failures_after(*(Refuses(429, headers=headers) for headers, _ in waits))

    assert [error.failure.retry_after_s for error in errors] == [wait_s for _, wait_s in waits]


async def test_a_date_in_retry_after_is_waited_for() -> None:
    until = datetime.now(UTC) + timedelta(seconds=30)  # noqa: TID251 - the header is read by the wall clock
    headers = {"retry-after": format_datetime(until, usegmt=True)}

    wait_s = (await failure_after(Refuses(503, headers=headers))).failure.retry_after_s

    assert wait_s is not None
    assert 20 < wait_s <= 30


async def test_nobody_waits_where_waiting_does_not_help() -> None:
    error = await failure_after(Refuses(429, code="insufficient_quota", headers={"retry-after": "7"}))

    assert error.failure.retry_after_s is None


@pytest.mark.parametrize("act", [Hangs(), Says("late", delay_s=60)], ids=["never", "late"])
async def test_a_server_that_does_not_answer_is_given_up(act: Act) -> None:
    error = await failure_after(act, timeout_s=0.2)

    assert isinstance(error, ModelTimeoutError)
    assert error.failure.retryable


async def test_a_stream_that_falls_silent_is_given_up() -> None:
    error = await failure_after(Hangs("It is "), way="in pieces", timeout_s=0.2)

    assert isinstance(error, ModelTimeoutError)


async def test_how_long_a_model_may_take_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_MODEL_TIMEOUT_S", "0.2")

    assert isinstance(await failure_after(Hangs()), ModelTimeoutError)


@pytest.mark.parametrize("written", ["soon", "0", "-1", "inf"])
async def test_a_time_that_is_none_is_refused(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_MODEL_TIMEOUT_S", written)

    with pytest.raises(ConfigurationError, match="TOWPATH_MODEL_TIMEOUT_S"):
        await resolve("openai/gpt-4o-mini").generate(ASKED)


async def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    async with openai_server() as server:
        base_url = server.base_url

    with pytest.raises(ModelError, match="no connection") as raised:
        await OpenAIModel("gpt-4o-mini", base_url=base_url).generate(ASKED)

    assert raised.value.failure.retryable


async def test_a_cancelled_question_is_no_failure() -> None:
    async with openai_server(Hangs()) as server:
        asking = asyncio.ensure_future(OpenAIModel("m", base_url=server.base_url).generate(ASKED))
        await until_so(lambda: server.received)
        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking


# --- What is missing or wrong here ----------------------------------------------------------------


@pytest.mark.parametrize("provider", [name for name, about in PROVIDERS.items() if about.needs_key])
async def test_a_missing_key_is_named(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROVIDERS[provider].key)
    monkeypatch.setenv(PROVIDERS[provider].url, "http://127.0.0.1:1/v1")

    with pytest.raises(ConfigurationError, match=f"{PROVIDERS[provider].key} is not set"):
        await resolve(f"{provider}/{PROVIDERS[provider].example}").generate(ASKED)


@pytest.mark.parametrize(
    ("provider", "variable", "value"),
    [
        ("azure", "AZURE_OPENAI_ENDPOINT", None),
        ("azure", "OPENAI_API_VERSION", None),
        ("bedrock", "AWS_REGION", None),
        ("bedrock", "AWS_REGION", "evil.example/"),
        ("openai", "OPENAI_BASE_URL", "api.openai.com"),
        ("groq", "GROQ_API_KEY", "a key\n"),
    ],
)
async def test_a_variable_that_is_missing_or_cannot_be_right_is_named(
    provider: str, variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv(variable, raising=False) if value is None else monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=variable):
        await resolve(f"{provider}/{PROVIDERS[provider].example}").generate(ASKED)


async def test_a_key_that_the_provider_does_not_know_is_told_with_its_variable_and_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with openai_server(Refuses(401, message="Incorrect API key provided: key-of-groq")) as server:
        monkeypatch.setenv("TOWPATH_GROQ_BASE_URL", server.base_url)
        with pytest.raises(ModelAuthError, match="check GROQ_API_KEY") as raised:
            await resolve("groq/openai/gpt-oss-20b").generate(ASKED)

    assert "key-of-groq" not in raised.value.failure.message


async def test_what_a_server_says_is_told_without_secrets_wherever_it_is_cut_off() -> None:
    reveal("card", "4111-2222-3333-4444")
    cut = failure_after(Refuses(422, message="x" * (_SHOWN_CHARS - 20) + ": 4111-2222-3333-4444"))

    said = (await cut).failure.message

    assert "[secret" in said
    assert "4111" not in said


async def test_ollama_wants_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_API_KEY")
    async with openai_server("Hello.") as server:
        monkeypatch.setenv("TOWPATH_OLLAMA_BASE_URL", server.base_url)
        assert (await resolve("ollama/llama3.2:3b").generate(ASKED)).text == "Hello."
