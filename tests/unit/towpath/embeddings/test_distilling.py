"""What the offline table is made by: which tokens are kept, what they count, how they are rounded."""

import random
from pathlib import Path

import numpy as np
import pytest

from towpath.embeddings import static_table
from towpath.embeddings.static_table import DIMENSIONS, FOLDER, ROW_BYTES, VOCABULARY
from towpath.embeddings.word_piece import UNKNOWN
from towpath_testkit.distilling import Matrix, can_occur, components, distil, rows, weights

TOKENS = (FOLDER / VOCABULARY).read_text(encoding="utf-8").splitlines()


def some_vectors(number: int, size: int = DIMENSIONS) -> Matrix:
    return np.random.default_rng(3).normal(size=(number, size))


def test_the_vocabulary_has_only_tokens_that_a_text_can_have() -> None:
    assert [token for token in TOKENS if not can_occur(token)] == []


@pytest.mark.parametrize("token", ["the", "##ing", "!", "e", "東", UNKNOWN, "##1"])
def test_a_token_that_a_text_can_have_is_kept(token: str) -> None:
    assert can_occur(token)


@pytest.mark.parametrize("token", ["[PAD]", "[unused7]", "##!", "##東", "...", "Capital", "café", "##é"])
def test_a_token_that_is_split_before_it_is_looked_up_is_left_out(token: str) -> None:
    assert not can_occur(token)


def test_a_token_counts_the_more_the_rarer_it_is() -> None:
    vocabulary = [
        "[PAD]",
        UNKNOWN,
        "!",
        "a",
        "x",
        "東",
        "the",
        *(f"word{number}" for number in range(10_000)),
    ]

    found = dict(zip(vocabulary, weights(vocabulary), strict=True))

    assert found["!"] == found["a"] == found[UNKNOWN] == found["the"] < 0.01
    assert (
        found["the"] < found["word1"] < found["word100"] < found["word9999"] < found["x"] == found["東"] <= 1
    )


def test_components_keep_the_distances() -> None:
    states = np.hstack([some_vectors(400, 40), np.zeros((400, DIMENSIONS))])

    found = components(states)

    assert found.shape == (400, DIMENSIONS)
    assert np.linalg.norm(found[3] - found[5]) == pytest.approx(np.linalg.norm(states[3] - states[5]))


def test_a_rounded_row_is_read_as_what_it_was() -> None:
    vectors = some_vectors(50) * np.linspace(0.01, 1, 50)[:, None]

    table = rows(vectors)

    for number, vector in enumerate(vectors):
        row = table[number * ROW_BYTES : (number + 1) * ROW_BYTES]
        read = np.array(list(static_table.weighted_sum([row])))
        assert read @ vector / np.linalg.norm(read) / np.linalg.norm(vector) > 0.985


def test_rows_are_added_up_by_their_weights() -> None:
    vectors = some_vectors(3) * np.array([[1.0], [0.5], [0.01]])
    table = rows(vectors)
    parts = [table[number * ROW_BYTES : (number + 1) * ROW_BYTES] for number in range(3)]

    together = list(static_table.weighted_sum(parts))

    alone = [list(static_table.weighted_sum([part])) for part in parts]
    assert together == [sum(numbers) for numbers in zip(*alone, strict=True)]


def test_as_many_rows_as_a_text_can_have_do_not_overflow() -> None:
    row = b"\xff" * ROW_BYTES

    assert list(static_table.weighted_sum([row] * 8_192)) == [8_192 * 65_535 * 7.5] * DIMENSIONS


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(random.Random(1).randbytes(100))  # noqa: S311 - any bytes do

    with pytest.raises(ValueError, match=r"has the sha256 .*, not b9a0018d"):
        distil(wheel, tmp_path)
