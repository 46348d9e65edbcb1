"""What records of memories mean comes to the same in any order, any number of times, from several processes at once."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given, strategies as st

from towpath_entity_store.memories.versions import (
    NEVER,
    Effects,
    Record,
    Space,
    Version,
    effects,
    together,
)
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.memory import ITEM, MEMORY_TYPE, Namespace
from towpath_testkit.memory_stage import memory_item

NAME = EntityName("acme", MEMORY_TYPE, Namespace("shop", "ann").entity_key("drink"))
Retirements = dict[int, int]


def record(number: int, sequence: int, change: str) -> Record:
    changes: dict[str, Any] = {}
    if change == "forgotten":
        changes = {"deleted": (ITEM,)}
    elif change != "unchanged":
        changes = {"values": {ITEM: memory_item("drink", change).model_dump(mode="json")}}
    return Record(NAME, sequence, EntityCommitted(number=number, through=0, at=0.0, owner="me", **changes))


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    changes = draw(st.lists(st.sampled_from(["tea", "coffee", "forgotten", "unchanged"]), max_size=8))
    gaps = draw(st.lists(st.integers(1, 3), min_size=len(changes), max_size=len(changes)))
    return [record(number, sum(gaps[:number]), change) for number, change in enumerate(changes, start=1)]


def meaning(log: list[Record], index: int) -> Effects:
    before = next((one for one in reversed(log[:index]) if one.changes_item), None)
    return effects(log[index], before)


def as_it_was(log: list[Record]) -> Retirements:
    """Tell by the log alone when each version was written and retired."""
    changing = [one for one in log if one.changes_item]
    ends = [after.sequence for _, after in pairwise(changing)] + [NEVER] if changing else []
    return {
        one.sequence: end for one, end in zip(changing, ends, strict=True) if ITEM in one.committed.values
    }


def operations(meant: Effects) -> Iterator[tuple[str, Version]]:
    """List what is done in the index, each at one stroke; between them others may do theirs."""
    yield from (("insert", version) for version in meant.written)
    yield from (("retire", version) for version in meant.retired)


def do(index: Retirements, operation: tuple[str, Version]) -> None:
    match operation:
        case "insert", version:
            index.setdefault(version.sequence, version.retired)
        case _, version:
            if index.get(version.sequence, 0) > version.retired:
                index[version.sequence] = version.retired


@given(logs(), st.data())
def test_records_may_be_folded_in_any_order_and_again(log: list[Record], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(range(len(log))), max_size=8)) if log else []
    order = data.draw(st.permutations([*range(len(log)), *again]))
    index: Retirements = {}

    for which in order:
        for operation in operations(meaning(log, which)):
            do(index, operation)

    assert index == as_it_was(log)


@given(logs(), st.data())
def test_several_processes_may_fold_the_same_records_at_once(log: list[Record], data: st.DataObject) -> None:
    index: Retirements = {}
    at_work = [
        operations(meaning(log, which)) for which in [*range(len(log)), *range(len(log))]
    ]  # every record in two processes

    while at_work:
        worker = data.draw(st.sampled_from(at_work))
        operation = next(worker, None)
        if operation is None:
            at_work.remove(worker)
        else:
            do(index, operation)

    assert index == as_it_was(log)


@given(logs(), st.data())
def test_what_is_folded_together_means_the_same(log: list[Record], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(log))))
    index: Retirements = {}

    for operation in operations(together(meaning(log, which) for which in order)):
        do(index, operation)

    assert index == as_it_was(log)


@given(logs(), st.data())
def test_whoever_has_the_records_up_to_one_knows_what_was_so_then(
    log: list[Record], data: st.DataObject
) -> None:
    """Records behind the one that is asked about may be half folded: they make no difference."""
    index: Retirements = {}
    reached = data.draw(st.integers(0, len(log)))
    for which in range(reached):
        for operation in operations(meaning(log, which)):
            do(index, operation)
    later = [one for which in range(reached, len(log)) for one in operations(meaning(log, which))]
    for operation in data.draw(st.lists(st.sampled_from(later), max_size=6)) if later else []:
        do(index, operation)

    as_of = log[reached - 1].sequence if reached else 0
    seen = {written for written, retired in index.items() if written <= as_of < retired}

    assert seen == {written for written, retired in as_it_was(log[:reached]).items() if retired > as_of}


def test_an_item_is_searched_where_its_vector_can_be_compared() -> None:
    vectors = {"none": None, "two": [1.0, 0.5], "zero": [0.0, 0.0]}
    spaces = {name: _version(vector).space for name, vector in vectors.items()}

    assert spaces == {"none": Space(), "two": Space("test/two", 2), "zero": Space()}


def _version(vector: list[float] | None) -> Version:
    return Version("acme", Namespace("shop"), "a", 1, memory_item("a", "a", vector))
