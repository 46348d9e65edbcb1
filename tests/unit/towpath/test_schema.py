"""How a signature becomes a schema, and a payload arguments."""
# ruff: noqa: UP006, UP035, UP045 - typed as people type

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Dict, List, Literal, Optional, TypedDict, cast

import jsonschema
import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field

from towpath.context import Context, ExecutionContext, WorkflowContext
from towpath.errors import InvalidInputError, RegistrationError
from towpath.schema import schema_of


class Size(StrEnum):
    SMALL = "s"


@dataclass
class Address:
    city: str


class Item(BaseModel):
    sku: str
    count: int = Field(1, ge=1)


class Order(BaseModel):
    items: list[Item]
    note: str | None = None


def everything(  # noqa: PLR0917 - one of each kind
    order: Order,
    address: Address,
    colour: Literal["red", "blue"],
    size: Size = Size.SMALL,
    tags: List[str] | None = None,
    limits: Optional[Dict[str, int]] = None,
    *,
    rush: bool = False,
    _private: Annotated[int, Field(ge=0, description="Ours.")] = 0,
) -> list[Item]: ...


FULL: dict[str, Any] = {"order": {"items": [{"sku": "a"}]}, "address": {"city": "Utrecht"}, "colour": "red"}


def bound(function: Callable[..., Any], payload: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    positional, named = schema_of(function).bind(payload)
    return positional, named


def greet(name: str) -> str: ...
def add(a: int, b: int) -> int: ...
def handle(request: dict[str, Any]) -> dict[str, Any]: ...
def create(request: Order) -> Order: ...
def nothing() -> None: ...
def search(query: str, limit: int = 10) -> list[str]: ...
def gather(*every: int) -> int: ...
def collect(first: int, *rest: int, **named: int) -> int: ...
def placed(a: int, b: int = 2, /, c: int = 3) -> int: ...


# --- Schemas --------------------------------------------------------------------------------------


def test_the_schema_of_a_signature_accepts_what_the_function_takes() -> None:
    schema = schema_of(everything).input_schema

    jsonschema.validate(FULL, schema, cls=jsonschema.Draft202012Validator)
    assert schema["required"] == ["order", "address", "colour"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["size"]["default"] == "s"
    assert schema["properties"]["_private"] == {
        "default": 0,
        "description": "Ours.",
        "minimum": 0,
        "type": "integer",
    }


MISFITS: list[dict[str, Any]] = [
    {},
    FULL | {"colour": "green"},
    FULL | {"x": 1},
    FULL | {"order": {"items": [dict[str, str]()]}},
]


@pytest.mark.parametrize("bad", MISFITS)
def test_the_schema_refuses_what_the_function_refuses(bad: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, schema_of(everything).input_schema)
    with pytest.raises(InvalidInputError):
        schema_of(everything).bind(bad)


def test_the_result_has_a_schema_too() -> None:
    assert schema_of(everything).output_schema["items"] == {"$ref": "#/$defs/Item"}
    assert schema_of(nothing).output_schema == {"type": "null"}


def test_descriptions_go_into_the_schema_unless_the_annotation_has_its_own() -> None:
    schema = schema_of(everything, descriptions={"colour": "Which.", "_private": "Not this."}).input_schema

    assert schema["properties"]["colour"]["description"] == "Which."
    assert schema["properties"]["_private"]["description"] == "Ours."


def test_any_written_as_the_function_is_read_as_the_type() -> None:
    def sloppy(metadata: Optional[Dict[str, any]] = None) -> Dict[str, any]: ...  # type: ignore[valid-type]

    assert bound(cast("Callable[..., Any]", sloppy), {"metadata": {"a": [1]}}) == (
        (),
        {"metadata": {"a": [1]}},
    )


def test_a_default_that_json_cannot_carry_is_left_out_of_the_schema_and_still_used() -> None:
    marker = object()

    def later(value: Any = marker) -> None: ...

    assert "default" not in schema_of(later).input_schema["properties"]["value"]
    assert bound(later, None) == ((), {})


# --- The context ----------------------------------------------------------------------------------


class OwnContext(Context):
    pass


def by_name(ctx: Any, a: int) -> None: ...
def by_type(context: Context, a: int) -> None: ...
def by_alias(c: ExecutionContext, a: int) -> None: ...
def by_other_alias(c: WorkflowContext, a: int) -> None: ...
def by_subclass(c: OwnContext, a: int) -> None: ...
def by_text(c: "Context", a: int) -> None: ...
def perhaps(c: Context | None, a: int) -> None: ...


@pytest.mark.parametrize(
    "function",
    [by_name, by_type, by_alias, by_other_alias, by_subclass, by_text, perhaps],
)
def test_a_leading_context_is_injected_and_never_in_the_schema(function: Callable[..., Any]) -> None:
    schema = schema_of(function)

    assert schema.takes_context
    assert list(schema.input_schema["properties"]) == ["a"]
    assert schema.bind(5) == ((), {"a": 5})


def test_a_context_elsewhere_is_refused_with_the_remedy() -> None:
    def late(a: int, ctx: Context) -> None: ...

    with pytest.raises(RegistrationError, match="move 'ctx' to the front"):
        schema_of(late)


# --- Binding --------------------------------------------------------------------------------------


CALLS: list[tuple[Callable[..., Any], Any, Any]] = [
    (greet, "Alice", ((), {"name": "Alice"})),
    (greet, {"name": "Alice"}, ((), {"name": "Alice"})),
    (add, {"a": 5, "b": 3}, ((), {"a": 5, "b": 3})),
    (add, [5, 3], ((), {"a": 5, "b": 3})),
    (handle, {"test": "data"}, ((), {"request": {"test": "data"}})),
    (handle, {"request": {"test": 1}}, ((), {"request": {"test": 1}})),
    (handle, {}, ((), {"request": {}})),
    (create, {"items": []}, ((), {"request": Order(items=[])})),
    (nothing, None, ((), {})),
    (nothing, {}, ((), {})),
    (search, "boats", ((), {"query": "boats"})),
    (search, ["boats", 3], ((), {"query": "boats", "limit": 3})),
    (search, {"*": ["boats"], "limit": 3}, ((), {"query": "boats", "limit": 3})),
    (gather, 1, ((1,), {})),
    (gather, [1, 2], ((1, 2), {})),
    (collect, {"*": [1, 2, 3], "x": 4}, ((1, 2, 3), {"x": 4})),
    (collect, {"first": 1, "x": 4}, ((), {"first": 1, "x": 4})),
    (collect, [1, 2], ((1, 2), {})),
    (placed, {"a": 1}, ((1, 2), {})),
    (partial(add, b=3), 5, ((), {"a": 5})),
]


@pytest.mark.parametrize(("function", "payload", "expected"), CALLS)
def test_a_payload_is_bound_as_people_expect(
    function: Callable[..., Any], payload: Any, expected: Any
) -> None:
    positional, named = bound(function, payload)

    assert (positional, named) == expected


def test_models_and_dataclasses_arrive_as_objects() -> None:
    _, named = bound(everything, FULL)

    assert named["order"] == Order(items=[Item(sku="a", count=1)])
    assert named["address"] == Address("Utrecht")


@given(name=st.text(), limit=st.integers(-(2**40), 2**40))
def test_all_spellings_of_a_call_bind_the_same(name: str, limit: int) -> None:
    schema = schema_of(search)
    spellings: list[Any] = [
        {"query": name, "limit": limit},
        [name, limit],
        {"*": [name, limit]},
        {"*": [name], "limit": limit},
    ]

    assert [schema.bind(one) for one in spellings] == [((), {"query": name, "limit": limit})] * 4


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_whatever_comes_in_is_bound_or_refused(payload: Any) -> None:
    for function in (greet, add, handle, create, nothing, search, collect, everything):
        schema = schema_of(function)
        try:
            positional, named = schema.bind(payload)
        except InvalidInputError:
            continue
        function(*positional, **named)


@pytest.mark.parametrize(
    ("function", "payload", "problem"),
    [
        (greet, {}, "name: Field required"),
        (greet, {"nickname": "x"}, "nickname: Extra inputs are not permitted"),
        (greet, 3, "name: Input should be a valid string"),
        (greet, None, "name: Input should be a valid string"),
        (add, {"a": 1}, "b: Field required"),
        (add, None, "a: Field required"),
        (add, 5, "one value of type int for 2 parameters"),
        (add, [1, 2, 3], "3 values for 2 parameters"),
        (add, {"*": [1], "a": 2}, "a: given twice"),
        (
            create,
            {"items": [{"sku": "a"}, {"sku": "b", "count": 0}]},
            "request.items.1.count: Input should be greater",
        ),
        (nothing, {"x": 1}, "x: Extra inputs are not permitted"),
        (nothing, 5, "one value of type int for 0 parameters"),
        (collect, {"*": [1, "x"]}, "rest.0: Input should be a valid integer"),
    ],
)
def test_a_refusal_names_the_bad_field_and_what_is_expected(
    function: Callable[..., Any],
    payload: Any,
    problem: str,
) -> None:
    with pytest.raises(InvalidInputError) as raised:
        schema_of(function).bind(payload)

    assert problem in str(raised.value)
    assert f"it is {function.__name__}(" in str(raised.value)


# --- What cannot be registered --------------------------------------------------------------------


class Socket:
    pass


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it there")
def test_a_typed_dict_that_pydantic_cannot_read_is_refused_with_what_to_write_instead() -> None:
    class Order(TypedDict):
        price: int

    def takes(order: Order) -> None: ...

    with pytest.raises(RegistrationError, match=r"takes: order: .*use `typing_extensions.TypedDict`"):
        schema_of(takes)


def test_a_parameter_that_json_cannot_give_is_refused_by_name() -> None:
    def sends(to: Socket) -> None: ...

    with pytest.raises(RegistrationError, match=r"sends: to: .*Socket.* cannot be read from JSON"):
        schema_of(sends)


def test_an_annotation_that_does_not_exist_at_run_time_is_named() -> None:
    def lost(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(RegistrationError, match="'Missing', which is not known at run time"):
        schema_of(cast("Callable[..., Any]", lost))


def test_a_field_as_a_default_is_refused_with_the_remedy() -> None:
    def sloppy(a: int = Field(5, ge=0)) -> None: ...

    with pytest.raises(RegistrationError, match="Annotated"):
        schema_of(sloppy)


def test_a_result_of_an_unknown_type_is_no_obstacle() -> None:
    def opens() -> Socket: ...
    def maps() -> Mapping[str, Socket]: ...

    assert (schema_of(opens).output_type, schema_of(maps).output_schema) == (Any, {})
