"""The state of a session, in four scopes: the session's own, its user's, its app's, and this invocation's."""

from collections.abc import Awaitable
from functools import partial
from typing import Any, Literal, TypeVar, get_args

from towpath.context import Context
from towpath.current import context_or_none
from towpath.entity_handle import EntityHandle
from towpath.errors import ComponentError, ContextError, SessionError
from towpath.local.running import here
from towpath.sessions.about import About
from towpath.sessions.drafts import Draft, Drafts, drafts_in
from towpath.values import to_json_value
from towpath_schemas.sessions import SESSION_TYPE, STATE_TYPE
from towpath_schemas.subjects import token

Scope = Literal["session", "user", "app", "temp"]
_SHARED: tuple[Scope, ...] = ("user", "app")
_KEPT: tuple[Scope, ...] = ("session", *_SHARED)

Told = TypeVar("Told")


async def asked(act: Awaitable[Told]) -> Told:
    """Await what a session is asked for.

    Raises:
        SessionError: If the session refuses.
        ContextError: If it is of another user than the run.
        ComponentError: If the platform fails.
    """
    try:
        return await act
    except ComponentError as error:
        for refusal in (SessionError, ContextError):
            if error.failure.error_type == refusal.__name__:
                raise refusal(error.failure.message) from error
        raise


class ScopedState:
    """State in four scopes; each sees what this invocation has set, at once.

    What is set is written with the next thing that is awaited of the session, when an agent begins or ends a turn in
    it, when the component ends, or by `flush`. In a plain script no component ends: flush.
    """

    id: str
    app_name: str | None
    user_id: str | None
    _about: About

    def __init__(self) -> None:
        self._of_script = Drafts()

    def set_state(self, key: str, value: Any, *, scope: Scope = "session") -> None:
        """Set a state value.

        Args:
            key: Its name.
            value: Anything that JSON can carry.
            scope: `session`: of this conversation; `user`: of all sessions of its user (in its app); `app`: of all
                sessions of its app; `temp`: of this invocation only, and never stored.

        Raises:
            SessionError: If the scope is unknown, or needs a `user_id` or `app_name` that the session does not have.
            ContextError: If the session is given to another user than the run's.
            NotSerialisableError: If JSON cannot carry the value.
        """
        self._draft(scope).set(_checked(key), value)

    def get_state(self, key: str, default: Any = None, *, scope: Scope = "session") -> Any:
        """Return a state value as this invocation has set or loaded it last; scopes do not shine through each other.

        Raises:
            SessionError: If the scope is unknown or needs an id, or the value was neither set nor loaded here: await
                `load()` first.
        """
        return self._draft(scope).get(_checked(key), default)

    def delete_state(self, key: str, *, scope: Scope = "session") -> None:
        """Delete a state value; one that is not there stays so.

        Raises:
            SessionError: If the scope is unknown or needs an id.
        """
        self._draft(scope).delete(_checked(key))

    async def load(self) -> None:
        """Write what was set here, and read the state of all scopes, so that `get_state` can tell any of it.

        What others set from now on is seen by the next `load`.
        """
        for scope in _KEPT:
            if self._lacks(scope) is None:
                await self._draft(scope).load()

    async def flush(self) -> None:
        """Write what was set here."""
        for scope in _KEPT:
            if self._lacks(scope) is None:
                await self._draft(scope).flush()

    async def flush_shared(self) -> None:
        """Write what was set here of the session's user and app."""
        for scope in _SHARED:
            if self._lacks(scope) is None:
                await self._draft(scope).flush()

    @property
    def own_state(self) -> Draft:
        """What was set here of the session's own state."""
        return self._draft("session")

    # --- Where each scope is kept -------------------------------------------------------------------

    def _draft(self, scope: Scope) -> Draft:
        if scope not in get_args(Scope):
            raise SessionError(f"there is no scope {scope!r}; there are {', '.join(get_args(Scope))}")
        if (lacking := self._lacks(scope)) is not None:
            raise SessionError(
                f"scope {scope!r} needs to know whose it is; give Session({self.id!r}, {lacking}=...)"
            )
        return self._drafts().of(scope, self._key(scope), partial(self._new_draft, scope))

    def _drafts(self) -> Drafts:
        """Find the drafts of the invocation that speaks, if it may reach them at all."""
        context = self._invocation()
        if context is None:
            return self._of_script
        self._about.check_reach(self.id, context.attribution)
        return drafts_in(context)

    def _invocation(self) -> Context | None:
        """Find the invocation that speaks, if one does."""
        return context_or_none()

    def _entity_of(self, entity_type: str, key: str) -> EntityHandle:
        """Reach an entity from where the invocation runs."""
        return here().entity(entity_type, key)

    def _lacks(self, scope: Scope) -> str | None:
        match scope:
            case "user":
                return None if self.user_id else "user_id"
            case "app":
                return None if self.app_name else "app_name"
            case "session" | "temp":
                return None

    def _key(self, scope: Scope) -> str:
        """Tell the key of the entity that keeps a scope; parts are written so that no two can be mistaken."""
        match scope:
            case "user":
                return f"user/{token(self.app_name) if self.app_name else ''}/{token(self.user_id or '')}"
            case "app":
                return f"app/{token(self.app_name or '')}"
            case "session" | "temp":
                return self.id

    def _new_draft(self, scope: Scope) -> Draft:
        key = self._key(scope)
        match scope:
            case "temp":
                return Draft(f"temporary state of session {key!r}", None, None)
            case "session":
                return self._own_draft(key)
            case "user" | "app":
                return self._shared_draft(f"state of the {scope} {key!r}", key)

    def _own_draft(self, key: str) -> Draft:
        about = self._about

        async def read() -> dict[str, Any]:
            return await asked(self._entity_of(SESSION_TYPE, key).values(about=about))

        async def write(values: dict[str, Any], deleted: list[str]) -> None:
            session = self._entity_of(SESSION_TYPE, key)
            await asked(session.change_state(about=about, values=values, deleted=deleted))

        return Draft(f"state of session {key!r}", read, write)

    def _shared_draft(self, what: str, key: str) -> Draft:
        async def read() -> dict[str, Any]:
            return await asked(self._entity_of(STATE_TYPE, key).all_values())

        async def write(values: dict[str, Any], deleted: list[str]) -> None:
            await asked(self._entity_of(STATE_TYPE, key).change_values(values=values, deleted=deleted))

        return Draft(what, read, write)


def _checked(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise SessionError(f"a state value is known by a name, not by {key!r}; give text")
    to_json_value(key)
    return key
