"""How parameters are written: whatever a model says, it is read as what it said, where it belongs."""

from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import pytest
from hypothesis import given, strategies as st

from towpath.errors import InvalidInputError
from towpath.tools.openapi.parameters import Parameter, Place, header, pairs, segment

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def parameter(place: Place, style: str, *, explode: bool = False) -> Parameter:
    return Parameter("x", "x", place, {}, required=True, style=style, explode=explode)


@given(st.lists(TEXTS, min_size=1))
def test_a_list_in_the_query_is_read_as_it_was_said(values: list[str]) -> None:
    query = urlencode(pairs(parameter("query", "form", explode=True), values), quote_via=quote)

    assert parse_qsl(query, keep_blank_values=True) == [("x", value) for value in values]


@given(st.dictionaries(TEXTS, TEXTS))
def test_an_object_in_the_query_is_read_as_it_was_said(value: dict[str, str]) -> None:
    query = urlencode(pairs(parameter("query", "deepObject", explode=True), value), quote_via=quote)

    assert parse_qsl(query, keep_blank_values=True) == [(f"x[{key}]", item) for key, item in value.items()]


@given(TEXTS)
def test_a_part_of_the_path_stays_one_part(value: str) -> None:
    if value in {"", ".", ".."}:
        with pytest.raises(InvalidInputError, match="would lead to another path"):
            segment(parameter("path", "simple"), value)
        return

    written = segment(parameter("path", "simple"), value)

    assert unquote(written) == value
    assert not {*written} & {*"/?#"}


@given(TEXTS)
def test_a_header_stays_one_line(value: str) -> None:
    written = header(parameter("header", "simple"), value)

    assert written.isascii()
    assert written.isprintable()


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("simple", False, {"a": 1, "b": True}, "a,1,b,true"),
        ("simple", True, {"a": 1, "b": None}, "a=1,b="),
        ("label", False, [3, 4], ".3,4"),
        ("label", True, {"a": 1}, ".a=1"),
        ("matrix", False, [3, 4], ";x=3,4"),
        ("matrix", True, {"a": 1, "b": 2}, ";a=1;b=2"),
        ("matrix", False, 5, ";x=5"),
    ],
)
def test_the_styles_of_the_path_are_those_of_the_standard(
    style: str, explode: Any, value: Any, written: str
) -> None:
    assert segment(parameter("path", style, explode=explode), value) == written
