"""WordPiece splits as the reference does: accents, ideographs, long words, punctuation, and whatever else there is."""

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath.embeddings.static_table import FOLDER, VOCABULARY
from towpath.embeddings.word_piece import CONTINUED, MAX_TEXT_CHARS, UNKNOWN, WordPiece, words

REFERENCE = Path(__file__).parents[3] / "data" / "word_piece" / "reference.jsonl"
TOKENS = (FOLDER / VOCABULARY).read_text(encoding="utf-8").splitlines()
WORD_PIECE = WordPiece(TOKENS)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LETTERS = st.text(string.ascii_lowercase, min_size=1, max_size=30)


def tokens(text: str) -> list[str]:
    return [TOKENS[number] for number in WORD_PIECE.numbers(text)]


def test_every_text_of_the_reference_is_split_alike() -> None:
    cases: list[dict[str, Any]] = [json.loads(line) for line in REFERENCE.read_text().splitlines()]

    differing = [case["text"] for case in cases if tokens(case["text"]) != case["tokens"]]

    assert len(cases) > 200
    assert differing == []


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Café ÅNGSTRÖM", ["cafe", "angstrom"]),
        ("东京abc", ["东", "京", "abc"]),
        ("don't!", ["don", "'", "t", "!"]),
        ("a\u200bb\u00adc", ["abc"]),
        ("one\u3000two\u00a0three", ["one", "two", "three"]),
        ("[CLS] text", ["[", "cls", "]", "text"]),
        ("", []),
        ("\u0301", []),
    ],
)
def test_texts_become_plain_words(text: str, split: list[str]) -> None:
    assert words(text) == split


def test_a_word_of_more_than_a_hundred_characters_is_unknown() -> None:
    assert tokens("x" * 101) == [UNKNOWN]
    assert UNKNOWN not in tokens("x" * 100)


def test_special_tokens_cannot_be_written_in_a_text() -> None:
    assert UNKNOWN not in tokens("[UNK] [unk]")


def test_what_is_behind_the_limit_is_not_read() -> None:
    text = "word " * MAX_TEXT_CHARS

    assert len(WORD_PIECE.numbers(text)) == len(WORD_PIECE.numbers(text[:MAX_TEXT_CHARS]))


@given(TEXTS)
def test_words_stay_as_they_are_when_they_are_split_again(text: str) -> None:
    plain = words(text)

    assert words(" ".join(plain)) == plain


@given(TEXTS, TEXTS)
def test_texts_beside_each_other_do_not_change_each_other(one: str, other: str) -> None:
    assert tokens(f"{one} {other}") == tokens(one) + tokens(other)


@given(LETTERS)
def test_the_tokens_of_a_word_spell_it_and_each_is_the_longest_there_is(word: str) -> None:
    found = tokens(word)
    parts = [token.removeprefix(CONTINUED) for token in found]

    assert "".join(parts) == word
    start = 0
    for token, part in zip(found, parts, strict=True):
        prefix = CONTINUED if start else ""
        longer = {prefix + word[start:end] for end in range(start + len(part) + 1, len(word) + 1)}
        assert token == prefix + part
        assert longer.isdisjoint(TOKENS)
        start += len(part)


@given(LETTERS)
def test_case_and_accents_do_not_count(word: str) -> None:
    assert tokens(word.upper()) == tokens(word) == tokens("".join(f"{letter}\u0301" for letter in word))
