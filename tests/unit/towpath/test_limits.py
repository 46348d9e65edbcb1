"""Limits as users declare them."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from towpath import Agent, Concurrency, Debounce, RateLimit, RegistrationError, Singleton, function, workflow
from towpath.components import REGISTRY, ComponentType
from towpath.context import WorkflowContext
from towpath_schemas.limits import ConcurrencyLimit, DebounceLimit, Limit, RateLimit as Rate, SingletonLimit
from towpath_testkit.hosting import own_registry

ALL = [
    Concurrency(3, key="customer"),
    RateLimit(60, per=timedelta(minutes=1), burst=10, pool="openai"),
    Debounce(0.5, key="doc.id", at_most=timedelta(seconds=10)),
    Singleton("replace"),
]
DESCRIBED = (
    ConcurrencyLimit(limit=3, key="customer"),
    Rate(limit=60, per_s=60.0, burst=10, pool="openai"),
    DebounceLimit(wait_s=0.5, key="doc.id", at_most_s=10.0),
    SingletonLimit(mode="replace"),
)


@pytest.fixture(autouse=True)
def registry() -> Generator[None]:
    with own_registry():
        yield


def described(kind: ComponentType, name: str) -> tuple[Limit, ...]:
    found = REGISTRY.find(kind, name)
    assert found is not None
    return found.described().limits


def test_limits_of_workflows_functions_and_agents_are_told_to_the_platform() -> None:
    @workflow(limits=ALL)
    async def order(ctx: WorkflowContext, customer: str) -> None: ...

    @function(limits=ALL)
    async def greet(name: str) -> None: ...

    Agent(name="support", limits=ALL)

    assert described(ComponentType.WORKFLOW, "order") == DESCRIBED
    assert described(ComponentType.FUNCTION, "greet") == DESCRIBED
    assert described(ComponentType.AGENT, "support") == DESCRIBED


@pytest.mark.parametrize(
    ("limit", "said", "named"),
    [
        (Concurrency, {"limit": 0}, "no Concurrency: limit: .* greater than or equal to 1"),
        (Concurrency, {"limit": 1.5}, "limit: "),
        (Concurrency, {"limit": True}, "limit: "),
        (Concurrency, {"limit": 1, "key": ""}, "key: "),
        (
            Concurrency,
            {"limit": 1, "key": "order..customer"},
            "no Concurrency: key='order..customer' has nothing",
        ),
        (
            Singleton,
            {"key": "order."},
            "no Singleton: key='order.' has nothing between two dots, or at an end",
        ),
        (Concurrency, {"limit": 1, "pool": 7}, "pool: "),
        (RateLimit, {"limit": 1, "per": 0}, "no RateLimit: per: "),
        (RateLimit, {"limit": 1, "per": float("nan")}, "per: "),
        (RateLimit, {"limit": 1, "per": "minute"}, "per: "),
        (RateLimit, {"limit": 1, "per": 1, "burst": 0}, "burst: "),
        (Debounce, {"wait": timedelta(days=-1)}, "no Debounce: wait: "),
        (Debounce, {"wait": 1, "at_most": 0}, "at_most: "),
        (Singleton, {"mode": "first"}, "no Singleton: mode: .*'skip' or 'replace'"),
    ],
    ids=str,
)
def test_what_can_be_no_limit_is_refused_by_the_name_of_its_field(
    limit: Any, said: dict[str, Any], named: str
) -> None:
    with pytest.raises(RegistrationError, match=named):
        limit(**said)


def test_two_limits_about_the_same_are_refused() -> None:
    with pytest.raises(RegistrationError, match="there are two Concurrency with key='a'; leave one out"):
        workflow(limits=[Concurrency(1, key="a"), Concurrency(1), Concurrency(2, key="a")])(_body)


def test_a_key_that_leads_into_no_parameter_is_refused() -> None:
    async def bills(ctx: WorkflowContext, customer: str, month: int = 1) -> None: ...

    with pytest.raises(
        RegistrationError,
        match=r"limits of bills: key='custmer.id' names no parameter; begin with one of customer, month",
    ):
        workflow(limits=[RateLimit(9, per=1, key="month"), Concurrency(1, key="custmer.id")])(bills)
    with pytest.raises(
        RegistrationError, match="limits of _body: key='customer' names no parameter; leave it out"
    ):
        workflow(limits=[Concurrency(1, key="customer")])(_body)


def test_a_key_may_lead_into_the_only_parameter_and_into_what_takes_every_name() -> None:
    async def ships(ctx: WorkflowContext, order: dict[str, str]) -> None: ...
    async def notes(ctx: WorkflowContext, text: str, **more: str) -> None: ...

    for body in (ships, notes):
        workflow(limits=[Concurrency(1, key="customer")])(body)

        assert described(ComponentType.WORKFLOW, body.__name__) == (
            ConcurrencyLimit(limit=1, key="customer"),
        )


@pytest.mark.parametrize("limits", [{"turns": 3}, 3, [3], "Concurrency", Concurrency], ids=str)
def test_what_is_no_list_of_limits_is_refused(limits: Any) -> None:
    with pytest.raises(RegistrationError, match=r"limits of _body: .* give a list of Concurrency, RateLimit"):
        workflow(limits=limits)(_body)


async def _body(ctx: WorkflowContext) -> None: ...
