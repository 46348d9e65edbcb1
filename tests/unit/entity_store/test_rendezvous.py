from collections import Counter

from hypothesis import given, strategies as st

from towpath_entity_store.entities.rendezvous import owned_by, owner_of
from towpath_schemas.subjects import ENTITY_PARTITIONS

replicas = st.sets(st.text(min_size=1, max_size=12), min_size=1, max_size=6)


@given(replicas)
def test_each_partition_has_one_owner_among_those_who_agree_on_who_lives(alive: set[str]) -> None:
    owned = [partition for instance in alive for partition in owned_by(instance, alive)]

    assert sorted(owned) == list(range(ENTITY_PARTITIONS))


@given(replicas, st.text(min_size=13, max_size=13))
def test_who_joins_takes_partitions_and_moves_no_others(alive: set[str], joining: str) -> None:
    for partition in range(ENTITY_PARTITIONS):
        assert owner_of(partition, {*alive, joining}) in {owner_of(partition, alive), joining}


def test_who_is_not_heard_by_others_counts_itself() -> None:
    assert owned_by("me", ()) == frozenset(range(ENTITY_PARTITIONS))


def test_partitions_are_shared_fairly() -> None:
    shares = Counter(owner_of(partition, ["a", "b", "c", "d"]) for partition in range(ENTITY_PARTITIONS))

    assert min(shares.values()) >= 8
