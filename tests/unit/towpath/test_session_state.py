"""State of a session: a buffer over what is kept, held against a model; scopes do not shine through each other."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from towpath import InvalidInputError, LocalContext, NotSerialisableError, Session, SessionError
from towpath.current import running_in
from towpath.local.entity_store import ENTITIES
from towpath.sessions.drafts import Draft

NOT_LOADED = object()


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    ENTITIES.__init__()


def session(name: str = "chat", *, user: str | None = "ann", app: str | None = "shop") -> Session:
    return Session(name, app, user)


class Asked(NamedTuple):
    """One thing that one of the invocations does to one of the sessions."""

    invocation: int
    session: str
    act: str
    scope: Any = "session"
    key: str = "a"
    value: int = 0


SCOPES = ("session", "user", "app", "temp")
ASKED = st.builds(
    Asked,
    st.integers(0, 1),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["set", "delete", "get", "get", "flush", "load"]),
    st.sampled_from(SCOPES),
    st.sampled_from("ab"),
    st.integers(0, 3),
)


class Model:
    """What each invocation must see: what it wrote or loaded last, and nothing where it knows nothing."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, int]] = {}
        self.known: dict[tuple[int, str, str], dict[str, int | None]] = {}
        self.unwritten: dict[tuple[int, str, str], dict[str, int | None]] = {}
        self.whole: set[tuple[int, str, str]] = set()

    def place(self, asked: Asked, scope: str) -> tuple[int, str, str]:
        return asked.invocation, scope, asked.session if scope in ("session", "temp") else ""

    def put(self, asked: Asked, value: int | None) -> None:
        place = self.place(asked, asked.scope)
        self.known.setdefault(place, {})[asked.key] = value
        if asked.scope != "temp":
            self.unwritten.setdefault(place, {})[asked.key] = value

    def flush(self, asked: Asked) -> None:
        for scope in SCOPES[:3]:
            place = self.place(asked, scope)
            for key, value in self.unwritten.pop(place, {}).items():
                kept = self.kept.setdefault(place[1:], {})
                kept.pop(key, None) if value is None else kept.update({key: value})

    def load(self, asked: Asked) -> None:
        self.flush(asked)
        for scope in SCOPES[:3]:
            place = self.place(asked, scope)
            self.known[place] = dict(self.kept.get(place[1:], {}))
            self.whole.add(place)

    def get(self, asked: Asked) -> Any:
        place = self.place(asked, asked.scope)
        known = self.known.get(place, {})
        if asked.key in known or place in self.whole or asked.scope == "temp":
            return known.get(asked.key)
        return NOT_LOADED


async def done(here: Session, asked: Asked, model: Model) -> None:
    match asked.act:
        case "set":
            here.set_state(asked.key, asked.value, scope=asked.scope)
            model.put(asked, asked.value)
        case "delete":
            here.delete_state(asked.key, scope=asked.scope)
            model.put(asked, None)
        case "flush":
            await here.flush()
            model.flush(asked)
        case "load":
            await here.load()
            model.load(asked)
        case _:
            assert seen(here, asked) == model.get(asked)


def seen(here: Session, asked: Asked) -> Any:
    try:
        return here.get_state(asked.key, scope=asked.scope)
    except SessionError:
        return NOT_LOADED


@given(st.lists(ASKED, max_size=30))
async def test_each_invocation_sees_what_it_wrote_or_loaded_last(story: list[Asked]) -> None:
    ENTITIES.__init__()
    contexts, model = [LocalContext(), LocalContext()], Model()

    for asked in story:
        with running_in(contexts[asked.invocation]):
            await done(session(asked.session), asked, model)


async def test_what_is_set_is_seen_at_once_and_by_others_once_it_is_written() -> None:
    here, there = session(), session()
    here.set_state("cart", ["boat"])

    assert here.get_state("cart") == ["boat"]
    await there.load()
    assert there.get_state("cart") is None
    await here.flush()
    await there.load()
    assert there.get_state("cart") == ["boat"]


async def test_state_that_could_not_be_kept_with_messages_is_kept_with_the_next() -> None:
    here, there = session(), session()
    here.set_state("cart", ["boat"])

    with pytest.raises(InvalidInputError):
        await here.append_with({"sum": 7}, [{"role": "nobody"}])
    await there.load()
    assert there.get_state("cart") is None
    await here.send_message("Hello")

    await there.load()
    assert (there.get_state("cart"), there.get_state("sum")) == (["boat"], None)


