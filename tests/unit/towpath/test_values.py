"""How values become JSON and come back."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ConfigDict, Field, computed_field

from towpath.errors import NotSerialisableError
from towpath.values import MAX_DEPTH, revive, to_json_value


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Place(NamedTuple):
    x: int
    y: int


@dataclass
class Order:
    id: UUID
    at: datetime
    items: tuple[str, ...] = ()
    colour: Colour = Colour.RED


class Customer(BaseModel):
    name: str
    orders: list[Order] = []
    tags: frozenset[str] = frozenset()


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    at: datetime
    source: str = Field(alias="from")

    @computed_field
    def year(self) -> int:
        return self.at.year


AT = datetime(2025, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
ORDER = Order(UUID(int=7), AT, ("a", "b"))
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(JSON)
def test_json_is_written_as_itself(value: Any) -> None:
    assert to_json_value(value) == value
    assert json.loads(json.dumps(to_json_value(value))) == value


@given(JSON)
def test_what_is_written_is_written_the_same_again(value: Any) -> None:
    assert to_json_value(to_json_value(value)) == to_json_value(value)


@given(st.builds(Customer, name=st.text(), tags=st.frozensets(st.text())))
def test_a_model_comes_back_equal(customer: Customer) -> None:
    assert revive(to_json_value(customer), Customer) == customer


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (ORDER, Order),
        (Customer(name="Ada", orders=[ORDER], tags=frozenset({"b", "a"})), Customer),
        (Strict.model_validate({"at": AT, "from": "desk"}, strict=True), Strict),
        ([ORDER, ORDER], list[Order]),
        ({"a": ORDER}, dict[str, Order]),
        ({7: "seven"}, dict[int, str]),
        ({Colour.RED: 1}, dict[Colour, int]),
        ({UUID(int=1): 1}, dict[UUID, int]),
        ({1, 2}, set[int]),
        ((1, "a"), tuple[int, str]),
        (Place(1, 2), Place),
        (Colour.RED, Colour),
        (Level.HIGH, Level),
        (AT, datetime),
        (date(2025, 3, 1), date),
        (timedelta(minutes=90), timedelta),
        (Decimal("1.10"), Decimal),
        (PurePosixPath("/srv/x"), PurePosixPath),
        (None, Order | None),
        (5, Annotated[int, Field(ge=0)]),
        (2, float),
        ({"a": 1}, Annotated[dict[str, int], {"unhashable": True}]),
    ],
)
def test_a_value_of_every_usual_type_comes_back_as_what_it_was(value: Any, kind: Any) -> None:
    through_json = json.loads(json.dumps(to_json_value(value)))

    assert revive(through_json, kind) == value
    assert to_json_value(revive(through_json, kind)) == to_json_value(revive(through_json, kind))


def test_without_a_type_the_json_itself_comes_back() -> None:
    assert revive(to_json_value(Customer(name="Ada")), Any) == {"name": "Ada", "orders": [], "tags": []}


def test_what_is_written_shares_nothing_with_the_value() -> None:
    inner = [1]

    written = to_json_value({"a": inner})
    inner.append(2)

    assert written == {"a": [1]}


def test_equal_sets_are_written_alike() -> None:
    names = [f"name-{number}" for number in range(50)]

    assert to_json_value(set(names)) == to_json_value({*names[25:], *names[:25]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"x", "the value itself: bytes cannot be written as JSON; encode it as text"),
        ({"a": [1, b"x"]}, "a.1: bytes"),
        ({"orders": [{"at": object()}]}, "orders.0.at: object"),
        (math.nan, "JSON has no nan"),
        ({"x": [math.inf]}, "x.0: JSON has no inf"),
        ({(1, 2): 1}, "tuple as a key"),
        ({1: "a", "1": "b"}, "two keys are written as '1'"),
        ({True: 1}, "bool as a key"),
        (1j, "complex"),
        ("\ud800", "half a surrogate pair"),
        (lambda: 1, "function"),
        (Customer.model_construct(name=object()), "Customer"),
    ],
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_what_json_cannot_carry_is_refused_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(NotSerialisableError) as raised:
        to_json_value(value)

    assert message in str(raised.value)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)

    with pytest.raises(NotSerialisableError, match=f"over {MAX_DEPTH} levels"):
        to_json_value(loop)


def test_nesting_up_to_the_limit_survives_every_reader() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]

    assert revive(json.loads(json.dumps(to_json_value(deep))), list[Any]) == deep


@pytest.mark.parametrize("kind", [Order, int, list[int], Customer])
def test_a_result_that_belies_its_annotation_is_refused_by_name(kind: Any) -> None:
    with pytest.raises(NotSerialisableError, match="does not fit its annotation"):
        revive({"unexpected": 1}, kind)


class Unknown:
    pass


@pytest.mark.parametrize("kind", [Unknown, list[Unknown]])
def test_a_type_that_pydantic_does_not_know_leaves_the_json_as_it_is(kind: Any) -> None:
    assert revive({"a": 1}, kind) == {"a": 1}
