"""Whose memories somebody reads and writes: by default those of the user behind the run.

A namespace is a user's, or the app's for all of its users. What runs without a user remember is nobody's: no run that
has a user reads it.
"""

from typing import NamedTuple, Protocol

from towpath.errors import ConfigurationError, ContextError, InvalidInputError
from towpath_schemas.attribution import Attribution
from towpath_schemas.memory import Namespace

MAX_NAME_CHARS = 256
"""How long a key, an app's name or a user's id may be."""
NOBODY = ""
"""Stands where a namespace has a user and a run has none; no user has this id."""
SCOPES = ("user", "app")


class Party(Protocol):
    """Somebody who takes part, such as a session."""

    @property
    def user_id(self) -> str | None:
        """The user."""
        ...

    @property
    def app_name(self) -> str | None:
        """The app."""
        ...


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
        ContextError: If the run is of another user than its code names.
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
            f"this run is of user {attribution.user_id!r}, and may not reach the memories of user {meant.user_id!r}"
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
