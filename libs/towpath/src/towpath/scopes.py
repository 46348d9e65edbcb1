"""Where in a run the running code is: names that keep the acts of concurrent code apart.

A scope belongs to the asyncio task that entered it. Code in a task of its own (`asyncio.gather` over
coroutines, `TaskGroup.create_task`) is a branch: at its first act it gets a scope of its own inside the one
it was started in, so ordinals of branches never mix, however their acts interleave.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, Self

BRANCH = "~"
"""What the name of a branch's scope begins with."""

Owner = asyncio.Task[Any] | None


class Party(Protocol):
    """Who talks with an agent, and where: a session."""

    @property
    def id(self) -> str:
        """What the session is known by."""
        ...

    @property
    def user_id(self) -> str | None:
        """The user."""
        ...

    @property
    def app_name(self) -> str | None:
        """The app."""
        ...


class SessionScope(NamedTuple):
    """The session in which acts are done, and whose it is.

    Attributes:
        id: What it is known by.
        user_id: Its user, or that of the session around it where it names none.
        app_name: Its app, or that of the session around it.
    """

    id: str
    user_id: str | None = None
    app_name: str | None = None

    @classmethod
    def of(cls, party: Party, around: Self | None) -> "SessionScope":
        """Enter a session, from inside another one if there is one around it."""
        if around is None:
            return cls(party.id, party.user_id, party.app_name)
        return cls(party.id, party.user_id or around.user_id, party.app_name or around.app_name)


class Scope(NamedTuple):
    """A place in a run.

    Attributes:
        name: Empty, or ending in `/`.
        owner: The task whose acts it names.
        agent: The agent to which acts inside are attributed.
        session: The session to which they are.
    """

    name: str = ""
    owner: Owner = None
    agent: str | None = None
    session: SessionScope | None = None


_OUTERMOST = Scope()
"""Where code is that nothing runs: it belongs to no task, and so has no branches."""

_scope: ContextVar[Scope] = ContextVar("towpath_scope", default=_OUTERMOST)


def running_task() -> Owner:
    """Return the task that is running; None in a thread."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def current_scope() -> Scope:
    """Return the scope that the running code was started in."""
    return _scope.get()


def own_scope(next_ordinal: Callable[[str], int]) -> Scope:
    """Return the scope of the running task: a new branch, if the task has just been started inside another's."""
    scope = _scope.get()
    task = running_task()
    if task is None or scope.owner is task or scope is _OUTERMOST:
        return scope
    place = f"{scope.name}{BRANCH}"
    branch = Scope(f"{place}{next_ordinal(place)}/", task, scope.agent, scope.session)
    _scope.set(branch)
    return branch


class entered:  # noqa: N801 - used like a function; a class, since every step enters one
    """Give the running task the scope `name` until the end of the block."""

    __slots__ = ("_agent", "_name", "_token")

    def __init__(self, name: str, *, agent: str | None = None) -> None:
        self._name, self._agent = name, agent

    def __enter__(self) -> None:
        session = _scope.get().session
        self._token = _scope.set(Scope(self._name, running_task(), self._agent, session))

    def __exit__(self, *_error: object) -> None:
        _scope.reset(self._token)


@contextmanager
def inner_scope(
    name: str, next_ordinal: Callable[[str], int], *, agent: str | None = None
) -> Generator[None]:
    """Give the running task a scope inside its own until the end of the block."""
    outer = own_scope(next_ordinal)
    place = f"{outer.name}{name}"
    with entered(f"{place}#{next_ordinal(place)}/", agent=agent or outer.agent):
        yield


class Places:
    """Names the acts of one context: each is known by where the code is, what it is called, and its ordinal there."""

    def __init__(self) -> None:
        self._ordinals: dict[str, int] = {}

    def scope(self, name: str, *, agent: str | None = None) -> AbstractContextManager[None]:
        """Give everything inside a name of its own, so that its ordinals are its own.

        Args:
            name: The scope's name; its ordinal is added.
            agent: The agent to which acts inside are attributed.
        """
        return inner_scope(name, self.next_ordinal, agent=agent)

    @contextmanager
    def in_session(self, party: Party | None) -> Generator[None]:
        """Attribute acts inside to a session and its user, if there is one; they keep their names."""
        if party is None:
            yield
            return
        scope = self.own_scope
        token = _scope.set(scope._replace(session=SessionScope.of(party, scope.session)))
        try:
            yield
        finally:
            _scope.reset(token)

    def next_ordinal(self, place: str) -> int:
        """Count how often `place` was used in this context before now."""
        ordinals = self._ordinals
        ordinal = ordinals.get(place, 0)
        ordinals[place] = ordinal + 1
        return ordinal

    @property
    def own_scope(self) -> Scope:
        """The scope of the running code; a new branch, where it runs in a task of its own."""
        return own_scope(self.next_ordinal)

    def place(self, name: str, key: str | None = None) -> str:
        """Take the identity of an act: where the code is, the act's name, and its ordinal there or its key."""
        place = f"{self.own_scope.name}{name}"
        return f"{place}#{self.next_ordinal(place)}" if key is None else f"{place}#={key}"

    @property
    def step_id(self) -> str | None:
        """Key of the step that is running, if one is."""
        return current_scope().name.rstrip("/") or None

    @property
    def scope_agent(self) -> str | None:
        """The agent that the running code acts for."""
        return current_scope().agent
