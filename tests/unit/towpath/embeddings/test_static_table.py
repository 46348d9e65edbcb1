"""The offline model: small, quick, the same everywhere, and defined for every text."""

import math
import subprocess
import sys
import time

import pytest
from hypothesis import given, strategies as st

from towpath.embeddings import embedder
from towpath.embeddings.static_table import DIMENSIONS, FOLDER, ROW_BYTES, TABLE, VOCABULARY, vector_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    vector_of("what loads it takes longer than hypothesis allows")


def cosine(one: str, other: str) -> float:
    return sum(map(float.__mul__, vector_of(one), vector_of(other)))


def test_the_table_has_a_row_for_each_token_and_its_licence_beside_it() -> None:
    tokens = (FOLDER / VOCABULARY).read_text(encoding="utf-8").splitlines()

    assert (FOLDER / TABLE).stat().st_size == len(tokens) * ROW_BYTES
    assert len(set(tokens)) == len(tokens)
    assert "Apache License" in (FOLDER / "LICENSE").read_text()
    assert "all-MiniLM-L6-v2" in (FOLDER / "NOTICE").read_text()


def test_the_data_stays_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 4_100_000


@given(TEXTS)
def test_every_text_has_a_vector_of_the_length_1(text: str) -> None:
    vector = vector_of(text)

    assert len(vector) == DIMENSIONS
    assert math.isclose(math.hypot(*vector), 1)


@pytest.mark.parametrize("text", ["\u0301", "\x07", "\u200b", "🎉", "x" * 101])
def test_a_text_without_a_known_token_is_as_an_unknown_word(text: str) -> None:
    assert vector_of(text) == vector_of("🎉")


@pytest.mark.parametrize(
    ("text", "related", "unrelated"),
    [
        ("A cat sits outside.", "A kitten rests in the garden.", "The stock market crashed."),
        ("She is allergic to peanuts.", "foods that are dangerous to her", "the train to Munich"),
        ("The deployment failed.", "an error while releasing the software", "our favourite songs"),
        ("He lives in Porto.", "a city in Portugal", "a recipe with mushrooms"),
    ],
)
def test_what_is_related_is_closer_than_what_is_not(text: str, related: str, unrelated: str) -> None:
    assert cosine(text, related) > cosine(text, unrelated) + 0.1


@given(TEXTS)
def test_case_does_not_count_and_neither_does_repetition(text: str) -> None:
    assert math.isclose(cosine(text, f"{text} {text}"), 1, abs_tol=1e-9)


async def test_a_text_has_the_same_vector_whatever_is_asked_with_it() -> None:
    texts = [f"note {number}" for number in range(200)]
    model = embedder("offline/static-256")

    together = await model.embed(texts)

    assert together == [(await model.embed([text]))[0] for text in texts]


def test_vectors_are_the_same_on_every_machine() -> None:
    """Whatever changes these numbers makes stored vectors worthless: give such a table another name."""
    vector = vector_of("The nightly backup job takes forty minutes.")

    assert vector[:6] == [
        0.14751242504090897,
        -0.03189214936900162,
        0.12175932109253632,
        0.1888803251304676,
        -0.03815404536755808,
        0.2101021238302186,
    ]


def test_a_very_long_text_is_embedded_quickly() -> None:
    before = time.process_time()

    vector_of("word and another one, " * 100_000)

    assert time.process_time() - before < 0.5


def test_it_is_loaded_quickly_and_without_numpy() -> None:
    program = """
import sys, time
from towpath.embeddings.static_table import vector_of
before = time.process_time()
vector_of("Hello")
print(time.process_time() - before, "numpy" in sys.modules)
"""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    seconds, with_numpy = done.stdout.split()

    assert float(seconds) < 0.1
    assert with_numpy == "False"
