"""Texts as the words they are searched by."""

import pytest

from towpath_entity_store.memories.words import asked, words, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Coffees, coffee; COFFEE", ["coffee"] * 3),
        ("stories about buses and glass", ["story", "about", "buse", "glass"]),
        ("the of and is", []),
        ("Ärger in Köln: \uff21\uff22", ["ärger", "köln", "ab"]),
        ("order-4711", ["order", "4711"]),
        ("", []),
        ("!?", []),
    ],
)
def test_a_text_is_split_into_words_in_one_form(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_text_without_words_has_no_vector() -> None:
    assert (written("..."), asked("...")) == (None, None)


def test_a_word_weighs_more_in_a_short_text_and_less_and_less_the_more_often_it_stands() -> None:
    def weight(text: str) -> float:
        said = written(text)
        assert said is not None
        return said.values[0]

    assert weight("coffee") > weight("coffee" + " other" * 30)
    once, twice, thrice = (weight("coffee " * times + "milk " * (3 - times)) for times in (1, 2, 3))
    assert thrice - twice < twice - once


def test_no_index_stands_twice_in_a_vector() -> None:
    said = asked("tea tea coffee")
    assert said is not None
    assert len(set(said.indices)) == len(said.indices) == 2
