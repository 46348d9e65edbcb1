"""The mark of a state is kept up with each change, whatever it is, and says whether two states are the same."""

from typing import Any

from hypothesis import given, settings, strategies as st

from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.projection import Copy
from towpath_entity_store.entities.seal import mark_of, mark_of_written, seal_of
from towpath_entity_store.entities.values import to_json
from towpath_schemas.entities import EntityCommitted

names = st.sampled_from(["a", "b", "ü", ""])
values = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))
states = st.dictionaries(names, values)
changes = st.tuples(states, st.frozensets(names), st.none() | states)


def fold(drawn: list[Any]) -> Entity:
    entity = Entity(remembers=1)
    for number, (written, deleted, snapshot) in enumerate(drawn, 1):
        changed: dict[str, Any] = {"values": written, "deleted": tuple(deleted)}
        record = EntityCommitted(
            number=number,
            through=number,
            at=0.0,
            owner="me",
            **(changed if snapshot is None else {"snapshot": snapshot}),
        )
        entity.apply(record, sequence=10 * number, size=1)
    return entity


@settings(deadline=None)
@given(st.lists(changes, max_size=6))
def test_the_mark_that_an_owner_keeps_up_is_that_of_the_state(drawn: list[Any]) -> None:
    entity = fold(drawn)

    assert entity.mark == mark_of(entity.state)
    assert entity.mark == mark_of_written(
        (name.encode(), to_json(value)) for name, value in entity.state.items()
    )


@settings(deadline=None)
@given(states, states)
def test_different_states_have_different_marks(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (mark_of(one) == mark_of(other)) == (one == other)


def test_a_seal_is_of_one_record_and_one_expiry() -> None:
    seals = {
        seal_of(1, number=1, sequence=1, expires=""),
        seal_of(2, number=1, sequence=1, expires=""),
        seal_of(1, number=2, sequence=1, expires=""),
        seal_of(1, number=1, sequence=2, expires=""),
        seal_of(1, number=1, sequence=1, expires="7.0"),
    }

    assert len(seals) == 5


def test_a_log_that_begins_anew_has_other_copies_than_the_one_that_was_erased() -> None:
    before, after = fold([({"a": 1}, (), None)]), fold([({"a": 1}, (), None)])
    after.sequence += 1

    assert Copy.made_of(before) != Copy.made_of(after)
