"""How strictly a server is asked to keep to the form of an answer."""

from typing import Any, Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from towpath.models.openai.forms import forms_of, strict_schema


class Street(BaseModel):
    name: str
    number: int = 1


class Address(BaseModel):
    """Where somebody lives."""

    street: Street = Field(description="Which street")
    city: str | None = None
    kind: Literal["home", "work"] = "home"


class Tree(BaseModel):
    name: str
    branches: list["Tree"] = []


STREET = {
    "title": "Street",
    "type": "object",
    "properties": {
        "name": {"title": "Name", "type": "string"},
        "number": {"title": "Number", "type": "integer"},
    },
    "required": ["name", "number"],
    "additionalProperties": False,
}


def test_the_schema_of_a_model_can_be_asked_for_strictly() -> None:
    assert strict_schema(Address.model_json_schema()) == {
        "$defs": {"Street": STREET},
        "title": "Address",
        "description": "Where somebody lives.",
        "type": "object",
        "properties": {
            "street": {**STREET, "description": "Which street"},
            "city": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "City"},
            "kind": {"enum": ["home", "work"], "title": "Kind", "type": "string"},
        },
        "required": ["street", "city", "kind"],
        "additionalProperties": False,
    }


def test_a_type_that_holds_others_of_its_kind_can_be_asked_for_strictly() -> None:
    strict = strict_schema(Tree.model_json_schema())

    assert strict is not None
    assert strict["properties"] == strict["$defs"]["Tree"]["properties"]
    assert strict["properties"]["branches"]["items"] == {"$ref": "#/$defs/Tree"}


WORDS = st.sampled_from(
    ["type", "properties", "items", "anyOf", "$ref", "$defs", "object", "string", "#/$defs/type", "default"]
)
JSON = st.recursive(
    WORDS | st.booleans() | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(WORDS, JSON))
def test_whatever_is_written_as_a_schema_a_form_of_asking_is_found(schema: dict[str, Any]) -> None:
    strict = strict_schema(schema)

    assert strict is None or strict["required"] == list(strict["properties"])
    assert forms_of(schema, enforced=True)[-1] is None


@pytest.mark.parametrize(
    "schema",
    [
        TypeAdapter(list[int]).json_schema(),
        TypeAdapter(dict[str, int]).json_schema(),
        {"type": "object", "properties": {"any": {}}},
        {
            "type": "object",
            "properties": {"tags": {"type": "object", "additionalProperties": {"type": "string"}}},
        },
        {"type": "object", "properties": {"one": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}},
        {"type": "object"},
        {"anyOf": [{"type": "string"}]},
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_strictly_is_asked_for_as_it_is(schema: dict[str, Any]) -> None:
    assert strict_schema(schema) is None
    assert forms_of(schema, enforced=True)[0] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema},
    }


def test_the_less_a_server_knows_the_less_is_asked_of_it() -> None:
    every = forms_of(Street.model_json_schema(), enforced=True)

    assert [form and form["type"] for form in every] == ["json_schema", "json_object", None]
    assert forms_of({}, enforced=True) == ({"type": "json_object"}, None)
    assert forms_of(None, enforced=True) == forms_of(Street.model_json_schema(), enforced=False) == (None,)


def test_a_name_has_only_what_servers_take() -> None:
    form = forms_of({"title": "User profile, " + "x" * 80}, enforced=True)[0]

    assert form is not None
    assert form["json_schema"]["name"] == "User_profile__" + "x" * 50


def test_the_schema_that_was_given_is_not_changed() -> None:
    schema = Street.model_json_schema()

    strict_schema(schema)

    assert schema == Street.model_json_schema()
