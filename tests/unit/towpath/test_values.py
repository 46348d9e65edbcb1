"""How values become JSON and come back."""

import json
import math
import subprocess
import sys
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, NamedTuple, Self
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    computed_field,
    field_serializer,
    model_serializer,
)

from towpath.errors import NotSerialisableError
from towpath.values import MAX_DEPTH, MAX_DIGITS, revive, to_json_value


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


NAMES = [f"name-{number}" for number in range(50)]
ORDERED = sorted(NAMES)


@dataclass(frozen=True, slots=True)
class Label:
    tags: frozenset[str]


class Tagged(BaseModel):
    tags: set[str] = Field(default_factory=lambda: set(NAMES))


class Frozen(BaseModel, frozen=True):
    tags: frozenset[str] = frozenset(NAMES)


class Cases(BaseModel):
    model_config = ConfigDict(extra="allow")

    listed: list[Tagged]
    by_name: defaultdict[str, set[str]]
    pair: tuple[int, frozenset[str]]
    queue: deque[set[str]]
    place: Place
    label: Label
    anything: Any
    root: RootModel[set[str]]


class Shouting(BaseModel):
    tags: set[str]
    listed: list[Annotated[set[str], PlainSerializer(lambda tags: list(reversed(list(tags))))]]
    _kept: set[str] = PrivateAttr(default_factory=lambda: set(NAMES))

    @field_serializer("tags", when_used="json")
    def loud(self, tags: set[str]) -> str:
        return " ".join(tags).upper()


class Itself(BaseModel):
    tags: set[str] = Field(default_factory=lambda: set(NAMES))
    origin: Self | None = Field(default=None, exclude=True)


class Keeping(BaseModel):
    _kept: set[str] = PrivateAttr(default_factory=lambda: set(NAMES))

    @model_serializer
    def all(self) -> dict[str, Any]:
        return {"kept": self._kept}


def test_sets_inside_of_models_are_written_as_sets_are_elsewhere() -> None:
    names = set(NAMES)
    cases = Cases.model_validate(
        {
            "listed": [Tagged(), {"tags": names}],
            "by_name": {"a": names},
            "pair": (1, names),
            "queue": deque([names]),
            "place": Place(1, 2),
            "label": Label(frozenset(names)),
            "anything": {"deep": [names]},
            "root": names,
            "further": names,
        }
    )

    assert to_json_value({"cases": cases}) == {
        "cases": {
            "listed": [{"tags": ORDERED}, {"tags": ORDERED}],
            "by_name": {"a": ORDERED},
            "pair": [1, ORDERED],
            "queue": [ORDERED],
            "place": [1, 2],
            "label": {"tags": ORDERED},
            "anything": {"deep": [ORDERED]},
            "root": ORDERED,
            "further": ORDERED,
        }
    }
    assert type(cases.root.root) is set


def test_sets_of_what_holds_sets_are_written_in_one_order() -> None:
    written = to_json_value(RootModel[set[Frozen]]({Frozen(), Frozen(tags=frozenset("ba"))}))

    assert written == [{"tags": ["a", "b"]}, {"tags": ORDERED}]


def test_serializers_of_a_model_see_its_sets_in_one_order_and_have_the_last_word() -> None:
    shouting = Shouting(tags=set(NAMES), listed=[set(NAMES)])

    assert to_json_value(shouting) == {"tags": " ".join(ORDERED).upper(), "listed": [ORDERED[::-1]]}
    assert to_json_value(Keeping()) == {"kept": ORDERED}


@pytest.mark.parametrize("tags", [[], ORDERED])
def test_a_model_that_holds_itself_where_it_is_not_written_has_its_sets_in_one_order(tags: list[str]) -> None:
    circle = Itself(tags=set())
    circle.origin = Itself(origin=circle)
    circle.tags = set(tags)

    assert to_json_value(circle) == {"tags": tags}


def test_sets_inside_of_models_are_written_alike_in_every_process() -> None:
    program = (
        "from pydantic import BaseModel; from towpath.values import to_json_value\n"
        "class Model(BaseModel):\n    tags: set[str]\n"
        "print(to_json_value([Model(tags=set('abcdefgh'))]))"
    )

    said = {
        subprocess.run(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }

    assert said == {b"[{'tags': ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']}]\n"}


class Counted(BaseModel):
    counts: dict[str, list[int]]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, 10**MAX_DIGITS]}, "a.1"),
        ({"a": -(10**MAX_DIGITS)}, "a"),
        ({"a": {10**MAX_DIGITS: 1}}, "a"),
        ({"a": Counted(counts={"x": [10**MAX_DIGITS]})}, "a.counts.x.0"),
    ],
)
def test_a_whole_number_that_nobody_could_read_again_is_refused(value: Any, path: str) -> None:
    with pytest.raises(NotSerialisableError, match=rf"^{path}: .* over 4,300 digits; write it as text"):
        to_json_value(value)


def test_the_largest_whole_number_comes_back() -> None:
    largest = 10**MAX_DIGITS - 1

    assert revive(json.loads(json.dumps(to_json_value([largest, -largest]))), list[int]) == [
        largest,
        -largest,
    ]


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
