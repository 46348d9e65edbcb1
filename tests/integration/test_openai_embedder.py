"""The real client library against our own server: what is sent for embeddings, and what becomes of faults."""

import math
from collections.abc import AsyncGenerator

import pytest

from towpath.embeddings import embedder
from towpath.embeddings.openai import OpenAIEmbedder
from towpath.errors import ConfigurationError, ModelError
from towpath.models.openai.clients import close_clients
from towpath.retry import ONCE, RetryPolicy
from towpath_testkit.openai_server import CutsOff, Embeds, Refuses, SaysGarbage, openai_server

MODEL = "text-embedding-3-small"
HASTY = RetryPolicy(max_attempts=3, initial_interval_s=0)


@pytest.fixture(autouse=True)
async def environment(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[None]:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-test")
    for variable in (
        "OPENAI_BASE_URL",
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        "OPENAI_API_VERSION",
    ):
        monkeypatch.delenv(variable, raising=False)
    yield
    await close_clients()


async def test_texts_become_unit_vectors_in_their_order() -> None:
    async with openai_server(Embeds()) as server:
        model = OpenAIEmbedder(MODEL, base_url=server.base_url)
        together = await model.embed(["one", "two", "three"])
        alone = [(await model.embed([text]))[0] for text in ("one", "two", "three")]

    assert together == alone
    assert [len(vector) for vector in together] == [1_536] * 3
    assert all(math.isclose(math.hypot(*vector), 1) for vector in together)
    assert server.authorisations[0] == "Bearer key-of-the-test"
    assert server.requests[0]["model"] == MODEL
    assert server.requests[0]["input"] == ["one", "two", "three"]
    assert "dimensions" not in server.requests[0]


async def test_a_server_that_packs_no_numbers_is_understood_too() -> None:
    async with openai_server(Embeds(), Embeds(as_text=False)) as server:
        model = OpenAIEmbedder(MODEL, base_url=server.base_url)
        packed, plain = await model.embed(["one"]), await model.embed(["one"])

    assert plain[0] == pytest.approx(packed[0], abs=1e-6)


async def test_a_model_that_can_is_asked_for_shorter_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    async with openai_server(Embeds()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        [vector] = await embedder(f"openai/{MODEL}@256").embed(["one"])

    assert server.requests[0]["dimensions"] == 256
    assert len(vector) == 256


async def test_any_server_that_speaks_like_openai_will_do() -> None:
    async with openai_server(Embeds(dimensions=768)) as server:
        model = OpenAIEmbedder("nomic-embed-text", dimensions=768, base_url=server.base_url, api_key="mine")
        [vector] = await model.embed(["one"])

    assert (model.name, len(vector)) == ("openai/nomic-embed-text@768", 768)
    assert server.authorisations == ["Bearer mine"]
    assert "dimensions" not in server.requests[0]


async def test_vectors_of_other_dimensions_are_refused_with_the_name_that_is_right() -> None:
    async with openai_server(Embeds(dimensions=1_024)) as server:
        model = OpenAIEmbedder("own", dimensions=768, base_url=server.base_url)
        with pytest.raises(
            ConfigurationError, match="has vectors of 1024 dimensions, not 768; name it openai/own@1024"
        ):
            await model.embed(["one"])

    assert len(server.requests) == 1


async def test_azure_is_asked_at_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with openai_server(Embeds()) as server:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.base_url)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
        monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
        [vector] = await embedder("azure/our-embeddings@1536").embed(["one"])

    assert len(vector) == 1_536
    assert server.requests[0]["model"] == "our-embeddings"


@pytest.mark.parametrize("name", [f"openai/{MODEL}", f"azure/{MODEL}"])
async def test_what_is_missing_in_the_environment_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    key = "OPENAI_API_KEY" if name.startswith("openai") else "AZURE_OPENAI_API_KEY"

    with pytest.raises(ConfigurationError, match=key):
        await embedder(name).embed(["one"])


async def test_many_texts_are_asked_in_requests_that_the_provider_takes() -> None:
    texts = [f"note {number}" for number in range(1_100)]
    async with openai_server(Embeds(dimensions=4)) as server:
        vectors = await OpenAIEmbedder("own", dimensions=4, base_url=server.base_url).embed(texts)

    assert [len(request["input"]) for request in server.requests] == [512, 512, 76]
    assert [text for request in server.requests for text in request["input"]] == texts
    assert len(vectors) == 1_100
    assert len(server.connections) == 1


async def test_long_texts_are_divided_by_their_size() -> None:
    texts = ["ä" * 60_000] * 5
    async with openai_server(Embeds(dimensions=4)) as server:
        await OpenAIEmbedder("own", dimensions=4, base_url=server.base_url).embed(texts)

    assert [len(request["input"]) for request in server.requests] == [2, 2, 1]


# --- Faults ---------------------------------------------------------------------------------------


async def failure_after(*script: Refuses | SaysGarbage | CutsOff | Embeds) -> ModelError:
    async with openai_server(*script) as server:
        model = OpenAIEmbedder(MODEL, base_url=server.base_url, retry=ONCE)
        with pytest.raises(ModelError) as raised:
            await model.embed(["one", "two"])
        assert len(server.requests) == 1, "the client library must not retry by itself"
    return raised.value


async def test_only_the_request_that_failed_is_repeated() -> None:
    texts = [f"note {number}" for number in range(600)]
    script = (
        Embeds(dimensions=4),
        Refuses(429, headers={"retry-after-ms": "1"}),
        CutsOff(),
        Embeds(dimensions=4),
    )
    async with openai_server(*script) as server:
        model = OpenAIEmbedder("own", dimensions=4, base_url=server.base_url, retry=HASTY)
        vectors = await model.embed(texts)

    assert [len(request["input"]) for request in server.requests] == [512, 88, 88, 88]
    assert len(vectors) == 600


async def test_it_gives_up_after_as_many_attempts_as_it_is_allowed() -> None:
    async with openai_server(Refuses(503)) as server:
        model = OpenAIEmbedder(MODEL, base_url=server.base_url, retry=HASTY)
        with pytest.raises(ModelError, match="HTTP 503"):
            await model.embed(["one"])

    assert len(server.requests) == 3


async def test_the_server_says_how_long_to_wait() -> None:
    error = await failure_after(Refuses(429, headers={"retry-after": "7"}))

    assert (error.failure.retryable, error.failure.retry_after_s) == (True, 7.0)


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_request_that_is_refused_is_not_tried_again(status: int) -> None:
    error = await failure_after(Refuses(status))

    assert not error.failure.retryable
    assert f"openai/{MODEL}: HTTP {status}" in error.failure.message


@pytest.mark.parametrize(
    "act",
    [
        SaysGarbage(),
        SaysGarbage("{}"),
        SaysGarbage("[]"),
        SaysGarbage('{"data": [{}]}'),
        CutsOff(),
        Embeds(only=1),
    ],
    ids=repr,
)
async def test_an_answer_that_is_no_list_of_embeddings_may_be_tried_again(act: SaysGarbage | CutsOff) -> None:
    error = await failure_after(act)

    assert (error.failure.code, error.failure.retryable) == ("model_error", True)


async def test_a_vector_without_direction_is_no_answer() -> None:
    zeros = (
        '{"object": "list", "data": [{"index": 0, "embedding": [0, 0]}, {"index": 1, "embedding": [1, 0]}]}'
    )
    async with openai_server(SaysGarbage(zeros)) as server:
        model = OpenAIEmbedder("own", dimensions=2, base_url=server.base_url, retry=ONCE)
        with pytest.raises(ModelError, match=r"not a list of embeddings: .*no direction"):
            await model.embed(["one", "two"])
