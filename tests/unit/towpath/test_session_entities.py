"""What a turn of a session carries is what its methods need, and no more."""

from datetime import UTC, datetime
from typing import Any

import pytest

from towpath import LocalContext
from towpath.components import ComponentType
from towpath.local.calls import Callee
from towpath.local.state import BufferedState
from towpath.local.surroundings import Surroundings
from towpath.sessions.entities import SESSION
from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import STATE, InvocationRequested
from towpath_schemas.sessions import SESSION_TYPE, event_value, needed

AT = datetime(2025, 1, 1, tzinfo=UTC)
ABOUT: dict[str, Any] = {"user_id": "ann"}
SAID = {"role": "user", "content": "hello"}

CALLS: dict[str, dict[str, Any]] = {
    "head": {"about": ABOUT},
    "events": {"numbers": [1, 3, 99]},
    "values": {"about": ABOUT},
    "append": {"about": ABOUT, "messages": [SAID, SAID], "values": {"step": 2}, "deleted": ["page"]},
    "prune": {"about": ABOUT, "strategy": "keep_last_1", "dropped": [1, 2], "summary": SAID},
    "change_state": {"about": ABOUT, "values": {"step": 2}, "deleted": ["page"]},
    "delete": {"about": ABOUT},
}


async def done(method: str, arguments: Any, state: dict[str, Any]) -> tuple[Any, Any]:
    """Execute a method, and tell its result and what it changed."""
    changes = BufferedState(state)
    context = LocalContext(
        run_id="run",
        surroundings=Surroundings(clock=lambda: AT),
        callee=Callee(ComponentType.ENTITY, SESSION_TYPE, object_id="chat", method_name=method),
        state=changes,
    )
    return await SESSION.methods[method].execute(context, arguments), changes.changes


async def kept() -> dict[str, Any]:
    """Return the state of a session of four messages and two state values."""
    state: dict[str, Any] = {}
    said: list[tuple[str, dict[str, Any]]] = [
        ("append", {"about": ABOUT, "messages": [SAID, SAID]}),
        ("append", {"about": ABOUT, "messages": [SAID, SAID]}),
        ("change_state", {"about": ABOUT, "values": {"step": 1, "page": 3}, "deleted": []}),
    ]
    for method, arguments in said:
        _, changes = await done(method, arguments, state)
        state = {**state, **changes.values}
    return state


def invocation(method: str, arguments: Any = None, entity_type: str = SESSION_TYPE) -> InvocationRequested:
    return InvocationRequested(
        invocation_id="i",
        run_id="run",
        key="k",
        service="hello",
        entity_type=entity_type,
        entity_key="chat",
        method=method,
        arguments=arguments,
        attribution=Attribution(tenant="acme"),
        correlation_id="c",
    )


@pytest.mark.parametrize("method", [*SESSION.methods])
async def test_each_method_does_the_same_on_what_it_needs_as_on_all_there_is(method: str) -> None:
    state, arguments = await kept(), CALLS[method]

    selected = needed(state, [invocation(method, arguments)])

    assert await done(method, arguments, selected) == await done(method, arguments, state)
    assert len(selected) <= len(state) - 3


async def test_calls_that_are_executed_together_have_what_each_of_them_needs() -> None:
    state = await kept()

    selected = needed(state, [invocation("head"), invocation("events", {"numbers": [2]})])

    assert {name for name in selected if name.startswith("event:")} == {event_value(2)}


@pytest.mark.parametrize(
    "asked",
    [invocation("one_of_a_newer_version"), invocation(STATE), invocation("append", entity_type="Cart")],
)
async def test_what_is_not_known_to_need_less_gets_all(asked: InvocationRequested) -> None:
    state = await kept()

    assert needed(state, [invocation("head"), asked]) == state


@pytest.mark.parametrize("stored", [True, False])
async def test_an_append_to_a_session_that_prunes_itself_has_what_is_in_view(stored: bool) -> None:  # noqa: FBT001
    pruning: dict[str, Any] = {**ABOUT, "retention": {"auto_prune": "keep_last_4"}}
    state = await kept()
    if stored:
        _, changes = await done("append", {"about": pruning, "messages": [SAID]}, state)
        state = {**state, **changes.values}
    arguments = {"about": ABOUT if stored else pruning, "messages": [SAID, SAID]}

    selected = needed(state, [invocation("append", arguments)])
    ended = await done("append", arguments, selected)

    assert ended == await done("append", arguments, state)
    assert ended[1].values["head"]["spans"] == ([[3, 4], [5, 8]] if stored else [[2, 4], [5, 7]])
