"""What a session is told about itself: whose it is, and how long what it keeps is kept."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from towpath.errors import ConfigurationError, ContextError, SessionError
from towpath_schemas.attribution import Attribution
from towpath_schemas.shape import Shape, problems

AUTO_PRUNE_KEEPS = 100
"""How many messages a session with `auto_prune=True` keeps in its history."""

_KEEP_LAST = re.compile(r"keep_last_([1-9][0-9]*)")


def keep_last_of(strategy: str) -> int | None:
    """Read how many messages `keep_last_<n>` keeps; None where it is another strategy."""
    found = _KEEP_LAST.fullmatch(strategy)
    return int(found[1]) if found else None


class Retention(Shape):
    """How long a session is kept, and what may be done to it.

    Attributes:
        ttl_days: Days after its last change when it is deleted, by itself.
        immutable: Whether pruning and deleting it are refused.
        auto_prune: Whether it keeps itself short: True for the newest 100 messages, or `keep_last_<n>`. What is older
            is forgotten, by `events` and `export` too, and so are changes of state that are not among as many newest
            events; the audit stream and the journals of runs keep it all.
    """

    ttl_days: Annotated[float, Field(gt=0)] | None = None
    immutable: bool = False
    auto_prune: bool | str = False

    @field_validator("auto_prune")
    @classmethod
    def _needs_no_model(cls, auto_prune: bool | str) -> bool | str:  # noqa: FBT001 - a validator
        if isinstance(auto_prune, str) and keep_last_of(auto_prune) is None:
            raise ValueError("give True or keep_last_<n>; what asks a model is done by session.prune(...)")
        return auto_prune

    @model_validator(mode="after")
    def _immutable_is_not_pruned(self) -> "Retention":
        if self.immutable and self.auto_prune:
            raise ValueError("an immutable session cannot be pruned; leave auto_prune or immutable out")
        return self

    @property
    def keeps(self) -> int | None:
        """How many messages stay in the history by themselves; None for all."""
        if isinstance(self.auto_prune, str):
            return keep_last_of(self.auto_prune)
        return AUTO_PRUNE_KEEPS if self.auto_prune else None


class About(Shape):
    """What is said about a session beside its id; None where nothing is said."""

    app_name: str | None = None
    user_id: str | None = None
    metadata: dict[str, Any] = {}
    retention: Retention | None = None

    def with_news(self, session_id: str, said: "About") -> "About":
        """Take over what is said now: whose a session is, and what an immutable one promises, never changes.

        Raises:
            SessionError: If that is said to be other than it is.
        """
        for name in ("app_name", "user_id"):
            known, now = getattr(self, name), getattr(said, name)
            if None not in (known, now) and known != now:
                raise SessionError(f"session {session_id!r} is of another {name}; choose another id")
        if self.is_immutable and said.retention not in (None, self.retention):
            raise SessionError(f"session {session_id!r} is immutable; its retention cannot be changed")
        return About(
            app_name=said.app_name or self.app_name,
            user_id=said.user_id or self.user_id,
            metadata={**self.metadata, **said.metadata},
            retention=said.retention or self.retention,
        )

    def check_reach(self, session_id: str, by: Attribution) -> None:
        """Refuse a run of one user what is another's; a run without a user, and a session without one, go with any.

        Raises:
            ContextError: If the session is of another user than the run is.
        """
        if None not in (self.user_id, by.user_id) and self.user_id != by.user_id:
            raise ContextError(
                f"this run is of user {by.user_id!r}, and may not reach session {session_id!r} of user "
                f"{self.user_id!r}; choose a session of the run's user, or start the run for {self.user_id!r}"
            )

    @property
    def is_immutable(self) -> bool:
        """Whether pruning and deleting are refused."""
        return self.retention is not None and self.retention.immutable

    @property
    def keeps(self) -> int | None:
        """How many messages stay in the history by themselves; None for all."""
        return None if self.retention is None else self.retention.keeps


def retention_of(said: Retention | Mapping[str, Any] | None) -> Retention | None:
    """Read a retention policy.

    Raises:
        ConfigurationError: If a field is unknown, or its value cannot be; the message names it.
    """
    if said is None or isinstance(said, Retention):
        return said
    try:
        return Retention.model_validate(said)
    except ValidationError as error:
        fields = ", ".join(Retention.model_fields)
        raise ConfigurationError(f"retention: {problems(error)}; its fields are {fields}") from error