async def test_a_write_that_fails_leaves_a_draft_as_it_was() -> None:
    async def read() -> dict[str, Any]:
        return {"a": 1, "b": 2}

    async def write(values: dict[str, Any], deleted: list[str]) -> None:
        written.append((values, deleted))

    written: list[tuple[dict[str, Any], list[str]]] = []
    draft = Draft("a draft", read, write)
    await draft.load()
    draft.set("a", 3)
    draft.delete("b")

    async def fail() -> None:
        async with draft.written_beside({"c": 4}) as changes:
            assert changes == ({"a": 3, "c": 4}, ["b"])
            assert draft.get("c", None) == 4
            draft.set("a", 5)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert [draft.get(name, None) for name in "abc"] == [5, None, None]
    async with draft.written_beside({"c": 6}) as changes:
        assert changes == ({"a": 5, "c": 6}, ["b"])
    await draft.flush()

    assert written == []
    assert [draft.get(name, None) for name in "abc"] == [5, None, 6]


async def test_user_state_is_seen_by_the_users_other_sessions_and_app_state_by_all_of_the_app() -> None:
    one = session("one")
    one.set_state("language", "nl", scope="user")
    one.set_state("version", 2, scope="app")
    await one.flush()

    same_user, same_app = session("two"), session("three", user="bob")
    other_app, no_app = session("four", app="bank"), session("five", app=None)
    for each in (same_user, same_app, other_app, no_app):
        await each.load()

    assert same_user.get_state("language", scope="user") == "nl"
    assert same_app.get_state("language", scope="user") is None
    assert same_app.get_state("version", scope="app") == 2
    assert other_app.get_state("version", scope="app") is None
    assert no_app.get_state("language", scope="user") is None


async def test_temporary_state_is_seen_by_its_invocation_only() -> None:
    with running_in(LocalContext()):
        here = session()
        here.set_state("step", "validating", scope="temp")
        await here.load()
        assert session().get_state("step", scope="temp") == "validating"
    with running_in(LocalContext()):
        assert session().get_state("step", scope="temp") is None


async def test_scopes_do_not_shine_through_each_other() -> None:
    here = session()
    await here.load()
    here.set_state("theme", "dark", scope="user")

    assert here.get_state("theme", "none") == "none"
    assert here.get_state("theme", scope="user") == "dark"


@pytest.mark.parametrize(
    ("name", "other"),
    [(("a/b", "c"), ("a", "b/c")), (("-", "u"), (None, "u")), (("a", "b"), (None, "a/b"))],
)
async def test_no_two_users_share_state_whatever_they_are_called(
    name: tuple[str | None, str], other: tuple[str | None, str]
) -> None:
    here, there = Session("one", *name), Session("two", *other)
    here.set_state("secret", 1, scope="user")
    await here.flush()
    await there.load()

    assert there.get_state("secret", scope="user") is None


def test_a_scope_that_needs_an_id_says_which() -> None:
    with pytest.raises(SessionError, match=r"scope 'user' needs .* Session\('chat', user_id=...\)"):
        Session("chat").get_state("language", scope="user")
    with pytest.raises(SessionError, match=r"scope 'app' needs .* Session\('chat', app_name=...\)"):
        Session("chat").set_state("version", 1, scope="app")


def test_an_unknown_scope_is_refused_with_those_there_are() -> None:
    with pytest.raises(SessionError, match="no scope 'global'; there are session, user, app, temp"):
        Session("chat").set_state("a", 1, scope="global")  # type: ignore[arg-type]


def test_a_value_that_json_cannot_carry_is_refused_when_it_is_set() -> None:
    with pytest.raises(NotSerialisableError):
        Session("chat").set_state("a", object())


@pytest.mark.parametrize("key", ["", None, 3])
def test_a_name_that_is_no_text_is_refused(key: Any) -> None:
    with pytest.raises(SessionError, match="known by a name"):
        Session("chat").set_state(key, 1)


def test_changing_what_was_read_changes_no_state() -> None:
    here = session()
    here.set_state("outputs", {"researcher": {"status": "completed"}})

    here.get_state("outputs")["researcher"]["status"] = "lost"

    assert here.get_state("outputs")["researcher"] == {"status": "completed"}
