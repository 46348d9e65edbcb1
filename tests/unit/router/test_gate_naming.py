"""Which gates a run passes, in which order."""

from typing import Any

import pytest

from towpath_router.gates.naming import gates_of, value_at
from towpath_schemas.inputs import ParameterNames
from towpath_schemas.limits import ConcurrencyLimit, DebounceLimit, Limit, RateLimit, SingletonLimit


@pytest.mark.parametrize(
    ("given", "path", "value"),
    [
        ({"a": {"b": 1}}, "a.b", "1"),
        ({"a": {"b": {"d": 1, "c": 2}}}, "a.b", '{"c":2,"d":1}'),
        ({"a": None}, "a.b", "null"),
        ({"a": [1]}, "a.0", "null"),
        ({}, "a", "null"),
        ("a", "a", "null"),
        ({"a": 1}, None, "null"),
        ({"a": "\N{HORSE}" * 10_000}, "a", '"' + "\\ud83d\\udc0e" * 10_000 + '"'),
    ],
    ids=range(8),
)
def test_a_key_is_a_path_into_the_input_and_what_is_not_there_is_null(
    given: Any, path: str | None, value: str
) -> None:
    assert value_at(given, path) == value


def test_gates_are_passed_in_an_order_that_all_components_share() -> None:
    limits = [
        ConcurrencyLimit(limit=1, pool="a"),
        ConcurrencyLimit(limit=1, key="x"),
        RateLimit(limit=1, per_s=1.0),
        SingletonLimit(),
        DebounceLimit(wait_s=1.0),
    ]

    gates = gates_of("acme", "greet", limits, {"x": 1})
    others = gates_of("acme", "report", limits, {"x": 1})

    assert [gate.limit for gate in gates] == limits[::-1]
    assert [one == other for one, other in zip(gates, others, strict=True)] == [*[False] * 4, True]


def test_a_gate_is_of_one_tenant_component_kind_key_and_value_but_of_any_allowance() -> None:
    one = ConcurrencyLimit(limit=1, key="x")

    def of(tenant: str = "acme", component: str = "greet", limit: Limit = one, x: object = 1) -> str:
        return gates_of(tenant, component, [limit], {"x": x})[0].gate_id

    different = [
        of(),
        of("globex"),
        of(component="report"),
        of(limit=RateLimit(limit=1, per_s=1, key="x")),
        of(limit=ConcurrencyLimit(limit=1, key="y")),
        of(limit=ConcurrencyLimit(limit=1, key="x", pool="greet")),
        of(x="1"),
    ]

    assert len(set(different)) == len(different)
    assert of(limit=ConcurrencyLimit(limit=9, key="x")) == of()


_PAGE = ParameterNames(by_place=("site", "page"), required=("site",))
_ORDER = ParameterNames(by_place=("order",), required=("order",))


@pytest.mark.parametrize(
    ("names", "key", "ways"),
    [
        (_PAGE, "site", [{"site": "x"}, ["x"], "x", {"*": ["x"]}, {"*": ["x"], "page": 2}, ["x", 2]]),
        (_ORDER, "order.customer", [{"customer": 1}, {"order": {"customer": 1}}, {"*": [{"customer": 1}]}]),
        (_ORDER, "customer", [{"customer": 1}, {"order": {"customer": 1}}, {"*": [{"customer": 1}]}]),
        (None, "customer", [{"customer": 1}, {"*": [{"customer": 1}]}]),
    ],
    ids=["by-place", "the-only-parameter", "inside-of-the-only-parameter", "a-flow"],
)
def test_the_gate_is_the_same_however_the_arguments_were_given_and_another_for_others(
    names: ParameterNames | None, key: str, ways: list[Any]
) -> None:
    limits = [DebounceLimit(wait_s=1.0, key=key)]

    def of(given: Any) -> str:
        return gates_of("acme", "index", limits, given, names)[0].gate_id

    assert len({of(given) for given in ways}) == 1
    assert of(ways[0]) not in {of(None), of("y"), of(["y"]), of({"*": ["y"]}), of({"customer": 2})}


def test_an_input_that_no_arguments_can_be_made_of_has_nothing_at_a_key() -> None:
    gates = [
        gates_of("acme", "index", [SingletonLimit(key="site")], given, _PAGE)[0].gate_id
        for given in (["x", 1, 2], None)
    ]

    assert gates[0] == gates[1]
