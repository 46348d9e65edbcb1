"""Whose memories somebody reaches: for any names, no two users share any, and a run reads no other user's."""

import pytest
from hypothesis import assume, given, strategies as st

from towpath.errors import ContextError
from towpath.remembering.whose import NOBODY, Owner, Reach, reach
from towpath_schemas.attribution import Attribution
from towpath_schemas.memory import Namespace, read_entity_key

NAMES = st.text(alphabet="ab/-x.:~ ü_2f\0", min_size=1, max_size=6)
USERS = st.none() | NAMES
APPS = st.none() | NAMES


def reached(
    user: str | None, *, named: str | None = None, said_app: str | None = None, app: str | None = None
) -> Reach:
    by = Attribution(tenant="acme", user_id=user)
    return reach(by, Owner(named, said_app), app=app, scope="user")


@given(USERS, NAMES, APPS, APPS)
def test_a_run_reads_what_is_its_users_or_the_apps_and_nobody_elses(
    user: str | None, name: str, app: str | None, said: str | None
) -> None:
    for named in (None, user or name):
        whose = {space.user_id for space in reached(user, named=named, said_app=said, app=app).readable}
        allowed = {user} if user else {named, NOBODY}
        assert whose <= allowed | {None}


@given(USERS, USERS, APPS, APPS)
def test_what_two_users_write_is_never_in_one_place(
    one: str | None, other: str | None, app: str | None, other_app: str | None
) -> None:
    assume((one, app) != (other, other_app))
    mine, theirs = reached(one, app=app), reached(other, app=other_app)

    assert not set(mine.writable) & set(theirs.writable)
    assert mine.own not in theirs.readable or one is None is other


@given(NAMES, NAMES, APPS)
def test_a_run_with_a_user_cannot_name_another(user: str, other: str, app: str | None) -> None:
    assume(user != other)
    with pytest.raises(ContextError, match="may not reach"):
        reached(user, named=other, app=app)


@given(APPS, APPS, USERS)
def test_what_the_app_knows_is_written_by_that_scope_only(
    app: str | None, said: str | None, user: str | None
) -> None:
    by = Attribution(tenant="acme", user_id=user)

    shared = reach(by, Owner(None, said), app=app, scope="app")

    assert shared.readable == (Namespace(said or app or ""),)
    assert shared.own not in reached(user, said_app=said, app=app).writable
    assert shared.own in reached(user, said_app=said, app=app).readable


@given(st.lists(st.tuples(APPS, USERS, NAMES), min_size=2, max_size=2, unique=True))
def test_no_two_memories_have_one_entity(memories: list[tuple[str | None, str | None, str]]) -> None:
    keys = [Namespace(app or "", user).entity_key(key) for app, user, key in memories]

    assert keys[0] != keys[1]
    for entity_key, (app, user, key) in zip(keys, memories, strict=True):
        assert read_entity_key(entity_key) == (Namespace(app or "", user), key)
