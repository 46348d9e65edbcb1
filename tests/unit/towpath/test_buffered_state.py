"""State as a step sees it: what was there when it began, under what it changes; kept in layers that few changes copy."""

import math
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath.errors import NotSerialisableError
from towpath.local.state import BufferedState, LayeredValues

NAMES = st.sampled_from("abcde")
CHANGES = st.one_of(
    st.tuples(st.just("set"), NAMES, st.integers()),
    st.tuples(st.just("delete"), NAMES, st.none()),
)
STEPS = st.lists(st.tuples(st.lists(CHANGES, max_size=4), st.booleans()), max_size=12)
COMMITTED = st.dictionaries(NAMES, st.integers())
NOTHING = "nothing"


def seen(state: BufferedState | LayeredValues) -> dict[str, Any]:
    return {name: value for name in "abcde" if (value := state.get(name, NOTHING)) != NOTHING}


def change(state: BufferedState, model: dict[str, Any], changes: list[tuple[str, str, Any]]) -> None:
    for verb, name, value in changes:
        if verb == "set":
            state.set(name, value)
            model[name] = value
        else:
            state.delete(name)
            model.pop(name, None)


@given(COMMITTED, STEPS, STEPS)
def test_state_is_what_was_committed_and_what_steps_that_ended_well_have_changed(
    committed: dict[str, Any],
    steps: list[tuple[list[tuple[str, str, Any]], bool]],
    inner_steps: list[tuple[list[tuple[str, str, Any]], bool]],
) -> None:
    state, model = BufferedState(committed), dict(committed)
    begun: list[tuple[BufferedState, dict[str, Any]]] = []
    for number, (changes, ends_well) in enumerate(steps):
        outer, its_model = state.over(), dict(model)
        for inner_number, (inner_changes, inner_ends_well) in enumerate(inner_steps):
            inner, inner_model = outer.over(), dict(its_model)
            change(inner, inner_model, inner_changes)
            assert seen(inner) == inner_model
            if inner_ends_well:
                outer.take(f"{number}/{inner_number}", inner.changes)
                its_model = inner_model
        change(outer, its_model, changes)
        begun.append((outer, its_model))
        if ends_well:
            state.take(f"{number}", outer.changes)
            model = dict(its_model)
        change(state, model, changes[::-1])

    assert seen(state) == seen(state.after) == model
    assert [seen(step) for step, _ in begun] == [its_model for _, its_model in begun]
    assert state.changes.applied_to(committed) == model


def test_what_a_step_with_a_new_value_costs_hardly_grows_with_the_values() -> None:
    state, often = BufferedState({}), 2_000
    copied = 0
    for number in range(often):
        step = state.over()
        copied += sum(map(len, state.after._layers[-1:]))
        assert len(state.after._layers) <= math.log2(number + 2)
        step.set(f"name-{number}", number)
        state.take(str(number), step.changes)

    assert copied < 2 * often * math.log2(often)
    assert [state.get(f"name-{number}", None) for number in range(often)] == [*range(often)]


class Named(str, Enum):  # noqa: UP042 - a StrEnum hashes as its text; one of these does not
    TOTAL = "total"


def test_a_member_of_an_enumeration_of_texts_names_what_its_text_names() -> None:
    state = BufferedState({"total": 1})

    committed = state.get(Named.TOTAL, None)
    state.set(Named.TOTAL, 2)
    changed = state.get(Named.TOTAL, None), state.get("total", None)
    state.delete(Named.TOTAL)

    assert (committed, changed, state.get("total", None)) == (1, (2, 2), None)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(NotSerialisableError, match="name of a state value is text, not 5"):
        BufferedState({}).get(5, None)  # type: ignore[arg-type]
