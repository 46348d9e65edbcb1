"""Values that belong to a conversation and that no model is told."""

from typing import Any

import pytest

from towpath.agents.state import AgentState, state_of
from towpath.errors import InvalidInputError


def test_what_goes_in_and_what_comes_out_are_copies() -> None:
    cart = ["boat"]
    state = AgentState({"cart": cart})

    cart.append("oar")
    state.get("cart").append("sail")
    state.get()["cart"].append("rope")

    assert state.get("cart") == ["boat"]


def test_what_is_not_there_is_none_and_can_be_deleted() -> None:
    state = AgentState()

    state.delete("cart")

    assert state.get("cart") is None
    assert state.get() == {}


def test_a_value_is_set_replaced_and_deleted() -> None:
    state = AgentState({"step": 1})

    state.set("step", 2)
    state.set("done", value=False)
    state.delete("step")

    assert state.get() == {"done": False}


@pytest.mark.parametrize("key", ["", "  ", None, 7])
def test_a_key_is_text_that_is_not_empty(key: Any) -> None:
    with pytest.raises(ValueError, match="a key is text"):
        AgentState().set(key, 1)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan"), [lambda: None]])
def test_a_value_that_json_cannot_carry_is_refused(value: Any) -> None:
    state = AgentState({"kept": 1})

    with pytest.raises(ValueError, match="JSON cannot carry the value of 'bad'"):
        state.set("bad", value)
    with pytest.raises(InvalidInputError):
        state.replace({"good": 1, "bad": value})

    assert state.get() == {"kept": 1}


def test_an_agent_takes_a_mapping_or_a_state() -> None:
    state = AgentState()

    assert state_of(state) is state
    assert state_of({"a": 1}).get("a") == 1
    assert state_of(None).get() == {}
