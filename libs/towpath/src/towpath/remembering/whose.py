"""Whose memories somebody reads and writes: by default those of the user behind the run.

A run without a user may have an agent speak in a session: what its code and its tools remember then is the session's
user's. A namespace is a user's, or the app's for all of its users. What is remembered where there is neither user is
nobody's: all runs that have no user read it, and none that has one.
"""

from typing import NamedTuple

from towpath.errors import ConfigurationError, ContextError, InvalidInputError
from towpath.scopes import Party, current_scope
from towpath_schemas.attribution import Attribution
from towpath_schemas.memory import Namespace

MAX_NAME_CHARS = 256
"""How long a key, an app's name or a user's id may be."""
NOBODY = ""
"""Stands where a namespace has a user and a run has none; no user has this id."""
SCOPES = ("user", "app")


class Owner(NamedTuple):
    """Whose memories somebody means.

    Attributes:
        user_id: None where they do not say.
        app: None where they do not say.
    """

    user_id: str | None = None
    app: str | None = None

    @classmethod
    def of(cls, party: Party | None) -> "Owner":
        """Mean those of whoever takes part."""
        return cls(party.user_id, party.app_name) if party is not None else cls()

    @classmethod
    def speaking(cls) -> "Owner":
        """Mean those of the session of the agent whose code is running, if it has one."""
        return cls.of(current_scope().session)

    def otherwise(self, other: "Owner") -> "Owner":
        """Mean what another means where this one does not say it."""
        return Owner(
            other.user_id if self.user_id is None else self.user_id,
            other.app if self.app is None else self.app,
        )


class Reach(NamedTuple):
    """Whose memories somebody reaches.

    Attributes:
        own: Where they write what is new.
        named: Where they may change what there is, too.
        known: What they read besides.
    """

    own: Namespace
    named: tuple[Namespace, ...] = ()
    known: tuple[Namespace, ...] = ()

    @property
    def writable(self) -> tuple[Namespace, ...]:
        """Where they may change what there is."""
        return (self.own, *self.named)

    @property
    def readable(self) -> tuple[Namespace, ...]:
        """What they may read, their own first."""
        return tuple(dict.fromkeys((*self.writable, *self.known)))


def reach(attribution: Attribution, meant: Owner, *, app: str | None, scope: str) -> Reach:
    """Tell whose memories a run reaches.

    Args:
        attribution: Who is behind the run.
        meant: Whose memories its code names.
        app: The app where the code names none.
        scope: `user` for those of a user, with what the app knows; `app` for that only.

    Raises:
        ContextError: If the run is of another user than its code, or the session it speaks in, names.
    """
    _check(attribution, meant)
    nearest = meant.app or app or ""
    if scope == "app":
        return Reach(Namespace(nearest))
    run_user = attribution.user_id or NOBODY
    own = Namespace(nearest, meant.user_id or run_user)
    return Reach(own, known=(Namespace(app or "", run_user), Namespace(nearest), Namespace(app or "")))


def _check(attribution: Attribution, meant: Owner) -> None:
    if meant.user_id is not None:
        check_name("user_id", meant.user_id)
    if meant.app is not None:
        check_name("app_name", meant.app)
    if attribution.user_id is not None and meant.user_id not in (None, attribution.user_id):
        raise ContextError(
            f"this run is of user {attribution.user_id!r}, and may not reach the memories of user {meant.user_id!r}; "
            f"name no other user here or in the session, or start a run of user {meant.user_id!r}"
        )


def check_scope(scope: str) -> str:
    """Return a scope, if it is one.

    Raises:
        ConfigurationError: If not.
    """
    if scope not in SCOPES:
        raise ConfigurationError(
            f"scope is {scope!r}; memories have a scope of {' or '.join(map(repr, SCOPES))}"
        )
    return scope


def check_user_in(scope: str, user_id: str | None) -> None:
    """Refuse to name a user among memories that have none.

    Raises:
        InvalidInputError: If one is named.
    """
    if scope == "app" and user_id is not None:
        raise InvalidInputError(
            f"user_id is {user_id!r}, but memories of scope 'app' are of all users; reach those of a user by "
            "Memory(scope='user'), or leave user_id out"
        )


def check_name(what: str, name: object) -> str:
    """Return a key, or the name of an app or a user, if it can be one.

    Raises:
        InvalidInputError: If it is no text, empty or too long.
    """
    if not isinstance(name, str):
        raise InvalidInputError(f"{what} is of type {type(name).__name__}; give text")
    if not name or len(name) > MAX_NAME_CHARS:
        raise InvalidInputError(f"{what} has {len(name)} characters; give it 1 to {MAX_NAME_CHARS}")
    return name
