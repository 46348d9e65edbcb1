"""How embedding models are named, and what is refused."""

import sys
from collections.abc import Sequence

import pytest

from towpath.embeddings import PROVIDERS, embedder
from towpath.embeddings.openai import OpenAIEmbedder
from towpath.embeddings.port import Embedder, Vector, unit
from towpath.errors import ConfigurationError, InvalidInputError


class OneDirection:
    """A user's own embedder."""

    name = "mine/one-direction"
    dimensions = 2

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return [[1.0, 0.0] for _ in texts]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TOWPATH_DEFAULT_EMBEDDER", "TOWPATH_MINILM"):
        monkeypatch.delenv(variable, raising=False)


def test_the_default_is_the_offline_model() -> None:
    assert (embedder().name, embedder().dimensions) == ("offline/static-256", 256)


def test_the_default_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_EMBEDDER", "test/words")

    assert embedder().name == "test/words"


def test_an_embedder_is_itself() -> None:
    mine: Embedder = OneDirection()

    assert embedder(mine) is mine


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [
        ("offline/static-256", 256),
        ("test/words", 384),
        ("openai/text-embedding-3-small", 1_536),
        ("openai/text-embedding-3-large", 3_072),
        ("openai/text-embedding-3-small@512", 512),
        ("openai/org/own-model@768", 768),
        ("azure/text-embedding-3-small", 1_536),
        ("azure/our-deployment@1024", 1_024),
    ],
)
def test_a_model_is_found_by_its_name_and_says_it_again(name: str, dimensions: int) -> None:
    model = embedder(name)

    assert (model.name, model.dimensions) == (name, dimensions)


def test_minilm_is_found_where_its_weights_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_MINILM", "/models/minilm")

    model = embedder("minilm/all-MiniLM-L6-v2")

    assert (model.name, model.dimensions) == ("minilm/all-MiniLM-L6-v2", 384)


def test_dimensions_that_the_model_has_anyway_are_not_in_its_name() -> None:
    assert OpenAIEmbedder("text-embedding-3-small", dimensions=1_536).name == "openai/text-embedding-3-small"


@pytest.mark.parametrize("name", ["word2vec/x", "offline", "openai/", "/static-256", "static-256"])
def test_an_unknown_provider_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"azure/\.\.\., minilm/\.\.\., offline/\.\.\.") as refused:
        embedder(name)

    assert repr(name) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("offline/static-512", "there is offline/static-256"),
        ("test/other", "there is test/words"),
        ("minilm/other", "there is minilm/all-MiniLM-L6-v2"),
        ("minilm/all-MiniLM-L6-v2", "TOWPATH_MINILM is not set"),
        ("openai/own-model", "name it openai/own-model@<dimensions>"),
        ("openai/own-model@big", "'big' is no number of dimensions"),
        ("openai/own-model@0", "'0' is no number of dimensions"),
        ("azure/own", "name it azure/own@<dimensions>"),
    ],
)
def test_a_name_that_cannot_work_is_refused_with_the_remedy(name: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        embedder(name)


@pytest.mark.parametrize(
    ("provider", "extra"), [("minilm", "minilm"), ("openai", "openai"), ("azure", "openai")]
)
def test_a_library_that_is_missing_is_named_with_what_brings_it(
    provider: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"towpath.embeddings.{extra}", None)

    with pytest.raises(ConfigurationError, match=rf"install towpath\[{extra}\]"):
        embedder(f"{provider}/all-MiniLM-L6-v2")


@pytest.mark.parametrize("name", ["offline/static-256", "test/words", "openai/text-embedding-3-small"])
@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["a", ""], "text 2 of 2 is empty"),
        ([" \n\t"], "text 1 of 1 is empty"),
        (["a", 7, "b"], "text 2 of 3 is of type int"),
        ([None], "text 1 of 1 is of type NoneType"),
        ([b"bytes"], "text 1 of 1 is of type bytes"),
        (["good", "\ud83d half"], "text 2 of 2 has half a character at position 0"),
        ("just a text", r"write embed\(\[text\]\)"),
    ],
)
async def test_what_is_no_text_is_refused_by_every_model(name: str, texts: list[str], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        await embedder(name).embed(texts)


@pytest.mark.parametrize("name", ["offline/static-256", "test/words", "openai/text-embedding-3-small"])
async def test_no_texts_have_no_vectors(name: str) -> None:
    assert await embedder(name).embed([]) == []


def test_a_vector_is_scaled_to_the_length_1() -> None:
    assert unit([3, 0, -4]) == [0.6, 0.0, -0.8]


@pytest.mark.parametrize("vector", [[0.0, 0.0], [], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_a_vector_without_direction_is_refused(vector: list[float]) -> None:
    with pytest.raises(ValueError, match="no direction"):
        unit(vector)


def test_providers_are_listed_in_order() -> None:
    assert list(PROVIDERS) == sorted(PROVIDERS)


# --- The model for tests ------------------------------------------------------------------------------


async def test_the_model_for_tests_knows_shared_words_and_nothing_else() -> None:
    one, same, half, none = await embedder("test/words").embed(
        ["red apple", "APPLE, red!", "red pear", "blue plum"]
    )

    def cosine(other: Vector) -> float:
        return round(sum(map(float.__mul__, one, other)), 9)

    assert (cosine(same), cosine(half), cosine(none)) == (1.0, 0.5, 0.0)


async def test_the_model_for_tests_embeds_texts_without_words() -> None:
    one, other = await embedder("test/words").embed(["!!!", "???"])

    assert one != other
