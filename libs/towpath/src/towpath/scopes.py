"""Where in a run the running code is: names that keep the acts of concurrent code apart.

A scope belongs to the asyncio task that entered it. Code in a task of its own (`asyncio.gather` over
coroutines, `TaskGroup.create_task`) is a branch: it gets a scope of its own inside the one it was started in, so
ordinals of branches never mix, however their acts interleave. The code of a run names its branches when it starts them.
Where tasks may also be started by clients that many runs share, inside of steps, functions and calls, a branch is named
at its first act.
"""

import asyncio
import contextvars
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, Self

from towpath.errors import ConfigurationError

BRANCH = "~"
"""What the name of a branch's scope begins with."""

GIVEN_KEY = "#="
"""What stands before the key of an act that the code has given it, where others have their ordinal."""

GIVEN = "^"
"""What the name of an act begins with that was named outside of the step which begins it."""

Owner = asyncio.Task[Any] | None


def named(what: str, name: object) -> str:
    """Return what a program calls something, if it can be called so.

    Raises:
        ConfigurationError: If it is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"the name of {what} {name!r} cannot be used; give text that is not empty")
    return name


def check_key(key: object) -> None:
    """Refuse what a program gives an act as its key, and is none: a replay would not find the act by it.

    Raises:
        ConfigurationError: If it is given, and no text, or empty.
    """
    if key is not None and (not isinstance(key, str) or not key):
        raise ConfigurationError(f"key={key!r} cannot be used; give text that is not empty, or leave it out")


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
        step: The scope of the step whose work runs; empty outside of steps.
        attempt: Which attempt of this step it is, those of steps around it counted in.
        agent: The agent to which acts inside are attributed.
        session: The session to which they are.
    """

    name: str = ""
    owner: Owner = None
    step: str = ""
    attempt: int = 1
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
    return enter_branch(_branch_of(scope, next_ordinal), task)


def enter_branch(name: str, task: Owner) -> Scope:
    """Give a task, whose context runs this, the scope of a branch."""
    branch = _scope.get()._replace(name=name, owner=task)
    _scope.set(branch)
    return branch


def _branch_of(scope: Scope, next_ordinal: Callable[[str], int]) -> str:
    place = f"{scope.name}{BRANCH}"
    return f"{place}{next_ordinal(place)}/"


class entered:  # noqa: N801 - used like a function; a class, since every step enters one
    """Give the running task the scope `name` until the end of the block.

    Args:
        name: The scope's name.
        agent: The agent to which acts inside are attributed.
        attempt: Where it is the scope of a step's work, which attempt of the step it is; else None.
    """

    __slots__ = ("_agent", "_attempt", "_name", "_token")

    def __init__(self, name: str, *, agent: str | None = None, attempt: int | None = None) -> None:
        self._name, self._agent, self._attempt = name, agent, attempt

    def __enter__(self) -> None:
        outer, task = _scope.get(), running_task()
        if self._attempt is None:
            scope = outer._replace(name=self._name, owner=task, agent=self._agent)
        else:
            attempt = outer.attempt + self._attempt - 1
            scope = Scope(self._name, task, self._name, attempt, self._agent, outer.session)
        self._token = _scope.set(scope)

    def __exit__(self, *_error: object) -> None:
        _scope.reset(self._token)


def key_of_begun(place: str, named_in: str) -> str:
    """Tell the key of an act that begins now: what was given to a step to be awaited is an act inside of this step.

    Args:
        place: The place that it took when it was called.
        named_in: The scope of the step in which that was.
    """
    step = _scope.get().step
    return place if step in ("", named_in) else _given(place, named_in, step)


def give_to_step(step: str) -> None:
    """Make the code of a task that has not begun, whose context runs this, a part of the step with this scope."""
    scope = _scope.get()
    _scope.set(scope._replace(name=_given(scope.name, scope.step, step), step=step))


def step_in(context: contextvars.Context) -> str:
    """Return the scope of the step, if any, whose work runs in a context."""
    return context.get(_scope, _OUTERMOST).step


def _given(place: str, named_in: str, step: str) -> str:
    return f"{step}{GIVEN}{place.removeprefix(named_in)}"


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

    def next_branch(self) -> str:
        """Name the scope of a task that the running code starts."""
        return _branch_of(self.own_scope, self.next_ordinal)

    def place(self, name: str, key: str | None = None) -> str:
        """Take the identity of an act: where the code is, the act's name, and its ordinal there or its key.

        Raises:
            ConfigurationError: If the key is none.
        """
        check_key(key)
        place = f"{self.own_scope.name}{name}"
        return f"{place}#{self.next_ordinal(place)}" if key is None else f"{place}{GIVEN_KEY}{key}"

    def begin_again(self, scope: str) -> None:
        """Have code in a scope name its acts from the first ordinals on: it begins again."""
        for place in [place for place in self._ordinals if place.startswith(scope)]:
            del self._ordinals[place]

    @property
    def step_scope(self) -> str:
        """The scope of the step whose work runs; empty outside of steps."""
        return current_scope().step

    @property
    def step_id(self) -> str | None:
        """Key of the step that is running, if one is."""
        return current_scope().name.rstrip("/") or None

    @property
    def scope_agent(self) -> str | None:
        """The agent that the running code acts for."""
        return current_scope().agent
