import time
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, strategies as st

from towpath_entity_store.entities.commitment import commitment, merged
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.errors import TooLargeError
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.mailbox import Letter, Mail
from towpath_schemas.entities import NEVER, Changes, EntityCommitted, InvocationDone
from towpath_schemas.failure import Failure
from towpath_schemas.sessions import SESSION_TYPE
from towpath_testkit.entities import invocation

LIMITS = Limits.within(1024 * 1024)
FAILURE = Failure(code="user_error", message="no")

names = st.sampled_from("abcd")
changes = st.builds(
    Changes,
    values=st.dictionaries(names, st.integers()),
    deleted=st.lists(names, max_size=2).map(tuple),
)
outcomes = st.builds(
    InvocationDone,
    invocation_id=st.uuids().map(str),
    failure=st.sampled_from([None, FAILURE]),
    changes=changes,
)
turns = st.lists(st.lists(outcomes, min_size=1, max_size=4), max_size=12)


def commit(entity: Entity, done: list[InvocationDone]) -> EntityCommitted:
    letters = tuple(
        Letter(entity.through + n, invocation("c", "m", invocation_id=outcome.invocation_id))
        for n, outcome in enumerate(done, 1)
    )
    mail = Mail(letters, letters[-1].sequence)
    written = commitment(entity, mail, tuple(done), owner="me", limits=LIMITS)
    entity.apply(written.record, sequence=written.record.number, size=len(written.body))
    return EntityCommitted.from_body(written.body)


def folded(records: list[EntityCommitted]) -> Entity:
    entity = Entity(remembers=100)
    for sequence, record in enumerate(records, 1):
        entity.apply(record, sequence=sequence, size=0)
    return entity


def told(entity: Entity) -> tuple[Any, ...]:
    return entity.number, entity.through, entity.state, entity.remembered


@given(turns)
def test_the_log_folds_to_what_its_owner_holds(all_turns: list[list[InvocationDone]]) -> None:
    owner = Entity(remembers=100)
    records = [commit(owner, turn) for turn in all_turns]

    assert told(folded(records)) == told(owner)


@given(turns)
def test_a_snapshot_stands_for_all_before_it(all_turns: list[list[InvocationDone]]) -> None:
    owner = Entity(remembers=100)
    for turn in all_turns:
        commit(owner, turn)
    snapshot = owner.snapshot(at=0.0, owner="me", remembered_bytes=1_000_000)

    read = folded([EntityCommitted.from_body(snapshot.to_body())])

    assert told(read) == (owner.number + 1, owner.through, owner.state, owner.remembered)


@given(st.lists(outcomes, max_size=6))
def test_merged_changes_do_what_they_do_one_after_the_other(done: list[InvocationDone]) -> None:
    before = {"a": 1, "b": 2}
    expected = dict(before)
    for outcome in done:
        if outcome.failure is None:
            for name in outcome.changes.deleted:
                expected.pop(name, None)
            expected.update(outcome.changes.values)
    values, deleted = merged(tuple(done))

    after = {**before, **values}
    for name in deleted:
        after.pop(name, None)

    assert after == expected


def test_the_oldest_outcomes_are_forgotten_first_and_the_first_of_an_id_is_kept() -> None:
    entity = Entity(remembers=2)
    for number, name in enumerate("abca", 1):
        done = InvocationDone(invocation_id=name, result=number)
        entity.apply(
            EntityCommitted(number=number, through=number, at=0.0, owner="me", outcomes=(done,)),
            sequence=number,
            size=0,
        )

    assert {name: done.result for name, done in entity.remembered.items()} == {"c": 3, "a": 4}


def test_a_snapshot_leaves_out_the_oldest_outcomes_where_they_are_too_large() -> None:
    entity = Entity(remembers=100)
    done = tuple(InvocationDone(invocation_id=str(n), result="x" * 1_000) for n in range(10))
    entity.apply(EntityCommitted(number=1, through=1, at=0.0, owner="me", outcomes=done), sequence=1, size=0)

    snapshot = entity.snapshot(at=0.0, owner="me", remembered_bytes=3_500)

    assert [outcome.invocation_id for outcome in snapshot.remembered] == ["7", "8", "9"]


def test_infinity_survives_a_record() -> None:
    entity = Entity(remembers=1)

    read = commit(
        entity, [InvocationDone(invocation_id="a", changes=Changes(values={"x": float("inf"), "n": 2**70}))]
    )

    assert read.values == {"x": float("inf"), "n": 2**70}


# --- Expiry -------------------------------------------------------------------------------------------


def expiring(**said: Any) -> InvocationDone:
    return InvocationDone(invocation_id=uuid4().hex, changes=Changes(values={"a": 1}, **said))


def test_the_last_method_that_said_when_counts_and_others_leave_it_as_it_is() -> None:
    entity = Entity(remembers=10)
    before = time.time()
    commit(entity, [expiring(expires_in_s=5), expiring(expires_in_s=60), expiring()])
    first = entity.expires_at
    commit(entity, [expiring()])

    assert first is not None
    assert before + 60 <= first <= time.time() + 60
    assert entity.expires_at == first


def test_what_never_expires_says_so_and_what_failed_says_nothing() -> None:
    entity = Entity(remembers=10)
    commit(entity, [expiring(expires_in_s=5), expiring(expires_in_s=NEVER)])
    assert entity.expires_at is None

    commit(entity, [expiring(expires_in_s=5).model_copy(update={"failure": FAILURE})])
    assert entity.expires_at is None


def test_a_snapshot_leaves_out_what_has_expired_and_remembers_the_outcomes() -> None:
    entity = Entity(remembers=10)
    done = expiring(expires_in_s=0)
    commit(entity, [done])
    written = entity.snapshot(at=time.time(), owner="me", remembered_bytes=1_000)
    entity.apply(written, sequence=9, size=1)

    assert (written.snapshot, written.deleted, written.expires_at) == ({}, ("a",), None)
    assert (entity.state, entity.expires_at) == ({}, None)
    assert done.invocation_id in entity.remembered


def test_a_snapshot_keeps_when_the_state_expires() -> None:
    entity = Entity(remembers=10)
    commit(entity, [expiring(expires_in_s=60)])
    expires_at = entity.expires_at
    entity.apply(entity.snapshot(at=time.time(), owner="me", remembered_bytes=0), sequence=9, size=1)

    assert (entity.state, entity.expires_at) == ({"a": 1}, expires_at)


def test_a_session_that_is_full_says_what_makes_room() -> None:
    said = Changes(values={"event:0": "x" * LIMITS.state_bytes})
    asked = invocation("c", "append", entity_type=SESSION_TYPE)
    done = (InvocationDone(invocation_id=asked.invocation_id, changes=said),)

    with pytest.raises(TooLargeError, match=r"session 'c' has 524,\d{3} bytes; .*auto_prune.*another id"):
        commitment(Entity(remembers=1), Mail((Letter(1, asked),), 1), done, owner="me", limits=LIMITS)
